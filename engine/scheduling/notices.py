"""Tells people when runs are done, have failed or are stuck. The conductor does it, since it is
there when nobody else is.

:meth:`Notices.look` writes what is due beside each run, before the run leaves the queue; one
thread sends it. Sending never delays a phase, and what can't be sent is a warning in the log. See
:mod:`engine.store.notices` for what a kill may double.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.machine.state import final_event, phase_state, recent_view, standstill
from engine.planning.notify_files import notify_of
from engine.scheduling.sending import Unsent, send
from engine.scheduling.standing import run_state
from engine.schema.accuracy import Accuracy
from engine.schema.durations import duration
from engine.schema.errors import UserError, told
from engine.schema.phase import digest
from engine.schema.sanitize import one_line
from engine.schema.specs import EvaluateSpec
from engine.store.notices import Notice, read, write
from engine.store.run import RunRecord, read_record, with_phases
from engine.store.run_row import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from engine.scheduling.policy import QueuedRun, Standing
    from engine.scheduling.watching import Running
    from engine.schema.notify import Channel, Notify
    from engine.store.layout import RunsFolder

OVER = frozenset({"done", "failed", "lost", "stopped", "blocked"})
STUCK_EVERY_S = 20.0  # between two looks for stuck phases
OLD_S = 86_400.0  # what ended longer ago is no news
ERROR = 300  # characters
log = logging.getLogger(__name__)


class Notices:
    """Finds what is to be told and sends it from a thread of its own."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._wake = threading.Event()
        self._leave = threading.Event()
        self._pending: list[str] = []  # runs with something due
        self._sending = ""
        self._written: set[tuple[str, str]] = set()  # run, key
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stuck_at = 0.0
        self._warned: set[str] = set()

    def begin(self) -> None:
        """Go on with what an earlier conductor has left."""
        there = [run_id for run_id in self._runs.run_ids() if self._due(run_id)]
        self._send(there)

    @property
    def busy(self) -> bool:
        """Whether something is still to be sent."""
        with self._lock:
            return bool(self._pending or self._sending)

    def close(self) -> None:
        """Stop sending; what is due stays on disk for the next conductor."""
        self._leave.set()
        self._wake.set()

    # --- what is due ---

    def look(
        self,
        wanted: Sequence[QueuedRun],
        stands: Mapping[str, Standing],
        running: Mapping[str, Running],
    ) -> None:
        """Write what is due of queued runs, which are dropped from the queue only after this."""
        fresh = [run.run_id for run in wanted if self._ended(run, stands)]
        if time.monotonic() - self._stuck_at > STUCK_EVERY_S:
            self._stuck_at = time.monotonic()
            fresh += self._stuck(wanted, running)
        self._send(fresh)

    def _ended(self, run: QueuedRun, stands: Mapping[str, Standing]) -> bool:
        """Write that a run is over, unless that was done before; whether something is due."""
        states = {node.id: stands[node.id].state for node in run.nodes}
        state = run_state(list(states.values()))
        if not OVER.issuperset(states.values()) or state not in ("done", "failed", "lost"):
            return False
        ended = sorted(phase for phase in states if states[phase] == state)
        tries = [(phase, self._runs.phase(phase).last_attempt()) for phase in ended]
        key = f"{state} {digest([(phase, attempt and attempt.number) for phase, attempt in tries])}"
        event = "done" if state == "done" else "failed"
        return self._write(run.run_id, event, key, "" if event == "done" else ended[0])

    def _stuck(self, wanted: Sequence[QueuedRun], running: Mapping[str, Running]) -> Iterator[str]:
        """Yield runs of which a phase has shown no sign of progress for too long."""
        for phase_id, one in running.items():
            owner = next((r.run_id for r in wanted if phase_id in {n.id for n in r.nodes}), None)
            notify = self._notify_of(owner) if owner else None
            if owner is None or notify is None or "stuck" not in notify.on:
                continue
            found = standstill(one.attempt)
            if found is None or found[1] < 60 * notify.stuck_minutes:
                continue
            key = f"stuck {phase_id}#{one.attempt.number} {found[0].isoformat()}"
            if self._write(owner, "stuck", key, phase_id):
                yield owner

    def _write(self, run_id: str, event: str, key: str, phase_id: str) -> bool:
        """Write a notice for each channel that has none yet; whether something is new."""
        if (run_id, key) in self._written:
            return False
        notify = self._notify_of(run_id)
        try:
            new = self._new(run_id, event, key, notify)
            facts = facts_of(self._runs, run_id, event, phase_id) if new else {}
            new = new if facts and facts["age"] < OLD_S else []
            for channel in new:
                write(self._runs, run_id, Notice(key, channel, facts))
        except (OSError, UserError) as error:  # a full disk, say: phases go on
            self._warn(f"{run_id}: that it is {event} can't be told: {told(error)}")
            return False
        self._written.add((run_id, key))
        return bool(new)

    def _new(self, run_id: str, event: str, key: str, notify: Notify | None) -> list[Channel]:
        """Return the channels by which this event is still to be told."""
        if notify is None or event not in notify.on:
            return []
        known = {notice.id for notice in read(self._runs, run_id)}
        return [channel for channel in notify.channels if (key, channel) not in known]

    def _notify_of(self, run_id: str) -> Notify | None:
        try:
            return notify_of(self._runs, run_id)[0]
        except (UserError, OSError) as error:
            self._warn(f"nobody is told of runs: {told(error)}")
            return None

    # --- sending ---

    def _send(self, run_ids: Iterable[str]) -> None:
        with self._lock:
            self._pending += [run_id for run_id in run_ids if run_id not in self._pending]
            begin = bool(self._pending) and self._thread is None
            self._wake.set()
        if begin:
            self._thread = threading.Thread(target=self._work, name="notices", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while not self._leave.is_set():
            with self._lock:
                self._sending = self._pending.pop(0) if self._pending else ""
                if not self._sending:
                    self._wake.clear()
            if not self._sending:
                self._wake.wait()
                continue
            try:
                self._send_due(self._sending)
            except Exception as error:  # the thread must serve the runs after this one
                self._warn(f"{self._sending}: its notices can't be sent: {told(error)}")

    def _due(self, run_id: str) -> list[Notice]:
        return [notice for notice in read(self._runs, run_id) if notice.state == "due"]

    def _send_due(self, run_id: str) -> None:
        notify = None
        for notice in self._due(run_id):
            notify = notify or self._notify_of(run_id)
            why = ""
            if notify is None or notice.channel not in notify.channels:
                why = "it is not configured any more"
            else:
                try:
                    send(notify, notice.channel, notice.facts, self._leave.wait)
                except (Unsent, OSError) as error:
                    why = str(error) if isinstance(error, Unsent) else told(error)
            if self._leave.is_set() and why:
                return  # the next conductor tries again
            state = "failed" if why else "sent"
            write(self._runs, run_id, Notice(notice.key, notice.channel, {}, state, why))
            what = f"{run_id}: notice of {notice.facts.get('event')} by {notice.channel}"
            log.warning("%s failed: %s", what, why) if why else log.info("%s sent", what)

    def _warn(self, text: str) -> None:
        if text not in self._warned:
            self._warned.add(text)
            log.warning("%s", text)


def facts_of(runs: RunsFolder, run_id: str, event: str, phase_id: str = "") -> dict[str, Any]:
    """The facts that are told; ``text`` is all of it in one line, ``age`` how long ago it was in
    seconds. ``UserError`` when the run can't be read."""
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
    """What the run's evaluations have published, without those that can't be read."""
    specs = with_phases(runs, record)[0].spec.phases
    found = []
    for spec in specs:
        if isinstance(spec, EvaluateSpec):
            with suppress(UserError, LookupError, TypeError):
                figures = runs.phase(spec.id).manifest()["figures"]
                one = Accuracy.of(spec.evaluation, figures)
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
            return f"failed: {where}: {kind_of(facts['phase'])}: {facts['error']}".rstrip(": ")
        case _:
            return f"{facts['event']}: {where}"
