"""Follow runs on a terminal: a line for each finished phase, and a live line for running ones."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from engine.cli.output import echo, ring, say
from engine.cli.progress import LiveLine
from engine.machine.state import phase_state
from engine.planning.graph import unique_phases
from engine.queries.doing import steps
from engine.queries.following import PhaseFollower
from engine.queries.notices import rings, stuck
from engine.queries.rows import queued_runs
from engine.scheduling import daemon
from engine.scheduling.standing import ENDED, Fact, standings
from engine.schema.counts import counted
from engine.schema.durations import duration
from engine.schema.errors import UserError
from engine.schema.specs import EvaluateSpec
from engine.store.notices import read as read_notices
from engine.store.run import read_run
from engine.store.run_row import kind_of
from engine.store.spending import in_all, spending

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder
    from engine.store.phase_log import PhaseView, State
    from engine.store.spending import Spending

POLL_S = 0.5
CONDUCTOR_EVERY_S = 10.0
SHOWN = 3  # running phases in a line
STUCK_EVERY_S = 60.0
LINE_EVERY_S = 10.0  # where the output is no terminal


def follow(runs: RunsFolder, run_ids: Sequence[str], quiet: bool = False) -> bool:
    """Print progress until every run has ended; True when all are done.

    Ctrl+C ends the following, not the runs.
    """
    phases = unique_phases(read_run(runs, run_id).spec for run_id in run_ids)
    follower = _Follower(runs, run_ids, phases, quiet)
    try:
        while not follower.look():
            time.sleep(POLL_S)
    except KeyboardInterrupt:
        follower.clear()
        echo("the runs go on; look with `sirt status`, end them with `sirt stop`", err=True)
        raise SystemExit(130) from None
    follower.clear()
    if not quiet:
        _ring(runs, run_ids[0], follower.all_done, len(run_ids))
    return follower.all_done


def _ring(runs: RunsFolder, run_id: str, done: bool, number: int) -> None:
    """Ring if that is wanted, and see that somebody sends the notices: a conductor that was killed
    just now leaves them on disk."""
    if rings(runs, run_id, "done" if done else "failed"):
        ring(f"sirt: {counted(number, 'run')} {'done' if done else 'ended, not all done'}")
    if any(notice.state == "due" for notice in read_notices(runs, run_id)):
        daemon.revive(runs)


class _Follower:
    """What has been printed already, and how far each log has been read."""

    def __init__(
        self, runs: RunsFolder, run_ids: Sequence[str], phases: Sequence[PhaseSpec], quiet: bool
    ) -> None:
        self._runs = runs
        self._folder = _identity(runs)
        self._run_ids = run_ids
        self._phases = phases
        self._quiet = quiet
        self._line = LiveLine(quiet)
        self._states: dict[str, State] = {p.id: "done" for p in phases if runs.phase(p.id).done}
        self._logs: dict[str, PhaseFollower] = {}
        self._began = time.monotonic()
        self._last_line = 0.0
        self._pending: list[str] = []  # why phases wait in a cluster's queue
        self._conducted = self._stuck_looked = self._began
        self._stuck: set[tuple[str, str, datetime]] = set()

    @property
    def all_done(self) -> bool:
        return all(self._states.get(p.id) == "done" for p in self._phases)

    def look(self) -> bool:
        """Read and print once; return True when nothing is left that could go on."""
        self._check_place()
        running = []
        left = [spec for spec in self._phases if self._states.get(spec.id) != "done"]
        found = {spec.id: phase_state(self._runs.phase(spec.id)) for spec in left}
        facts = {spec.id: Fact("done") for spec in self._phases}
        facts |= {phase: Fact(one.state, one.attempt) for phase, one in found.items()}
        needs = ((spec.id, spec.inputs) for spec in self._phases)
        stands = standings(needs, facts, self._forgiven())
        self._pending = [one.why for one in found.values() if one.state == "pending" and one.why]
        for spec in left:
            state, before = stands[spec.id].state, self._states.get(spec.id)
            self._states[spec.id] = state
            if state == "running":
                running.append(spec)
            elif state != before and state in {"done", *ENDED}:
                self._tell_end(spec, state, found[spec.id].error)
        self._tell_progress(running)
        self._ring_for_stuck()
        if running or not self._nothing_startable():
            return False
        self._check_place()  # in an empty place nothing is left either
        return True

    def _check_place(self) -> None:
        if _identity(self._runs) != self._folder:
            self.clear()
            raise UserError(
                f"{self._runs.root}: was moved or deleted meanwhile, and is not followed any more; "
                "name its new place with --runs: sirt --runs DIR status"
            )

    def _forgiven(self) -> dict[str, int] | None:
        """Return attempts that will be retried; None when none of the runs is queued."""
        queued = queued_runs(self._runs)
        return next((queued[run_id] for run_id in self._run_ids if run_id in queued), None)

    def _nothing_startable(self) -> bool:
        """Whether all is done, or the rest waits for phases that ended badly."""
        if set(self._states.values()) <= {"done", "blocked", "waiting", *ENDED}:
            return True  # waiting: somebody has taken the runs off the queue
        if time.monotonic() - self._conducted > CONDUCTOR_EVERY_S:
            self._conducted = time.monotonic()
            daemon.revive(self._runs)  # the one that was started may have been killed
        return False

    def _tell_end(self, spec: PhaseSpec, state: State, error: str) -> None:
        if self._quiet:
            return
        self.clear()
        view = self._view(spec)
        took = view.took() if view.finished else None
        lasted = "" if took is None else f" in {duration(took)}"
        done = sum(s == "done" for s in self._states.values())
        paid = spending(spec, view)
        found = error or (spec.summary(view.figures) if view.figures else "")
        said = (f": {found}" if found else "") + (f", paid {paid.cost.text}" if paid else "")
        words = f"[{done}/{len(self._phases)}] {label(spec)} {state}{lasted}{said}"
        say(words, err=True)
        for warning in view.warnings:
            say(f"{warning.level}: {warning.text}", "    ", err=True)

    def _ring_for_stuck(self) -> None:
        """Ring once for each standstill, where that is wanted."""
        if self._quiet or time.monotonic() - self._stuck_looked < STUCK_EVERY_S:
            return
        self._stuck_looked = time.monotonic()
        found = stuck(self._runs, self._run_ids)
        for run_id, phase, _ in sorted(found - self._stuck):
            ring(f"sirt: {run_id} stuck in {kind_of(phase)}")
        self._stuck |= found

    def _view(self, spec: PhaseSpec) -> PhaseView:
        log = self._logs.setdefault(spec.id, PhaseFollower(self._runs.phase(spec.id)))
        while log.advance(time.monotonic() + POLL_S):  # of a long log it reads a part at a time
            pass
        return log.view

    def _tell_progress(self, running: Sequence[PhaseSpec]) -> None:
        if self._quiet:
            return
        now = time.monotonic()
        if not self._line.live and now - self._last_line < LINE_EVERY_S:
            return
        self._last_line = now
        counts = Counter(self._states.values())
        at_work = [(spec, self._view(spec)) for spec in running]
        paid = "".join(f", paid {one.paid.text}" for one in self._paid())
        took = duration(now - self._began)
        begin = f"{counts['done']}/{len(self._phases)} phases, {took}{paid}"
        parts = [f"{label(spec)} {_at_work(spec, view)}" for spec, view in at_work[:SHOWN]]
        mine = {p.id for p in self._phases if self._states.get(p.id) == "queued"}
        waits = [why for phase, why in daemon.waiting(self._runs).items() if phase in mine]
        parts += (waits or self._pending)[:1]
        if self._line.live:
            self._line.show_parts(begin, parts)
        else:
            echo(" | ".join([begin, *parts]), err=True)

    def _paid(self) -> list[Spending]:
        """What the phases that were followed have paid in all, by currency."""
        found = (spending(p, self._logs[p.id].view) for p in self._phases if p.id in self._logs)
        return in_all(one for one in found if one is not None)

    def clear(self) -> None:
        self._line.clear()


def _identity(runs: RunsFolder) -> tuple[int, int] | None:
    """Identify the folder itself, so that another folder at its place is noticed."""
    try:
        found = runs.root.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def label(spec: PhaseSpec) -> str:
    """Describe a phase in a few words: kind, model, task, and how the task is asked."""
    trained = "+adapter" if isinstance(spec, EvaluateSpec) and spec.adapter else ""
    model = spec.card.name + trained if spec.card else ""
    return " ".join(word for word in (spec.kind, model, spec.detail) if word)


def _at_work(spec: PhaseSpec, view: PhaseView) -> str:
    """Say how far a running phase is, and what it pays."""
    paid = spending(spec, view)
    return ", ".join([*steps(view), paid.text] if paid else steps(view))
