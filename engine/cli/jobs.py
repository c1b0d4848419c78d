"""Shows what a launch would ask of a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.cli.output import echo, print_table, say
from engine.cli.simulating import long
from engine.commands import fetching, sites
from engine.tables.table import Table

if TYPE_CHECKING:
    from engine.commands.experiments import Planned
    from engine.scheduling.queue import DeviceRequest
    from engine.store.layout import RunsFolder

    Counts = tuple[int, ...]

HEADERS = ("jobs", "phase", "partition", "GPUs", "cores", "memory", "time at most")


def print_jobs(planned: Planned, request: DeviceRequest) -> None:
    """Print partition, GPUs, memory and time for each kind of phase; nothing for this machine."""
    site = sites.site_of(request)
    found = sites.jobs(site, planned.plan.to_do, request) if site else []
    if site is None or not found:
        return
    rows = (
        (
            str(job.count),
            job.kind,
            job.partition or "default",
            job.gres or "none",
            str(job.asked.cpus),
            job.asked.memory or "default",
            job.asked.time,
        )
        for job in found
    )
    print_table(Table(HEADERS, tuple(rows)))
    count = sum(job.count for job in found)
    if count > site.jobs:
        echo(f"at most {site.jobs} of the {count} jobs are in the cluster's queue at once")
    if absent := fetching.missing(planned.plan.to_do):
        echo(
            f"not in this machine's cache: {', '.join(absent)}; jobs don't ask the hub, so bring "
            f"it here with: sirt fetch {planned.path}"
        )
    here = len(planned.plan.to_do) - count
    if here:
        echo(f"phases that ask an endpoint or read a file run on this machine: {here}")


def print_size(planned: Planned, runs: RunsFolder, request: DeviceRequest, cards: Counts) -> None:
    """Print GPU-hours, and how long it all takes on so many GPUs."""
    site = sites.site_of(request)
    if site is None or not sites.uses_gpus(request) or not planned.plan.to_do:
        return
    found = sites.size_of(site, planned.plan, runs, request, cards)
    times = ", ".join(f"{long(one.seconds)} on {one.cards}" for one in found.wall)
    say(
        f"about {found.gpu_hours:,.1f} GPU-hours; simulated, all is done after {times} GPUs that "
        "you have at once (what the queue makes you wait comes on top)"
    )


def jobs_json(
    planned: Planned, runs: RunsFolder, request: DeviceRequest, cards: Counts
) -> dict[str, Any]:
    site = sites.site_of(request)
    found = sites.jobs(site, planned.plan.to_do, request) if site else []
    return {
        "jobs": [
            {"kind": job.kind, "count": job.count, "partition": job.partition, "gres": job.gres}
            | job.asked._asdict()
            for job in found
        ],
        "missing": fetching.missing(planned.plan.to_do),
        "size": sites.size_of(site, planned.plan, runs, request, cards) if site else None,
    }
