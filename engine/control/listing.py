"""Which runs there are and in which state; one run in full."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine import queue
from engine.contract.errors import UserError, nearest
from engine.contract.eventlog import EventReader
from engine.contract.run import Cellmark, RunFile, RunRow
from engine.contract.rundir import RunsFolder, read_json
from engine.contract.spec import EvaluateSpec
from engine.contract.view import EMPTY, PhaseView, State, fold_all
from engine.queue import read_run
from engine.registry import Registry
from engine.states import PhaseState, phase_state

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from engine.contract.rundir import PhaseDir
    from engine.contract.spec import PhaseSpec

# the state of a run is that of its phase that matters most
WORST_FIRST: tuple[State, ...] = ("running", "failed", "lost", "unreachable", "stopped", "queued")
ENDED: frozenset[State] = frozenset({"failed", "lost", "stopped", "unreachable"})


@dataclass(frozen=True, slots=True)
class PhaseStatus:
    """A phase of a run: its state, and for one that can't start, what blocks it."""

    spec: PhaseSpec
    state: State
    attempt: int
    error: str
    blocked_by: tuple[str, ...]
    view: PhaseView = EMPTY

    @property
    def id(self) -> str:
        return self.spec.id


@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run with all its phases, inputs first."""

    file: RunFile
    state: State
    phases: tuple[PhaseStatus, ...]
    marks: tuple[Cellmark, ...]


def registry(runs: RunsFolder) -> Registry:
    """The index, which rebuilds itself from the folders."""
    return Registry(runs, lambda run_id: row_of(runs, run_id))


def list_runs(runs: RunsFolder) -> list[RunRow]:
    """All runs, newest last. Runs that weren't finished at the last look are looked at again;
    what has become final goes into the index."""
    index = registry(runs)
    rows, news = [], []
    states: dict[str, PhaseState] = {}
    queued = queued_runs(runs)
    for row in index.rows():
        fresh = row if row.state == "done" else row_of(runs, row.run_id, queued, states)
        if fresh is None:
            continue
        if fresh.state == "done" and row.state != "done":
            news.append(fresh)
        rows.append(fresh)
    index.put(news)
    return sorted(rows, key=lambda r: (r.created, r.run_id))


def queued_runs(runs: RunsFolder) -> dict[str, dict[str, int]]:
    """Run on the queue -> phase -> attempt up to which a bad end will be tried again."""
    return {entry.run_id: entry.forgiven for entry in queue.read_queue(runs).entries}


def find_runs(runs: RunsFolder, words: Iterable[str]) -> list[str]:
    """Run ids by id, by unique beginning of an id, or by experiment name."""
    known = runs.run_ids()
    found: list[str] = []
    for word in words:
        if word in known:
            found.append(word)
            continue
        matching = [r for r in known if r.startswith(word)]
        if not matching:
            of_experiment = [r.run_id for r in registry(runs).rows() if r.experiment == word]
            if not of_experiment:
                raise UserError(f"no run {word!r} in {runs.root}; {nearest(word, known)}")
            matching = of_experiment
        found += matching
    return list(dict.fromkeys(found))


def row_of(
    runs: RunsFolder,
    run_id: str,
    queued: dict[str, dict[str, int]] | None = None,
    states: dict[str, PhaseState] | None = None,
) -> RunRow | None:
    """A run's row from its folder; None when its file can't be read. ``states``: phases that
    have already been looked at, since runs share them."""
    try:
        file = read_run(runs, run_id)
    except UserError:
        return None
    spec = file.spec
    seen = {} if states is None else states
    for phase in spec.phases:
        if phase.id not in seen:
            seen[phase.id] = phase_state(runs.phase(phase.id))
    found = [seen[phase.id] for phase in spec.phases]
    ends = [s.finished for s in found if s.finished]
    forgiven = (queued or {}).get(run_id)
    shown = [state_with_queue(p.id, s, forgiven) for p, s in zip(spec.phases, found, strict=True)]
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
        seed=spec.seed,
        created=file.created,
        finished=max(ends, default=None) if run_state(shown) == "done" else None,
        tags=file.tags,
        note=file.note,
        state=run_state(shown),
        phases=tuple((phase.kind, phase.id) for phase in spec.phases),
        marks=marks_of(runs, spec.phases),
    )


def state_with_queue(phase_id: str, found: PhaseState, forgiven: dict[str, int] | None) -> State:
    """A phase's state as its run sees it. ``forgiven``: None when the run isn't queued. What
    nobody has tried yet, or will be tried again, is ``queued`` then."""
    if forgiven is None:
        return found.state
    again = found.state in ENDED and found.attempt <= forgiven.get(phase_id, 0)
    return "queued" if again or found.state == "waiting" else found.state


def run_state(states: Collection[State]) -> State:
    """Done when all phases are; else the state that matters most."""
    if all(state == "done" for state in states):
        return "done"
    return next((state for state in WORST_FIRST if state in states), "waiting")


def marks_of(runs: RunsFolder, phases: Iterable[PhaseSpec]) -> tuple[Cellmark, ...]:
    """Accuracies of a run's finished evaluations."""
    return tuple(
        mark
        for phase in phases
        if isinstance(phase, EvaluateSpec) and (mark := mark_of(runs.phase(phase.id), phase))
    )


def mark_of(folder: PhaseDir, spec: EvaluateSpec) -> Cellmark | None:
    if not folder.done:
        return None
    file = folder.rescored if folder.rescored.exists() else folder.score
    fields = set(Cellmark.model_fields)
    figures = {k: v for k, v in read_json(file).items() if k in fields}
    return Cellmark(
        task=spec.task.name, prompt=spec.prompt, method=spec.method, split=spec.split, **figures
    )


def run_status(runs: RunsFolder, run_id: str, with_views: bool = True) -> RunStatus:
    """Everything about one run. Views fold the last attempt's whole log."""
    file = read_run(runs, run_id)
    forgiven = queued_runs(runs).get(run_id)
    phases: list[PhaseStatus] = []
    bad: set[str] = set()
    for spec in file.spec.phases:
        folder = runs.phase(spec.id)
        found = phase_state(folder)
        state = state_with_queue(spec.id, found, forgiven)
        blockers = tuple(i for i in spec.inputs if i in bad)
        if blockers and state in {"waiting", "queued"}:
            state = "blocked"
        if state in ENDED or state == "blocked":
            bad.add(spec.id)
        view = view_of(folder) if with_views else EMPTY
        phases.append(PhaseStatus(spec, state, found.attempt, found.error, blockers, view))
    state = run_state([p.state for p in phases])
    return RunStatus(file, state, tuple(phases), marks_of(runs, file.spec.phases))


def view_of(folder: PhaseDir) -> PhaseView:
    """The last attempt's log, folded."""
    attempt = folder.last_attempt()
    if attempt is None:
        return EMPTY
    reader = EventReader(attempt.events)
    return fold_all(reader.read(max_records=10_000_000, max_ms=60_000))


def age(when: datetime) -> float:
    """Seconds since then."""
    return (datetime.now(UTC) - when).total_seconds()
