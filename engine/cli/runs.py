"""The verbs status, logs, stop, retry, delete, queue and tag."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from engine.cli.follow import label
from engine.cli.output import (
    STATE_STYLE,
    echo,
    json_option,
    print_json,
    print_table,
    tell_passed_over,
)
from engine.commands import queue_changes, run_changes
from engine.queries.checking import missing_figures
from engine.queries.doing import doing
from engine.queries.remarks import remarks
from engine.queries.runs import (
    PhaseStatus,
    RunStatus,
    age,
    find_runs,
    list_runs,
    read_view,
    run_status,
    unreadable,
)
from engine.scheduling.standing import ENDED
from engine.schema.accuracy import NOTHING
from engine.schema.counts import counted
from engine.schema.durations import duration
from engine.schema.errors import UserError
from engine.schema.evaluation import Evaluation
from engine.schema.sanitize import one_line, settled
from engine.schema.tiers import shares_text, unclear
from engine.store.clock import ahead
from engine.store.run import read_run
from engine.store.spending import Spending, in_all, spending
from engine.tables.accuracies import arm_text, trained_on
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.schema.accuracy import Accuracy
    from engine.schema.events import Event
    from engine.store.layout import AttemptDir, RunsFolder
    from engine.store.run_row import RunRow

COST = {"requests", "prompt_tokens", "completion_tokens", "spent", "possible", "currency"}


@click.command()
@click.argument("run_id", required=False)
@json_option
@click.pass_obj
def status(runs: RunsFolder, run_id: str | None, as_json: bool) -> None:
    """Show all runs, or RUN_ID with its phases."""
    if run_id is None:
        rows = list_runs(runs)
        damaged = [*unreadable(runs, rows), *missing_figures(runs, rows)]
        tell_passed_over(damaged)
        if as_json:
            print_json([row_json(row) for row in rows])
        elif not rows and not damaged:
            echo(f"no runs in {runs.root}; try: sirt run pocket")
        else:
            print_table(_runs_table(rows), styles=STATE_STYLE)
        return
    for found_id in find_runs(runs, [run_id]):
        found = run_status(runs, found_id)
        tell_passed_over(found.damage)
        if as_json:
            print_json(_status_json(found))
        else:
            _print_run(runs, found)


HIDDEN = {"phase_ids", "inputs", "figures", "written"}


def row_json(row: RunRow) -> dict[str, object]:
    fields = {n: getattr(row, n) for n in row.__slots__ if n not in HIDDEN}
    return fields | {"phases": row.phases} | _accuracies_json(row.accuracies)


def _accuracies_json(found: Sequence[Accuracy]) -> dict[str, object]:
    """Return accuracies under their name, and under that of version 0.1 for older scripts."""
    return {"accuracies": found, "marks": found}


def _runs_table(rows: list[RunRow]) -> Table:
    headers = (
        "run",
        "state",
        "arm",
        "student",
        "teacher",
        "trained on",
        "seed",
        "plain prompt, %",
        "age",
    )
    return Table(headers, tuple(_run_line(row) for row in rows))


def _run_line(row: RunRow) -> tuple[str, ...]:
    plain = [a for a in row.accuracies if a.evaluation == Evaluation(a.evaluation.task, "plain")]
    own = [a for a in plain if a.evaluation.task in (row.task, row.refine_task)] or plain
    return (
        row.run_id,
        row.state,
        arm_text(row),
        row.student or NOTHING,
        row.teacher or NOTHING,
        trained_on(row),
        str(row.seed),
        f"{own[0].evaluation.task} {own[0].text}" if own else NOTHING,
        duration(age(row.created)),
    )


def _status_json(found: RunStatus) -> dict[str, object]:
    return {
        "run": found.file.run_id,
        "name": found.file.name,
        "state": found.state,
        "tags": found.file.tags,
        "note": found.file.note,
        "phases": [_phase_json(phase) for phase in found.phases],
        **_accuracies_json(found.accuracies),
    }


def _phase_json(phase: PhaseStatus) -> dict[str, object]:
    progress = phase.view.progress
    return {
        "id": phase.id,
        "kind": phase.spec.kind,
        "state": phase.state,
        "attempt": phase.attempt,
        "error": phase.error,
        "blocked_by": phase.blocked_by,
        "waits": phase.waits,
        "activity": phase.view.activity,
        "done": progress.done if progress else None,
        "total": progress.total if progress else None,
        "cost": _cost_json(phase),
        "checkpoint": _said(phase.view.checkpoint, "step", "path", "ts"),
        "answering": _said(
            phase.view.answering, "engine", "version", "policy", "startup_s", "parity"
        ),
        "artefacts": [_said(made, "path", "what", "count") for made in phase.view.artefacts],
        "unknown_events": sorted({event.kind for event in phase.view.unknown}),
        "missing_events": phase.view.gaps,
        "figures": phase.view.figures,
        "warnings": [w.text for w in phase.view.warnings],
    }


def _cost_json(phase: PhaseStatus) -> dict[str, object] | None:
    """Return the cost as reported, and if the phase pays, the cost per hour and at its end."""
    cost = phase.view.cost
    if cost is None:
        return None
    paid = _paid(phase) or Spending(cost)
    more = {"an_hour": paid.an_hour, "at_end": paid.at_end, "cap": paid.cap}
    return cost.model_dump(include=COST) | more


def _said(event: Event | None, *names: str) -> dict[str, object] | None:
    return event.model_dump(mode="json", include=set(names)) if event else None


def _print_run(runs: RunsFolder, found: RunStatus) -> None:
    file = found.file
    echo(one_line(f"{file.run_id}  {file.name}  {found.state}"))
    if file.tags or file.note:
        echo(one_line(f"  {' '.join('#' + t for t in file.tags)} {file.note}".rstrip()))
    rows = tuple(_phase_line(runs, phase) for phase in found.phases)
    print_table(Table(("phase", "state", "attempt", "progress", "says"), rows), styles=STATE_STYLE)
    for one in found.accuracies:
        echo(f"  {one.evaluation.label}: {one.text} of {one.total}{_read_by(one)}")
    for phase in found.phases:
        for remark in remarks(phase.spec, phase.view):
            echo(f"  {label(phase.spec)}: {remark}")
        for warning in phase.view.warnings:
            echo(f"  {phase.spec.kind}: {warning.level}: {warning.text}")
    paid = [one.cost for one in map(_paid, found.phases) if one is not None]
    for total in in_all(paid) if len(paid) > 1 else ():
        echo(f"  paid in all: {total}")


def _paid(phase: PhaseStatus) -> Spending | None:
    return spending(phase.spec, phase.view)


def _read_by(one: Accuracy) -> str:
    """Say how answers were read: ``, read by statement 91.0, last_number 9.0 (9.0 % unclear)``."""
    if not one.tiers:
        return ""
    doubtful = 100 * unclear(one.tiers, one.total)
    return f", read by {shares_text(one.tiers, one.total)} ({doubtful:.1f} % unclear)"


def _phase_line(runs: RunsFolder, phase: PhaseStatus) -> tuple[str, ...]:
    view, progress = phase.view, phase.view.progress
    done = f"{progress.done}/{progress.total} {progress.unit}" if progress else NOTHING
    if phase.state == "running":
        done = ", ".join(doing(view))
    says = phase.error
    if phase.state == "running" and view.last_event and age(view.last_event) > 60:
        silent = age(view.last_event) - ahead(runs.root)
        says = f"no event for {duration(silent)}" if silent > 60 else says
    if phase.waits:
        says = phase.waits
    if phase.blocked_by:
        says = f"waits for {', '.join(phase.blocked_by)}"
    return (phase.id, phase.state, str(phase.attempt or NOTHING), done, says)


@click.command()
@click.argument("run_id")
@click.option("--phase", help="Only phases whose id begins so (a kind will do).")
@click.option("--errors", is_flag=True, help="What the processes wrote to stderr.")
@json_option
@click.pass_obj
def logs(runs: RunsFolder, run_id: str, phase: str | None, errors: bool, as_json: bool) -> None:
    """Print messages and samples of RUN_ID's phases, or their stderr."""
    (found_id,) = find_runs(runs, [run_id])[:1]
    specs = [p for p in read_run(runs, found_id).spec.phases if p.id.startswith(phase or "")]
    if not specs:
        raise UserError(f"{found_id}: no phase begins with {phase!r}")
    tried = [(spec.id, runs.phase(spec.id).last_attempt()) for spec in specs]
    attempts = [(phase_id, attempt) for phase_id, attempt in tried if attempt is not None]
    tell_passed_over(
        line for phase_id, _ in tried if (line := read_view(runs.phase(phase_id))[1]) and not errors
    )
    if as_json:
        said = _stderr if errors else _events
        print_json([{"phase": p, "attempt": a.number, "said": said(a)} for p, a in attempts])
        return
    for phase_id, attempt in attempts:
        echo(f"== {phase_id} attempt {attempt.number}")
        if errors:
            echo(_stderr(attempt))
        else:
            _print_events(attempt)


