"""What is told of a run that has ended or is stuck: facts, and all of them in one line."""

from __future__ import annotations

import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.machine.state import final_event, phase_state, recent_view
from engine.schema.counts import counted
from engine.schema.durations import duration
from engine.schema.errors import UserError
from engine.schema.sanitize import one_line
from engine.schema.specs import EvaluateSpec
from engine.store.run import RunRecord, read_record, with_phases
from engine.store.run_row import kind_of
from engine.store.scores import accuracies_in, scored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.store.layout import RunsFolder

ERROR = 300  # characters


def facts_of(
    runs: RunsFolder, run_id: str, event: str, phase_id: str = "", others: int = 0
) -> dict[str, Any]:
    """The facts that are told; ``text`` is all of it in one line, ``age`` how long ago it was in
    seconds, ``others`` how many more runs have ended by the same phase. ``UserError`` when the run
    can't be read."""
    record = read_record(runs, run_id)
    cell = record.spec
    error, ended = _end(runs, phase_id)
    found: dict[str, Any] = {
        "event": event,
        "run": run_id,
        "name": one_line(record.name),
        "experiment": cell.experiment,
        "arm": cell.arm,
        "student": cell.student,
        "teacher": cell.teacher,
        "task": cell.task,
        "seed": cell.seed,
        "phase": phase_id,
        "others": others,
        "error": one_line(error)[:ERROR],
        "runs": str(runs.root.resolve()),
        "host": socket.gethostname(),
        "age": max(0.0, (datetime.now(UTC) - ended).total_seconds()) if ended else 0.0,
        "accuracies": _accuracies(runs, record) if event == "done" else [],
    }
    return found | {"text": _text(found)}


def _end(runs: RunsFolder, phase_id: str) -> tuple[str, datetime | None]:
    """Why a phase ended, or since when it is stuck, and when that was."""
    attempt = runs.phase(phase_id).last_attempt() if phase_id else None
    if attempt is None:
        return "", None
    final = final_event(attempt)
    if final is not None:
        return final.error, final.ts
    view, state = recent_view(attempt), phase_state(runs.phase(phase_id))
    return state.error, view.progressed or view.last_event


def _accuracies(runs: RunsFolder, record: RunRecord) -> list[dict[str, Any]]:
    """What the run's evaluations say, without those that can't be read."""
    specs = with_phases(runs, record)[0].spec.phases
    found = []
    for spec in specs:
        if isinstance(spec, EvaluateSpec):
            with suppress(UserError, OSError):
                for one in accuracies_in(spec.evaluation, scored(runs.phase(spec.id))):
                    found.append(one.figures() | {"label": one.evaluation.label, "text": one.text})
    return found


def _text(facts: Mapping[str, Any]) -> str:
    who = facts["student"] or facts["teacher"] or ""
    taught = f" taught by {facts['teacher']}" if facts["student"] and facts["teacher"] else ""
    what = f"{facts['arm']}, {who}{taught}{' on ' + facts['task'] if facts['task'] else ''}"
    where = f"{facts['run']} on {facts['host']} ({what}, seed {facts['seed']})"
    match facts["event"]:
        case "done":
            found = "; ".join(f"{a['label']} {a['text']}" for a in facts["accuracies"])
            return f"done: {where}{': ' if found else ''}{found}"
        case "stuck":
            since = duration(facts["age"])
            return f"stuck: {where}: no sign of progress in {kind_of(facts['phase'])} for {since}"
        case "failed":
            others = counted(facts["others"], "more run") if facts["others"] else ""
            waiting = f"; the same phase ends {others}" if others else ""
            error = f"{kind_of(facts['phase'])}: {facts['error']}".rstrip(": ")
            return f"failed: {where}: {error}{waiting}"
        case _:
            return f"{facts['event']}: {where}"
