"""The verb status: all runs in a table, or one run in words; once, or redrawn as they go on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from engine.cli.completion import run_ids
from engine.cli.output import (
    STATE_STYLE,
    echo,
    json_option,
    print_json,
    print_table,
    say,
    tell_passed_over,
)
from engine.queries.checking import missing_figures
from engine.queries.doing import placed, steps, waits_for
from engine.queries.finding import find_run, find_runs
from engine.queries.remarks import remarks
from engine.queries.runs import PhaseStatus, RunStatus, age, list_runs, run_status, unreadable
from engine.scheduling import daemon
from engine.scheduling.standing import ENDED_BADLY
from engine.schema.accuracy import NOTHING
from engine.schema.durations import duration
from engine.schema.errors import UserError
from engine.schema.evaluation import Evaluation
from engine.schema.tiers import is_clear, shares
from engine.schema.varied import varied_texts
from engine.store.clock import ahead
from engine.store.spending import Spending, in_all, spending
from engine.tables.accuracies import arm_text, trained_on
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.schema.accuracy import Accuracy
    from engine.schema.events import Event
    from engine.schema.run_spec import RunSpec
    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow

COST = {"requests", "prompt_tokens", "completion_tokens", "spent", "possible", "currency"}
HIDDEN = {"phase_ids", "inputs", "figures", "written"}
SILENT_AFTER_S = 60.0


@click.command()
@click.argument("which", required=False, metavar="[RUN]", shell_complete=run_ids)
@click.option("--watch", "watching", is_flag=True, help="Redraw it as it changes; ctrl+c ends it.")
@click.option("--ids", is_flag=True, help="With the ids of a run's phases.")
@json_option
@click.pass_obj
def status(runs: RunsFolder, which: str | None, watching: bool, ids: bool, as_json: bool) -> None:
    """Show all runs, or one run: its phases, what they wait for, accuracies and cost.

    With an experiment's name instead, all of its runs are shown.
    """
    if watching:
        from engine.cli import watching as live

        if as_json:
            raise UserError("--json and --watch: give one of them")
        live.watch_all(runs) if which is None else live.watch_one(runs, find_run(runs, which))
        return
    if which is None:
        _print_all(runs, as_json)
        return
    for found_id in find_runs(runs, [which]):
        found = run_status(runs, found_id)
        tell_passed_over(found.damage)
        if as_json:
            print_json(_status_json(found))
        else:
            print_run(runs, found, ids)


# --- all runs ---


def _print_all(runs: RunsFolder, as_json: bool) -> None:
    rows = list_runs(runs)
    damaged = [*unreadable(runs, rows), *missing_figures(runs, rows)]
    tell_passed_over(damaged)
    if as_json:
        print_json([row_json(row) for row in rows])
    elif not rows and not damaged:
        echo(f"no runs in {runs.root}; try: sirt run pocket")
    else:
        print_table(_runs_table(rows), styles=STATE_STYLE)


def row_json(row: RunRow) -> dict[str, object]:
    fields = {n: getattr(row, n) for n in row.__slots__ if n not in HIDDEN}
    settings = {name: value for group in row.settings or () for name, value in group.items()}
    since = min(row.at_work, default=None)
    more = {"phases": row.phases, "settings": settings, "working_since": since}
    return fields | more | _accuracies_json(row.accuracies)


def _accuracies_json(found: Sequence[Accuracy]) -> dict[str, object]:
    """Return accuracies under their name, and under that of version 0.1 for older scripts."""
    return {"accuracies": found, "marks": found}


def _runs_table(rows: list[RunRow]) -> Table:
    headers = (
        "run", "state", "arm", "student", "teacher", "trained on", "seed", "plain prompt, %", "age",
    )  # fmt: skip
    return Table(headers, tuple(_run_line(row) for row in rows))


def _run_line(row: RunRow) -> tuple[str, ...]:
    return (
        row.run_id,
        row.state,
        arm_text(row),
        row.student or NOTHING,
        row.teacher or NOTHING,
        trained_on(row),
        str(row.seed),
        plain_accuracy(row) or NOTHING,
        duration(age(row.created)),
    )


def plain_accuracy(row: RunRow) -> str:
    """Return the task and the accuracy with the plain prompt, on what it was trained on if that
    was measured; "" without one."""
    plain = [a for a in row.accuracies if a.evaluation == Evaluation(a.evaluation.task, "plain")]
    own = [a for a in plain if a.evaluation.task in (row.task, row.refine_task)] or plain
    return f"{own[0].evaluation.task} {own[0].text}" if own else ""


# --- one run ---


def print_run(runs: RunsFolder, found: RunStatus, ids: bool = False) -> None:
    """Print a run in words."""
    file, cell = found.file, found.file.spec
    say(f"{file.run_id}: {found.state}")
    say(f"{_cell(cell)}; experiment {cell.experiment}", "  ")
    if file.name != cell.title:
        say(f"name: {file.name}", "  ")
    if file.tags or file.note:
        say(f"{' '.join('#' + t for t in file.tags)} {file.note}".strip(), "  ")
    _print_phases(runs, found, ids)
    _print_accuracies(found.accuracies)
    for line in (_cost(found.phases), *_todo(runs, found), *_remarks(found)):
        say(line, "  ")


def _cell(cell: RunSpec) -> str:
    """Say what the run does: ``arm both: wren-1m, taught by wren-3m, on gsm8k, seed 0``."""
    task = " > ".join(dict.fromkeys(filter(None, (cell.task, cell.refine_task))))
    parts = (
        cell.student or cell.teacher,
        cell.student and cell.teacher and f"taught by {cell.teacher}",
        task and f"on {task}",
        cell.fraction != 100 and f"{cell.fraction} % of the data",
        cell.rounds != 1 and f"{cell.rounds} rounds",
        cell.curated and f"{len(cell.curated)} pairs left out",
        *varied_texts(cell.varied),
        f"seed {cell.seed}",
    )
    return f"arm {cell.arm}: {', '.join(str(part) for part in parts if part)}"


def _print_phases(runs: RunsFolder, found: RunStatus, ids: bool) -> None:
    headers = ("phase", "state", "took", "progress", *(("id",) if ids else ()))
    rows = tuple(
        (p.spec.title, p.shown, _took(p), _progress(p, found.phases), *((p.id,) if ids else ()))
        for p in found.phases
    )
    print_table(Table(headers, rows), styles=STATE_STYLE)
    for phase in found.phases:
        for line in _said(runs, phase):
            say(f"{phase.spec.title}: {line}", "  ")


def _took(phase: PhaseStatus) -> str:
    """Say how long the attempts took in all, or work already."""
    if phase.state in ("waiting", "queued", "blocked"):
        return NOTHING
    took = phase.view.took(datetime.now(UTC) if phase.state == "running" else None)
    return NOTHING if took is None else duration(took)


def _progress(phase: PhaseStatus, phases: Sequence[PhaseStatus]) -> str:
    """Say how far it is, or what it waits for."""
    waits = waits_for(phase, phases)
    counted = phase.view.progress
    tries = f" (attempt {phase.attempt})" if phase.attempt > 1 else ""
    if phase.state == "queued" and phase.attempt:
        return f"to be tried again (attempt {phase.attempt + 1})"
    if waits or counted is None:
        return f"{waits}{tries}".strip() or NOTHING
    return f"{counted.done}/{counted.total} {counted.unit}{tries}"


def _said(runs: RunsFolder, phase: PhaseStatus) -> Iterable[str]:
    """Yield what a phase does now, since when it makes no progress, and why it ended."""
    view = phase.view
    if phase.state == "running":
        yield ", ".join(steps(view))
        if phase.where:
            yield placed(phase)
        silent = age(view.progressed) - ahead(runs.root) if view.progressed else 0.0
        if silent > SILENT_AFTER_S:
            yield f"no sign of progress for {duration(silent)}"
    if phase.error and phase.state != "done":
        before = f"attempt {phase.attempt} ended with: " if phase.state == "queued" else ""
        yield f"{before}{phase.error}"


def _print_accuracies(found: Sequence[Accuracy]) -> None:
    if not found:
        return
    rows = tuple((one.evaluation.label, one.text, str(one.total), _unclear(one)) for one in found)
    print_table(Table(("evaluated on", "right, % [Wilson 95 %]", "n", "unclear, %"), rows))


def _unclear(one: Accuracy) -> str:
    """Say for how many answers no clear statement was found, and what was read instead."""
    found = shares(one.tiers, one.total)
    weak = {name: share for name, share in found.items() if not is_clear(name)}
    if not found:
        return NOTHING
    by = ", ".join(f"{name.replace('_', ' ')} {100 * share:.1f}" for name, share in weak.items())
    return f"{100 * sum(weak.values()):.1f}" + (f" ({by})" if by else "")


def _remarks(found: RunStatus) -> Iterable[str]:
    for phase in found.phases:
        for remark in remarks(phase.spec, phase.view):
            yield f"{phase.spec.title}: {remark}"
        for warning in phase.view.warnings:
            yield f"{phase.spec.title}: {warning.level}: {warning.text}"


def _cost(phases: Sequence[PhaseStatus]) -> str:
    """Say what all phases cost: the time that they worked, and what endpoints were paid."""
    seconds = sum(phase.view.took() or 0.0 for phase in phases)
    paid = [one for one in map(_paid, phases) if one is not None]
    told = "".join(f", paid {total.text}" for total in in_all(paid)) or ", nothing paid"
    return f"cost: {duration(seconds)} of work{told}"


def _todo(runs: RunsFolder, found: RunStatus) -> Iterable[str]:
    """Say how it goes on where it doesn't by itself."""
    states = {phase.state for phase in found.phases}
    if states & ENDED_BADLY:
        yield f"to go on with what ended badly: sirt retry {found.file.run_id}"
    elif states <= {"done", "waiting", "blocked"} and "waiting" in states:
        yield f"it is not queued; to go on: sirt retry {found.file.run_id}"
    elif "queued" in states and "running" not in states and daemon.holder(runs) is None:
        yield f"no conductor runs, so nothing starts; to go on: sirt retry {found.file.run_id}"


def _paid(phase: PhaseStatus) -> Spending | None:
    return spending(phase.spec, phase.view)


# --- as JSON ---


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
        "where": placed(phase),
        "activity": phase.view.activity,
        "done": progress.done if progress else None,
        "total": progress.total if progress else None,
        "cost": _cost_json(phase),
        "checkpoint": _fields(phase.view.checkpoint, "step", "path", "ts"),
        "answering": _fields(
            phase.view.answering, "engine", "version", "policy", "startup_s", "parity"
        ),
        "artefacts": [_fields(made, "path", "what", "count") for made in phase.view.artefacts],
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


def _fields(event: Event | None, *names: str) -> dict[str, object] | None:
    return event.model_dump(mode="json", include=set(names)) if event else None