def _stderr(attempt: AttemptDir) -> str:
    if not attempt.stderr.is_file():
        return ""
    return settled(attempt.stderr.read_bytes().decode(errors="replace"))


def _events(attempt: AttemptDir) -> list[Event]:
    from engine.store.eventlog import EventReader

    return EventReader(attempt.events).read(10_000_000, 60_000)


def _print_events(attempt: AttemptDir) -> None:
    from engine.schema import events as ev

    for event in _events(attempt):
        when = f"{event.ts:%H:%M:%S}"
        match event:
            case ev.Message():
                echo(f"{when} {event.level}: {event.text}")
            case ev.Activity():
                echo(f"{when} {event.text}")
            case ev.Metric():
                values = " ".join(f"{k}={v:.4g}" for k, v in event.values.items())
                echo(f"{when} step {event.step}: {values}")
            case ev.Sample():
                right = event.verdict and ("right" if event.verdict.correct else "wrong")
                echo(f"{when} {right or event.label} {event.item}: {event.text!r}")
            case ev.PhaseFinished():
                echo(f"{when} {event.outcome} {event.error}".rstrip())
            case _:
                pass


@click.command()
@click.argument("run_ids", nargs=-1, required=True)
@click.option("--wait", is_flag=True, help="Return when nothing of them runs any more.")
@click.pass_obj
def stop(runs: RunsFolder, run_ids: tuple[str, ...], wait: bool) -> None:
    """Stop RUN_IDS. Phases that another queued run needs go on."""
    found = find_runs(runs, run_ids)
    run_changes.stop(runs, found)
    while wait and any(run_status(runs, r, with_views=False).state == "running" for r in found):
        time.sleep(0.3)
    echo(f"{counted(len(found), 'run')} asked to stop; `sirt retry` goes on from there")


