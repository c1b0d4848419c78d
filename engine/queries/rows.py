"""Make a run's row from its file and its phases' folders."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypedDict

from engine.machine.state import PhaseState, phase_state
from engine.queries.evaluations import accuracies_of, evaluations_of
from engine.queries.pace import pace_of
from engine.scheduling.queue import read_queue
from engine.scheduling.standing import (
    Fact,
    forgiven_by,
    run_state,
    standings,
)
from engine.schema.errors import UserError
from engine.schema.evaluation import Evaluation
from engine.schema.kinds import METHOD
from engine.schema.varied import as_varied
from engine.store.registry import CLOCK_GRAIN_NS, written_at
from engine.store.run import read_record, with_phases
from engine.store.run_row import RunRow, figures_of, inputs_of, kind_of, settings_of
from engine.store.spans import NO_WORK, Work, last_lines, seconds_before, work_of, written
from engine.store.spending import in_all, spending
from engine.store.untouched import Inodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from engine.queries.pace import Pace
    from engine.schema.accuracy import Accuracy
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder
    from engine.store.phase_log import State
    from engine.store.spending import Paid, Spending

SETTLED: frozenset[State] = frozenset({"done", "failed", "stopped", "waiting"})


@dataclass(frozen=True, slots=True)
class Look:
    """A phase's state when read; ``work``: when its last attempt was at work, ``ended``: until
    when. ``earlier``: seconds that the attempts before it were. ``pace``: of one at work; ``paid``:
    what it pays an endpoint."""

    found: PhaseState
    work: Work = NO_WORK
    ended: datetime | None = None
    earlier: float = 0.0
    pace: Pace | None = None
    paid: Spending | None = None

    @property
    def before(self) -> float:
        """Seconds at work before the present stretch."""
        return self.earlier + self.work.before

    @property
    def took(self) -> float | None:
        """Seconds at work in all that is over; None before anything is."""
        if self.work.began is None or not (self.ended or self.before):
            return None
        last = (self.ended - self.work.began).total_seconds() if self.ended else 0.0
        return self.before + max(0.0, last)


WAITING = Look(PhaseState("waiting"))


class Looks:
    """Cached states of phases. Runs share phases, so each is read at most once a round, and a phase
    at rest only when its folder has changed (a new attempt, a manifest)."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._inodes = Inodes(runs)
        self._known: dict[str, tuple[int, Look]] = {}  # folder's time of change, look
        self._this_round: set[str] = set()

    def begin(self) -> None:
        """Begin a new round, in which any phase may have changed."""
        self._this_round.clear()

    def look(self, phase_id: str) -> Look:
        """Return a phase's state; the same object as before when nothing has changed."""
        if phase_id in self._this_round:
            return self._known[phase_id][1]
        self._this_round.add(phase_id)
        inode = self._inodes.look(phase_id)
        changed = inode.st_mtime_ns if inode else 0
        before = self._known.get(phase_id)
        rests = before is not None and before[1].found.state in SETTLED and before[0] == changed
        if before is None or not rests:
            if inode is None or self._inodes.untouched(phase_id, inode):
                fresh = WAITING
            else:
                fresh = look_at(self._runs.phase(phase_id), before and before[1])
            kept = before[1] if before is not None and before[1] == fresh else fresh
            unsure = time.time_ns() - changed < CLOCK_GRAIN_NS
            self._known[phase_id] = (-1 if unsure else changed, kept)
        return self._known[phase_id][1]


def look_at(folder: PhaseDir, before: Look | None = None) -> Look:
    """Read a phase's state and times from its folder. ``before``: the last look at it."""
    found = phase_state(folder)
    attempt = folder.last_attempt()
    if found.state == "waiting" or attempt is None:
        return Look(found) if found != WAITING.found else WAITING
    lines = last_lines(attempt)
    same = before if before and before.found.attempt == found.attempt else None
    earlier = same.earlier if same else seconds_before(folder, attempt)
    work = work_of(attempt, same.work if same else NO_WORK)
    paid = _paid(folder, lines) or (same.paid if same else _paid_before(folder, attempt))
    if found.state == "running":
        pace = pace_of(lines, same.pace if same else None)
        return Look(found, work, None, earlier, pace, paid)
    return Look(found, work, written(lines[-1] if lines else b""), earlier, None, paid)


def _paid(folder: PhaseDir, lines: Sequence[bytes]) -> Spending | None:
    """What the phase pays, by the lines at its log's end; most phases pay nothing."""
    if not any(b'"cost"' in line for line in lines):
        return None
    from engine.schema.events import decode  # a list in which nobody pays does without
    from engine.store.phase_log import fold_all

    view = fold_all(event for line in lines if (event := decode(line)))
    try:
        return spending(folder.spec(), view)
    except (OSError, UserError):
        return None


def _paid_before(folder: PhaseDir, last: AttemptDir) -> Spending | None:
    """What earlier attempts have paid, of which this one has said nothing yet."""
    earlier = (one for one in reversed(folder.attempts()) if one.number < last.number)
    return next(filter(None, (_paid(folder, last_lines(one)) for one in earlier)), None)


class Progress(TypedDict):
    """The fields of a row that follow from its phases' states."""

    state: State
    ladder: tuple[State | None, ...]
    seconds: float | None
    at_work: tuple[datetime, ...]
    finished: datetime | None
    share: int | None
    paid: tuple[Paid, ...]


