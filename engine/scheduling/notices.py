"""Tells people when runs are done, have failed or are stuck. The conductor does it, since it is
there when nobody else is.

:meth:`Notices.look` writes what is due beside each run, before the run leaves the queue; one
thread sends it. Sending never delays a phase, and what can't be sent is a warning in the log. See
:mod:`engine.store.notices` for what a kill may double.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from engine.machine.state import standstill
from engine.planning.notify_files import notify_of
from engine.scheduling.notice_facts import facts_of
from engine.scheduling.sending import Unsent, send
from engine.scheduling.standing import run_state
from engine.schema.errors import UserError, told
from engine.schema.phase import digest
from engine.store.notices import Notice, read, write

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from engine.scheduling.policy import QueuedRun, Standing
    from engine.scheduling.watching import Running
    from engine.schema.notify import Channel, Notify
    from engine.store.layout import RunsFolder

OVER = frozenset({"done", "failed", "lost", "stopped", "blocked"})
STUCK_EVERY_S = 20.0  # between two looks for stuck phases
OLD_S = 86_400.0  # what ended longer ago is no news
log = logging.getLogger(__name__)


class End(NamedTuple):
    """How a run has ended. ``key``: the same for the same attempts of its phases; ``phase_id``: the
    phase that failed."""

    run_id: str
    event: str
    key: str
    phase_id: str


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
        ends = [end for run in wanted if (end := self._end_of(run, stands)) is not None]
        fresh = self._write_ends(ends)
        if time.monotonic() - self._stuck_at > STUCK_EVERY_S:
            self._stuck_at = time.monotonic()
            fresh += self._stuck(wanted, running)
        self._send(fresh)

    def _end_of(self, run: QueuedRun, stands: Mapping[str, Standing]) -> End | None:
        """Return how a run has ended; None while it goes on, or where a person has ended it."""
        states = {node.id: stands[node.id].state for node in run.nodes}
        state = run_state(list(states.values()))
        if not OVER.issuperset(states.values()) or state not in ("done", "failed", "lost"):
            return None
        ended = sorted(phase for phase in states if states[phase] == state)
        tries = [(phase, self._runs.phase(phase).last_attempt()) for phase in ended]
        key = f"{state} {digest([(phase, attempt and attempt.number) for phase, attempt in tries])}"
        event = "done" if state == "done" else "failed"
        return End(run.run_id, event, key, "" if event == "done" else ended[0])

    def _write_ends(self, ends: Sequence[End]) -> list[str]:
        """Write what is due of runs that have ended; return these runs. Those that a common phase
        has failed are told of in one notice, that of the first."""
        fresh = []
        for end in ends:
            alike = [one for one in ends if one.phase_id and one.phase_id == end.phase_id]
            written = (one for one in alike if (one.run_id, one.key) in self._written)
            first = next(written, alike[0] if alike else end)
            if self._write(*end, len(alike) - 1, first.run_id):
                fresh.append(end.run_id)
        return fresh

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

    def _write(
        self, run_id: str, event: str, key: str, phase_id: str, others: int = 0, first: str = ""
    ) -> bool:
        """Write a notice for each channel that has none yet; whether something is new. ``others``:
        how many runs have ended so too, of which ``first`` is told."""
        if (run_id, key) in self._written:
            return False
        notify = self._notify_of(run_id)
        try:
            new = self._new(run_id, event, key, notify)
            facts = facts_of(self._runs, run_id, event, phase_id, others) if new else {}
            new = new if facts and facts["age"] < OLD_S else []
            told_there = first not in ("", run_id) and self._notify_of(first) == notify
            became = ("sent", f"with that of {first}") if told_there else ("due", "")
            for channel in new:
                write(self._runs, run_id, Notice(key, channel, facts, *became))
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