def _has_nothing_to_retry(runs: RunsFolder, run_id: str) -> bool:
    """Whether the run is at work and none of its phases has ended badly."""
    found = run_status(runs, run_id, with_views=False)
    return found.state == "running" and not any(phase.state in ENDED for phase in found.phases)


@click.command()
@click.argument("run_ids", nargs=-1, required=True)
@click.option("--follow", "following", is_flag=True, help="Stay and show progress.")
@click.pass_obj
def retry(runs: RunsFolder, run_ids: tuple[str, ...], following: bool) -> None:
    """Go on with RUN_IDS where they ended; nothing finished is done again.

    The id of a phase instead of a run's makes that phase again, whose outputs have changed, say.
    """
    phases = [word for word in run_ids if runs.is_phase(word)]
    again = [run_changes.make_again(runs, phase) for phase in phases]
    found = find_runs(runs, [word for word in run_ids if word not in phases])
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
@click.argument("run_ids", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.pass_obj
def delete(runs: RunsFolder, run_ids: tuple[str, ...], yes: bool) -> None:
    """Delete RUN_IDS with the phases that no other run needs."""
    for run_id in find_runs(runs, run_ids):
        going, staying = run_changes.deletable(runs, run_id)
        echo(f"{run_id}: deletes {counted(len(going), 'phase')}: {', '.join(going) or 'none'}")
        if notes := run_changes.marked(runs, going):
            echo(f"  deletes what you marked on {counted(notes, 'item')}")
        if staying:
            echo(f"  keeps {counted(len(staying), 'phase')} that other runs need")
        if yes or click.confirm("  delete?"):
            run_changes.delete(runs, run_id)


@click.command()
@click.option("--move", nargs=2, type=(str, int), help="RUN_ID POSITION; 0 is next.")
@click.option(
    "--cpu-slots",
    type=click.IntRange(0),
    help="CPU phases at once, each with its share of the cores; 0: as many as are ready.",
)
@json_option
@click.pass_obj
def queue(
    runs: RunsFolder, move: tuple[str, int] | None, cpu_slots: int | None, as_json: bool
) -> None:
    """Show the queue, first run first, or change it."""
    from engine.scheduling.queue import read_queue

    if move:
        run_changes.move(runs, find_runs(runs, [move[0]])[0], move[1])
    if cpu_slots is not None:
        queue_changes.set_cpu_slots(runs, cpu_slots or None)
    wanted = read_queue(runs)
    entries = wanted.entries
    if as_json:
        print_json(entries)
        return
    for place, entry in enumerate(entries):
        echo(f"{place}  {entry.run_id}  {entry.devices.model_dump(exclude_defaults=True)}")
    if not entries:
        echo("the queue is empty")
    if wanted.cpu_slots:
        echo(f"CPU phases at once: {wanted.cpu_slots}")


@click.command()
@click.argument("run_id")
@click.argument("tags", nargs=-1)
@click.option("--name", help="What the run is called.")
@click.option("--note", help="A note of your own.")
@click.pass_obj
def tag(
    runs: RunsFolder, run_id: str, tags: tuple[str, ...], name: str | None, note: str | None
) -> None:
    """Set RUN_ID's TAGS (none given: they stay), name or note."""
    for found in find_runs(runs, [run_id]):
        run_changes.describe(runs, found, name, tags or None, note)