def progress_of(
    needs: Mapping[str, Sequence[str]],
    looks: Sequence[Look],
    forgiven: Mapping[str, int] | None,
    stop: bool,
) -> Progress:
    """Compute a run's progress. ``needs``: each phase's inputs; ``looks``: one for each phase;
    ``forgiven``: as for :func:`~engine.scheduling.standing.standings`; ``stop``: as
    :func:`was_stopped` says."""
    facts = {i: Fact(x.found.state, x.found.attempt) for i, x in zip(needs, looks, strict=True)}
    states = [one.state for one in standings(needs.items(), facts, forgiven).values()]
    state = run_state(states, stop, any(x.found.stopping for x in looks))
    took = [x.took for x in looks if x.took is not None]
    at_work = [x.work.began for x in looks if x.found.state == "running" and x.work.began]
    ends = [x.ended for x in looks if x.ended]
    return Progress(
        state=state,
        ladder=ladder_of(tuple(needs), states),
        seconds=sum(took) if took else None,
        at_work=tuple(at_work),
        finished=max(ends, default=None) if state == "done" else None,
        share=None if state == "done" else share_of(looks),
        paid=tuple(one.paid for one in in_all(x.paid for x in looks if x.paid)),
    )


def was_stopped(runs: RunsFolder, run_id: str, forgiven: Mapping[str, int] | None) -> bool:
    """Whether somebody has stopped the run, and it was not queued since."""
    return forgiven is None and runs.stop_file(run_id).exists()


def share_of(looks: Sequence[Look]) -> int | None:
    """How much of a run is done, in per cent: each of its phases counts the same. None before any
    has begun."""
    if not looks or all(look.found.state == "waiting" for look in looks):
        return None
    done = sum(look.found.state == "done" for look in looks)
    begun = sum(look.pace.share for look in looks if look.pace)
    return int(100 * (done + begun) / len(looks))


def ladder_of(phase_ids: Sequence[str], states: Sequence[State]) -> tuple[State | None, ...]:
    """Return a state for each kind of phase of the method in order, then for any other kind that
    the run has."""
    kinds: dict[str, list[State]] = {}
    for phase_id, state in zip(phase_ids, states, strict=True):
        kinds.setdefault(kind_of(phase_id), []).append(state)
    order = (*METHOD, *(kind for kind in kinds if kind not in METHOD))
    return tuple(run_state(kinds[kind]) if kind in kinds else None for kind in order)


def queued_runs(runs: RunsFolder) -> dict[str, dict[str, int]]:
    """Return for each queued run, by phase, the attempt up to which a failure is retried."""
    entries = read_queue(runs).entries
    forgiven = forgiven_by(entry.forgiven for entry in entries)
    return dict.fromkeys((entry.run_id for entry in entries), forgiven)


def row_of(
    runs: RunsFolder,
    run_id: str,
    forgiven: Mapping[str, int] | None = None,
    looks: Looks | None = None,
) -> RunRow | None:
    """Make a run's row from its folder; None when its file can't be read. ``forgiven``: as for
    :func:`~engine.scheduling.standing.standings`. ``looks``: phases already read."""
    written = written_at(runs, run_id)  # before it is read: what is written meanwhile is newer
    try:
        file = read_record(runs, run_id)
    except UserError:
        return None
    spec, phases = file.spec, with_phases(runs, file)[0].spec.phases
    looks = looks or Looks(runs)
    needs = dict.fromkeys(spec.phase_ids, ()) | {phase.id: phase.inputs for phase in phases}
    accuracies = accuracies_of(evaluations_of(runs, phases))
    measured_on = accuracies[0].evaluation.task if accuracies else None
    scored_on = spec.refine_task or spec.task or measured_on
    return RunRow(
        run_id=run_id,
        name=file.name,
        experiment=spec.experiment,
        arm=spec.arm,
        teacher=spec.teacher,
        student=spec.student,
        in_family=spec.in_family,
        task=spec.task,
        refine_task=spec.refine_task,
        fraction=spec.fraction,
        rounds=spec.rounds,
        seed=spec.seed,
        created=file.created,
        tags=file.tags,
        note=file.note,
        scored_on=scored_on,
        plain=accuracy_on(accuracies, scored_on, "plain"),
        cot=accuracy_on(accuracies, scored_on, "cot"),
        phase_ids=tuple(needs),
        inputs=inputs_of(needs),
        figures=figures_of(accuracies),
        curated=len(spec.curated),
        varied=as_varied(spec.varied.items()),
        written=max(0, written),
        settings=settings_of(phases),
        left_out=file.left_out,
        **progress_of(
            needs, [looks.look(i) for i in needs], forgiven, was_stopped(runs, run_id, forgiven)
        ),
    )


def accuracy_on(accuracies: Iterable[Accuracy], task: str | None, prompt: str) -> float | None:
    """Return the string-match accuracy on the test split, or if not measured, on train."""
    found = {one.evaluation: one.value for one in accuracies}
    splits = (Evaluation(task or "", prompt, split) for split in ("test", "train"))
    return next((found[one] for one in splits if one in found), None)


def with_progress(row: RunRow, progress: Progress) -> RunRow:
    """Update a row's progress; return the same object when nothing has changed."""
    if all(getattr(row, name) == value for name, value in progress.items()):
        return row
    return replace(row, **progress)
