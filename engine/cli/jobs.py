"""Shows what a launch would ask of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.cli.output import echo, print_table, say
from engine.cli.simulating import long
from engine.commands import fetching
from engine.commands.simulating import CARDS
from engine.commands.site_jobs import refusals, site_jobs
from engine.commands.sites import site_of
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.commands.experiments import Planned
    from engine.scheduling.queue import DeviceRequest
    from engine.store.layout import RunsFolder

HEADERS = ("jobs", "phase", "partition", "nodes", "GPUs", "cores", "memory", "time at most")


def print_jobs(
    planned: Planned, runs: RunsFolder, request: DeviceRequest, cards: Sequence[int] = CARDS
) -> None:
    """Print what jobs ask for, GPU-hours, and how long it takes; nothing for this machine."""
    site = site_of(request)
    found = site_jobs(planned.plan, runs, request, cards)
    if site is None or not found.jobs:
        return
    rows = (
        (
            str(job.count),
            job.kind,
            job.partition or "default",
            str(job.asked.nodes),
            job.gres or "none",
            str(job.asked.cpus),
            job.asked.memory or "default",
            job.asked.time,
        )
        for job in found.jobs
    )
    print_table(Table(HEADERS, tuple(rows)))
    for line in refusals(planned.plan.to_do, request):
        echo(f"it can't be launched: {line}")
    if found.count > site.jobs:
        echo(f"at most {site.jobs} of the {found.count} jobs are in the cluster's queue at once")
    if found.wall:
        times = ", ".join(f"{long(one.seconds)} on {one.cards}" for one in found.wall)
        say(
            f"about {found.gpu_hours:,.1f} GPU-hours; simulated, all is done after {times} GPUs "
            "that you have at once (what the queue makes you wait comes on top)"
        )
    for line in found.short:
        say(line)
    if absent := fetching.missing(planned.plan.to_do):
        echo(
            f"not in this machine's cache: {', '.join(absent)}; jobs don't ask the hub, so bring "
            f"it here with: sirt fetch {planned.path}"
        )
    here = len(planned.plan.to_do) - found.count
    if here:
        echo(f"phases that ask an endpoint or read a file run on this machine: {here}")


def jobs_json(
    planned: Planned, runs: RunsFolder, request: DeviceRequest, cards: Sequence[int]
) -> dict[str, Any]:
    found = site_jobs(planned.plan, runs, request, cards)
    return {
        "jobs": [
            {"kind": job.kind, "count": job.count, "partition": job.partition, "gres": job.gres}
            | job.asked._asdict()
            for job in found.jobs
        ],
        "short": found.short,
        "gpu_hours": found.gpu_hours,
        "wall": found.wall,
        "missing": fetching.missing(planned.plan.to_do),
    }
