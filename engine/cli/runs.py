"""The verbs stop, retry, tag and leave-out: change runs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from engine.cli.completion import run_ids, runs_and_phases
from engine.cli.output import echo
from engine.commands import run_changes
from engine.queries.finding import find_runs, find_runs_and_phases
from engine.queries.runs import run_status
from engine.scheduling.standing import ENDED
from engine.schema.counts import counted

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder

AT_WORK = ("running", "pending", "stopping")


@click.command()
@click.argument("which", nargs=-1, required=True, metavar="RUN...", shell_complete=run_ids)
@click.option("--wait", is_flag=True, help="Return once nothing of them runs any more.")
@click.pass_obj
def stop(runs: RunsFolder, which: tuple[str, ...], wait: bool) -> None:
    """Stop runs; what they have done is kept. Phases that another queued run needs go on."""
    named = find_runs(runs, which)
    found = [r for r in named if run_status(runs, r, with_views=False).state != "done"]
    if finished := len(named) - len(found):
        echo(f"{counted(finished, 'run')} finished before: nothing to stop")
    run_changes.stop(runs, found)
    while wait and any(run_status(runs, r, with_views=False).state in AT_WORK for r in found):
        time.sleep(0.3)
    if found:
        echo(f"{counted(len(found), 'run')} asked to stop; go on later with `sirt retry`")


def _has_nothing_to_retry(runs: RunsFolder, run_id: str) -> bool:
    """Whether the run is at work and none of its phases has ended badly."""
    found = run_status(runs, run_id, with_views=False)
    return found.state in AT_WORK and not any(phase.state in ENDED for phase in found.phases)


@click.command()
@click.argument(
    "which", nargs=-1, required=True, metavar="RUN|PHASE...", shell_complete=runs_and_phases
)
@click.option("--follow", "following", is_flag=True, help="Stay and show progress.")
@click.pass_obj
def retry(runs: RunsFolder, which: tuple[str, ...], following: bool) -> None:
    """Go on with runs that were stopped, failed or lost; nothing finished is done again.

    The id of a phase instead of a run's makes that finished phase again, as where its files were
    changed or lost.
    """
    found, phases = find_runs_and_phases(runs, which)
    again = [run_changes.make_again(runs, phase) for phase in phases]
    at_work = [run_id for run_id in found if _has_nothing_to_retry(runs, run_id)]
    for run_id in at_work:
        echo(f"{run_id}: running already, nothing to retry")
    found = [run_id for run_id in found if run_id not in at_work]
    queued = list(dict.fromkeys([*again, *run_changes.retry(runs, found)]))
    if finished := len(set(found) - set(queued)):
        echo(f"{counted(finished, 'run')} finished before: nothing to do")
    if queued:
        echo(f"{counted(len(queued), 'run')} queued")
    if queued and following:
        from engine.cli.follow import follow

        if not follow(runs, queued):
            raise SystemExit(1)


@click.command()
@click.argument("which", metavar="RUN", shell_complete=run_ids)
@click.argument("tags", nargs=-1)
@click.option("--name", help="A new name for the run.")
@click.option("--note", help="A note of your own.")
@click.pass_obj
def tag(
    runs: RunsFolder, which: str, tags: tuple[str, ...], name: str | None, note: str | None
) -> None:
    """Give a run tags, in place of those that it has, a name, or a note."""
    for found in find_runs(runs, [which]):
        run_changes.describe(runs, found, name, tags or None, note)


@click.command()
@click.argument("which", nargs=-1, required=True, metavar="RUN...", shell_complete=run_ids)
@click.option("--undo", is_flag=True, help="Take them in again.")
@click.pass_obj
def leave_out(runs: RunsFolder, which: tuple[str, ...], undo: bool) -> None:
    """Leave runs out of tables and reports; they stay in the list, marked."""
    found = find_runs(runs, which)
    for run_id in found:
        run_changes.describe(runs, run_id, left_out=not undo)
    what = "in tables and reports again" if undo else "left out of tables and reports"
    echo(f"{counted(len(found), 'run')} {what}")
