"""The verbs plan, run and presets."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from engine.catalog import TASKS
from engine.cli.completion import experiments
from engine.cli.jobs import jobs_json, print_jobs
from engine.cli.output import (
    echo,
    json_option,
    print_json,
    print_table,
    say,
    tell_passed_over,
)
from engine.cli.simulating import cards_of, print_simulations
from engine.commands import device_request as placing
from engine.commands import queue_changes, simulating
from engine.commands.experiments import Planned, explained, launch, plan_experiment
from engine.commands.site_jobs import check_launch, uses_gpus
from engine.commands.sites import site_request
from engine.machine.devices import memory
from engine.planning import presets as preset_files
from engine.schema.counts import counted
from engine.schema.durations import duration
from engine.schema.errors import UserError
from engine.schema.varied import value_text
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.planning.estimate import Estimate
    from engine.planning.nearest import Explained
    from engine.scheduling.queue import DeviceRequest
    from engine.store.layout import RunsFolder

GROUPS_SHOWN = 40


@click.command()
@click.argument("experiment", shell_complete=experiments)
@click.option("--site", help="Also show what would be asked of this site.")
@click.option(
    "--simulate", is_flag=True, help="Also show how long it takes on GPUs, in which order."
)
@click.option("--gpu-counts", help="How many GPUs to simulate; 1,4,16,64 if not given.")
@click.option(
    "--why", is_flag=True, help="Of every phase to be done: the nearest finished one, what differs."
)
@json_option
@click.pass_obj
def plan(
    runs: RunsFolder,
    experiment: str,
    site: str | None,
    simulate: bool,
    gpu_counts: str | None,
    why: bool,
    as_json: bool,
) -> None:
    """Show the runs and phases of EXPERIMENT (a file, or a shipped preset's name)."""
    if gpu_counts and not (simulate or site):
        raise UserError("--gpu-counts: say --simulate too, or --site NAME")
    counts = cards_of(gpu_counts) if gpu_counts else simulating.CARDS
    request = site_request(runs, site) if site else None
    planned = plan_experiment(
        runs,
        experiment,
        on_gpu=True if simulate else uses_gpus(request),
        launcher=request.launcher if request else "local",
    )
    reasons = explained(runs, planned) if why else planned.why
    found = simulating.simulations(planned.plan, runs, counts) if simulate else []
    if as_json:
        told = _plan_json(planned, reasons) | (
            jobs_json(planned, runs, request, counts) if request else {}
        )
        print_json(told | ({"simulated": found} if simulate else {}))
        return
    print_plan(planned, reasons, every=why)
    if request is not None:
        print_jobs(planned, runs, request, counts)
    if simulate:
        print_simulations(found)


def _plan_json(planned: Planned, why: Iterable[Explained]) -> dict[str, Any]:
    plan = planned.plan
    return {
        "experiment": planned.resolved.experiment.name,
        "runs": [run.title for run in plan.runs],
        "sweep": planned.swept,
        "varied": [run.varied for run in plan.runs],
        "phases_naive": plan.naive,
        "phases_shared": len(plan.phases),
        "to_do": [phase.id for phase in plan.to_do],
        "reusable": sorted(plan.done),
        "elsewhere": {name: str(one.phase.path) for name, one in planned.elsewhere.found.items()},
        "counts": plan.counts(),
        "estimate": planned.estimate,
        "notes": planned.notes,
        "why": [
            {
                "phase": one.phase.id,
                "nearest": one.nearest or None,
                "differences": one.differences,
                "waits_for": one.waits_for,
            }
            for one in why
        ],
        "unusual": [remark._asdict() for remark in planned.remarks],
    }


def print_plan(planned: Planned, why: Iterable[Explained] = (), every: bool = False) -> None:
    """Print the number of phases by kind, with and without sharing, what is reused, why the others
    are not, and the estimate. ``every``: the reasons are of all phases to be done."""
    plan, found = planned.plan, planned.estimate
    experiment = planned.resolved.experiment
    say(f"{experiment.name}: {counted(len(plan.runs), 'run')}. {experiment.description}")
    rows = [(kind, *map(str, counts)) for kind, counts in plan.counts().items()]
    total = ("all", str(plan.naive), str(len(plan.phases)), str(len(plan.to_do)))
    print_table(Table(("phase", "without sharing", "with sharing", "to do"), (*rows, total)))
    if len(plan.runs) > 1:
        say(
            "without sharing: if each run made its own phases, and those of the teacher, baseline "
            f"and instructed student that it is compared with ({plan.of_the_runs_alone} phases "
            "without the latter)"
        )
    if planned.resolved.sweep:
        _print_groups(planned)
    for remark in planned.remarks:
        say(f"unusual: {remark.key}: {remark.text}")
    for note in planned.notes:
        say(note)
    if plan.done:
        kinds = ", ".join(f"{number} {kind}" for kind, number in planned.reused.items())
        say(f"reused: {counted(len(plan.done), 'finished phase')} ({kinds})")
    for line in planned.from_elsewhere:
        say(line)
    if not plan.to_do:
        return
    near = [one for one in why if one.nearest or every]
    if near:
        echo("not reused, and why" + ("" if every else " (the first to be done; --why tells all)"))
    for one in near:
        card = f" {one.phase.card.name}" if one.phase.card else ""
        say(f"  {one.phase.title}{card}: {one.text}")
    print_estimate(found)


def _print_groups(planned: Planned) -> None:
    """Print what is swept over, and the runs, a line for those that differ in their seed alone."""
    swept = planned.swept
    for key, values in swept.items():
        say(f"sweep: {key} over {', '.join(map(value_text, values))}")
    groups = list(planned.plan.groups.items())
    for group, found in groups[:GROUPS_SHOWN]:
        seeds = ", ".join(str(run.seed) for run in found)
        mark = "done" if planned.plan.finished(found) else "to do"
        say(f"  {mark:<5}  {group}  seed{'s' if len(found) > 1 else ''} {seeds}")
    if len(groups) > GROUPS_SHOWN:
        say(f"  and {len(groups) - GROUPS_SHOWN} more; --json lists all")


def print_estimate(found: Estimate, err: bool = False) -> None:
    """Print the time, memory and money that unfinished phases will take."""
    tell_passed_over(found.passed_over)
    words = (
        (found.from_history, "as long as such phases took before"),
        (found.rough, f"roughly, from model sizes and {found.speed}"),
        (found.unknown, "unknown and left out"),
    )
    basis = "; ".join(f"{counted(n, 'phase')} {how}" for n, how in words if n)
    where = "a GPU" if found.on_gpu else "this CPU"
    say(f"estimate: {duration(found.seconds)} on {where}, one after the other ({basis})", err=err)
    if found.looks >= 1:
        what = "look_prompts of instruct and refine"
        say(f"about {duration(found.looks)} of it answers prompts while training ({what})", err=err)
    if found.memory_gib is not None:
        size, available = (mib / 1024 for mib in memory())
        say(
            f"memory: about {found.memory_gib:.1f} GiB for the largest phase, {found.memory_basis}"
            + ("" if found.on_gpu else f" ({available:.1f} of {size:.1f} GiB are free here)")
            + "; phases run side by side only while all of them fit",
            err=err,
        )
    if found.costs:
        say(f"cost of endpoints (rough): {found.costs}", err=err)


def device_options(function: Any) -> Any:
    """Add the options that say which devices phases may use."""
    for option in (
        click.option("--gpus", help="The GPUs that phases may use, such as 0,1."),
        click.option(
            "--gpu-count",
            type=int,
            help="How many GPUs each phase gets: of those in --gpus, or of all.",
        ),
        click.option("--cpu", is_flag=True, help="Use no GPU."),
    ):
        function = option(function)
    return function


def device_request(
    gpus: str | None,
    gpu_count: int | None,
    cpu: bool,
    launcher: str = "local",
    site: tuple[RunsFolder, str] | None = None,
) -> DeviceRequest:
    """Read the device options; ``UserError`` if they contradict each other, the machine or the
    site (and the folder that it is looked for with)."""
    if cpu and (gpus is not None or gpu_count is not None):
        raise UserError("--cpu means no GPU: leave out --gpus and --gpu-count, or --cpu")
    try:
        wanted = None if gpus is None else [int(part) for part in gpus.split(",")]
    except ValueError:
        raise UserError(f"--gpus {gpus!r}: expected indices, as in 0,1") from None
    try:
        if site is not None:
            return site_request(*site, wanted, gpu_count, cpu)
        return placing.device_request(wanted, gpu_count, cpu, launcher)
    except UserError as error:
        given = {"--site": site and site[1], "--gpus": gpus, "--gpu-count": gpu_count}
        options = " ".join(f"{name} {value}" for name, value in given.items() if value is not None)
        raise UserError(f"{options}: {error}") from None


@click.command()
@click.argument("experiment", shell_complete=experiments)
@device_options
@click.option(
    "--cpu-slots",
    type=click.IntRange(1),
    help="How many phases may share the CPU in this folder; kept for later launches.",
)
@click.option(
    "--launcher",
    default="local",
    help="What starts phases: local, or a launcher of your own; for Slurm give --site.",
)
@click.option("--site", help="Where to run: a site's name (sirt site list); local: this machine.")
@click.option("--detach", is_flag=True, help="Return at once; look with `sirt status`.")
@json_option
@click.pass_obj
def run(
    runs: RunsFolder,
    experiment: str,
    gpus: str | None,
    gpu_count: int | None,
    cpu: bool,
    cpu_slots: int | None,
    launcher: str,
    site: str | None,
    detach: bool,
    as_json: bool,
) -> None:
    """Launch EXPERIMENT, follow it, and print its accuracy table.

    Closing the terminal or ctrl+c stops nothing: the conductor goes on without it.
    """
    from engine.cli.follow import follow

    request = device_request(gpus, gpu_count, cpu, launcher, (runs, site) if site else None)
    planned = plan_experiment(runs, experiment, launcher=request.launcher)
    if not as_json:
        print_plan(planned, planned.why)
        print_jobs(planned, runs, request)
    check_launch(planned.plan.to_do, request)
    if cpu_slots is not None:
        queue_changes.set_cpu_slots(runs, cpu_slots)
    launched = launch(runs, planned, request)
    for note in launched.notes:
        echo(note, err=True)
    if launched.reused and not as_json:
        echo(
            f"reused: {counted(len(launched.reused), 'run')} finished before, "
            f"{counted(len(planned.plan.done), 'phase')}"
        )
    if detach:
        if as_json:
            print_json({"queued": launched.queued, "reused": launched.reused})
        else:
            echo(f"{counted(len(launched.queued), 'run')} queued; look with: sirt status")
        return
    succeeded = follow(runs, launched.all, quiet=as_json)
    from engine.cli.results import print_report

    print_report(runs, list(launched.all), "json" if as_json else "text")
    sys.exit(0 if succeeded else 1)


@click.command()
@click.argument("experiment", shell_complete=experiments)
@click.pass_obj
def fetch(runs: RunsFolder, experiment: str) -> None:
    """Bring the models and benchmarks of EXPERIMENT to this machine's cache of the hub.

    Jobs of a cluster read them from there: their nodes often have no way out.
    """
    from engine.commands import fetching

    to_do = plan_experiment(runs, experiment).plan.to_do
    fetching.fetch(to_do, echo)
    echo("all that is read from the hub is here")


@click.command()
@json_option
def presets(as_json: bool) -> None:
    """List the shipped experiments, model cards and tasks."""
    found = {
        "experiments": preset_files.experiments(),
        "models": preset_files.card_names(),
        "tasks": sorted(TASKS),
        "folder": str(preset_files.PRESETS),
    }
    if as_json:
        print_json(found)
        return
    for what, names in found.items():
        say(f"{what}: {names if isinstance(names, str) else ', '.join(names)}")
