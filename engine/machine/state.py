"""The state of a phase, from its folder and then from its launcher.

Only the end of the log is read: a list of thousands of runs needs no more than each final
event.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine import catalog
from engine.interfaces import Devices, Poll
from engine.machine.deaths import last_words
from engine.schema import events as ev
from engine.schema.errors import UserError
from engine.schema.jsonfile import read_json
from engine.store.clock import ahead
from engine.store.eventlog import STALE_AFTER_S
from engine.store.phase_log import attempt_state, fold_all
from engine.store.shared_disk import status
from engine.store.spans import last_lines

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from engine.store.layout import AttemptDir, PhaseDir
    from engine.store.phase_log import PhaseView, State

UNKNOWN = Poll("unknown")
DAMAGED = (OSError, UserError, LookupError, TypeError, ValueError, AttributeError)  # process.json


@dataclass(frozen=True, slots=True)
class PhaseState:
    """A phase's state. ``error``: the final event's line, or how a lost phase died and its last
    output. ``why``: what a pending phase waits for, or why its launcher can't tell how it fares.
    ``where``: where a running one runs, in its launcher's words. ``stopping``: it was asked to stop
    and has not ended yet."""

    state: State
    attempt: int = 0
    error: str = ""
    finished: datetime | None = None
    why: str = ""
    where: str = ""
    stopping: bool = False


def phase_state(folder: PhaseDir) -> PhaseState:
    """The phase's state; ``waiting`` before any attempt."""
    attempt = folder.last_attempt()
    number = attempt.number if attempt else 0
    if folder.done:
        return PhaseState("done", number)
    if attempt is None:
        return PhaseState("waiting")
    final = final_event(attempt)
    if final is not None and final.outcome == "done":  # written after the manifest
        gone = f"{folder.manifest_file}: removed after it was done; a retry makes it again"
        return PhaseState("done", number) if folder.done else PhaseState("lost", number, gone)
    outcome = final.outcome if final else None
    known = Poll("exited") if outcome else poll_attempt(attempt)
    state = attempt_state(outcome, known.state, alive_age(attempt), STALE_AFTER_S)
    error = final.error if final else ""
    if state == "lost":
        if attempt.stop.exists():
            return PhaseState("stopped", number, "asked to stop; its process was ended")
        error = last_words(attempt, known.code, known.why)
    why = "; ".join(filter(None, (known.why, known.others)))
    where, why = (why, "") if known.state == "running" else ("", why)
    stopping = state in ("running", "pending") and attempt.stop.exists()
    return PhaseState(state, number, error, final.ts if final else None, why, where, stopping)


def first_event(attempt: AttemptDir) -> ev.PhaseStarted | None:
    """The event that opened the attempt; None when it can't be read."""
    try:
        with attempt.events.open("rb") as file:
            event = ev.decode(file.readline())
    except OSError:
        return None
    return event if isinstance(event, ev.PhaseStarted) else None


def devices_of(phase: PhaseDir) -> Devices | None:
    """What the last attempt was given on each of its nodes; None where that is unknown."""
    last = phase.last_attempt()
    try:
        return Devices.from_json(read_json(last.process)["devices"]) if last else None
    except DAMAGED:
        return None


def cpu_threads(phase: PhaseDir) -> int:
    """The CPU threads of the last attempt, on all its nodes; 0 when it ran on a GPU, or there was
    none."""
    given = devices_of(phase)
    return given.threads * given.nodes if given and not given.gpus else 0


def gpus_of(phase: PhaseDir) -> int | None:
    """On how many GPUs the last attempt works, on all its nodes; None where that is unknown."""
    last = phase.last_attempt()
    began = first_event(last) if last is not None else None
    return sum(name.startswith("cuda") for name in began.devices) if began is not None else None


def final_event(attempt: AttemptDir) -> ev.PhaseFinished | None:
    """The attempt's final event, if it has one."""
    lines = last_lines(attempt)
    event = ev.decode(lines[-1]) if lines else None
    return event if isinstance(event, ev.PhaseFinished) else None


def recent_view(attempt: AttemptDir) -> PhaseView:
    """Progress, recent rate and cost from the last events; takes the same time however long the
    log is."""
    events = (event for line in last_lines(attempt) if (event := ev.decode(line)))
    return replace(fold_all(events), gaps=0)  # what is before them is not missing


def standstill(attempt: AttemptDir) -> tuple[datetime, float] | None:
    """When an attempt last showed a sign of progress, and how many seconds ago; None once it is
    over, or before its first event. Its events are compared with each other, and its log's time
    with ours: the clock of its host may be wrong."""
    view = recent_view(attempt)
    last = view.progressed or view.last_event
    if last is None or view.last_event is None or view.outcome is not None:
        return None
    written = _age(attempt.events, attempt)
    return None if written is None else (last, written + (view.last_event - last).total_seconds())


def poll_attempt(attempt: AttemptDir) -> Poll:
    """Ask the launcher that started the attempt."""
    try:
        process = read_json(attempt.process)
        launcher = catalog.launcher(process["launcher"])
        return launcher.poll({attempt: process["handle"]}).get(attempt, UNKNOWN)
    except DAMAGED:  # or not written
        age = alive_age(attempt)
        return Poll("exited") if age is None or age > STALE_AFTER_S else UNKNOWN


def alive_age(attempt: AttemptDir) -> float | None:
    """Seconds since the last heartbeat, or since the attempt was made."""
    ages = (_age(path, attempt) for path in (attempt.alive, attempt.path))
    return next((age for age in ages if age is not None), None)


def _age(path: Path, attempt: AttemptDir) -> float | None:
    """Seconds since a file of the attempt was touched, by the clock that stamps files there."""
    try:
        age = time.time() - status(path).st_mtime
    except OSError:
        return None
    return age if 0 <= age <= STALE_AFTER_S else age - ahead(attempt.path.parents[2])
