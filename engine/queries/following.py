"""Follow one run as it grows, reading only what is new."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.machine.deaths import stderr_end
from engine.machine.state import phase_state
from engine.queries.rows import queued_runs
from engine.queries.runs import RunStatus, damage_of, registry, run_status
from engine.scheduling.standing import ENDED_BADLY, Fact, standings
from engine.store.eventlog import EventReader, ends
from engine.store.phase_log import EMPTY, PhaseView, fold_all, gone_on_with

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.store.layout import PhaseDir, RunsFolder

LOOK_EVERY_S = 2.0  # a process that died leaves no event, so states are looked at anyway
READ_MS = 200.0  # of the loop that follows; what is left over comes with the next look
END_BYTES = 65_536  # of a log; a shorter one is read whole at once
STDERR_BYTES = 16_384
OVER = ENDED_BADLY | {"done", "blocked", "waiting"}  # an unreachable phase may still go on
AT_ONCE = 500  # events in memory; a view keeps a tenth of what they weigh


@dataclass
class PhaseFollower:
    """The log of a phase's last attempt, read as it grows, after those of the attempts before it.

    The end of a long log is read first, so that what the phase does now is known at once: ``view``
    is that of the end alone as long as it is ``reading``.
    """

    folder: PhaseDir
    attempt: int = 0
    view: PhaseView = EMPTY
    reading: bool = False
    _whole: PhaseView = EMPTY
    _readers: list[EventReader] = field(default_factory=list)  # of the logs that are not at an end
    _at_end: bool = False

    @property
    def damage(self) -> str:
        """What is wrong with the log, once all of it was read; empty when nothing is."""
        read = self._readers[-1] if self._at_end else None
        told = damage_of(read, self.view, self.folder) if read else ""
        return f"the log of {self.folder.id} was damaged: {told}" if told else ""

    def advance(self, until: float) -> bool:
        """Read new events until that time; return whether there were any."""
        last = self.folder.last_attempt()
        if last is None:
            return False
        if not self._readers or last.number != self.attempt:
            new = [one for one in self.folder.attempts() if one.number > self.attempt]
            self._readers += [EventReader(one.events) for one in new]
            self.attempt = last.number
            self.reading = sum(map(_unread, self._readers)) > END_BYTES
            if self.reading:
                known = ends(last.events, END_BYTES)
                first = known[0].seq if known else 0
                self.view = fold_all(known, replace(EMPTY, next_seq=first))
                return True
        before = self._whole
        self._at_end = False
        while not self._at_end:
            events = self._readers[0].read(AT_ONCE, 1000 * (until - time.monotonic()))
            if events:
                self._whole = fold_all(events, self._whole)
                if time.monotonic() > until:
                    break
            elif self._readers[1:]:
                del self._readers[0]
                self._whole = gone_on_with(self._whole)
            else:
                self._at_end = True
        caught_up = self.reading and self._at_end
        if self._at_end or not self.reading:
            self.view, self.reading = self._whole, False
        return caught_up or self._whole is not before


def _unread(reader: EventReader) -> int:
    """The bytes of a log that are still to be read."""
    try:
        return reader.path.stat().st_size - reader.offset
    except OSError:
        return 0


@dataclass
class RunFollower:
    """Follows one run; :meth:`advance` returns its status when something has changed."""

    runs: RunsFolder
    run_id: str
    _phases: dict[str, PhaseFollower] = field(default_factory=dict)
    _status: RunStatus | None = None
    _damage: tuple[str, ...] = ()  # of all files but the logs
    _looked: float = float("-inf")

    def advance(self) -> RunStatus | None:
        """Return the status, None if nothing is new; ``UserError`` if the run can't be read."""
        until = time.monotonic() + READ_MS / 1000
        moved = {id_ for id_ in self._livelier_first() if self._phases[id_].advance(until)}
        due = time.monotonic() - self._looked >= LOOK_EVERY_S
        ended = any(self._phases[i].view.outcome for i in moved)
        if self._status is None or due or ended:
            fresh = self._look()
            same = self._status is not None and _states(fresh) == _states(self._status)
            self._status = fresh
            if same and not moved:
                return None
        elif not moved:
            return None
        self._status = self._with_views(self._status)
        return self._status

    def advance_to_the_end(self) -> RunStatus | None:
        """Do as :meth:`advance`, after reading all logs to their end."""
        found = self.advance()
        while any(follower.reading for follower in self._phases.values()):
            found = self.advance() or found
        return found

    def _livelier_first(self) -> list[str]:
        """List running phases before the others, so that they are read first."""
        phases = self._status.phases if self._status else ()
        at_work = [phase.id for phase in phases if phase.state == "running"]
        return [*at_work, *(id_ for id_ in self._phases if id_ not in at_work)]

    def _look(self) -> RunStatus:
        self._looked = time.monotonic()
        status = run_status(self.runs, self.run_id, with_views=False)
        self._damage = status.damage
        for phase in status.phases:
            if phase.id not in self._phases:
                follower = PhaseFollower(self.runs.phase(phase.id))
                follower.advance(time.monotonic() + READ_MS / 1000)
                self._phases[phase.id] = follower
        return self._with_views(status)

    def _with_views(self, status: RunStatus) -> RunStatus:
        followers = ((p, self._phases[p.id]) for p in status.phases)
        phases = (replace(p, view=f.view, reading=f.reading) for p, f in followers)
        torn = (line for p in status.phases if (line := self._phases[p.id].damage))
        return replace(status, phases=tuple(phases), damage=(*self._damage, *torn))


def _states(status: RunStatus) -> object:
    phases = [
        (p.state, p.attempt, p.error, p.blocked_by, p.waits, p.stopping) for p in status.phases
    ]
    return status.file, status.state, phases, status.accuracies


def stderr_tail(folder: PhaseDir) -> str:
    """Return the end of what the last attempt wrote to stderr; empty when it wrote nothing."""
    attempt = folder.last_attempt()
    return stderr_end(attempt, STDERR_BYTES) if attempt else ""


def at_rest(runs: RunsFolder, phases: Collection[str]) -> bool:
    """Whether none of these phases runs, and none will start by itself: the rest have ended, wait
    for one that ended badly, or belong to no run that is queued."""
    queued = queued_runs(runs)
    rows = [row for row in registry(runs).rows() if not set(row.phase_ids).isdisjoint(phases)]
    wanted = [row for row in rows if row.run_id in queued] or rows[:1]
    needs = {phase: inputs for row in wanted for phase, inputs in row.needs.items()}
    looked = {phase: phase_state(runs.phase(phase)) for phase in needs}
    facts = {phase: Fact(one.state, one.attempt) for phase, one in looked.items()}
    forgiven = queued.get(wanted[0].run_id) if wanted else None
    stands = standings(needs.items(), facts, forgiven)
    return all(stands[phase].state in OVER for phase in phases if phase in stands)
