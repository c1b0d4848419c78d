"""A run's row, made of its file and of what its phases' folders say."""

from __future__ import annotations

import json
import math
import os
import time
from dataclasses import MISSING, dataclass, fields, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypedDict

from engine.machine.state import TAIL_BYTES, PhaseState, phase_state
from engine.scheduling.queue import read_queue, read_run
from engine.scheduling.standing import (
    Fact,
    forgiven_by,
    run_state,
    standings,
)
from engine.schema.errors import UserError, explain
from engine.schema.evaluation import Evaluation
from engine.schema.jsonfile import parse, read_sealed
from engine.schema.specs import EvaluateSpec
from engine.store.layout import SCORE
from engine.store.registry import CLOCK_GRAIN_NS, written_at
from engine.store.run_row import (
    LADDER,
    Cellmark,
    RunRow,
    kind_of,
    pack,
)
from engine.store.sealing import verified_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from engine.schema.specs import PhaseSpec
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder
    from engine.store.phase_log import State

SETTLED: frozenset[State] = frozenset({"done", "failed", "stopped", "waiting"})
SCORED = frozenset(field.name for field in fields(Cellmark)) - {"task", "prompt", "method", "split"}
COUNTS = frozenset({"correct", "total", "mean_tokens"})  # the others are shares
NEEDED = SCORED & {field.name for field in fields(Cellmark) if field.default is MISSING}


@dataclass(frozen=True, slots=True)
class Look:
    """A phase at a look. ``began``, ``ended``: its last attempt's first and final event."""

    found: PhaseState
    began: datetime | None = None
    ended: datetime | None = None


RESCORE = "score the run again (sirt score RUN --write), or move the file away"
WAITING = Look(PhaseState("waiting"))


class Looks:
    """Phases' states. Runs share phases, so each is looked at once a round; one that has come
    to rest only when its folder has changed (a new attempt, a manifest)."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._known: dict[str, tuple[int, Look]] = {}  # folder's time of change, look
        self._this_round: set[str] = set()

    def begin(self) -> None:
        """A new round: everything may have moved."""
        self._this_round.clear()

    def look(self, phase_id: str) -> Look:
        """The same object as before when nothing has changed."""
        if phase_id in self._this_round:
            return self._known[phase_id][1]
        self._this_round.add(phase_id)
        folder = self._runs.phase(phase_id)
        try:
            changed = os.stat(folder.path).st_mtime_ns  # noqa: PTH116  thousands of them
        except OSError:
            changed = 0
        before = self._known.get(phase_id)
        rests = before is not None and before[1].found.state in SETTLED and before[0] == changed
        if before is None or not rests:
            fresh = look_at(folder) if changed else WAITING
            kept = before[1] if before is not None and before[1] == fresh else fresh
            unsure = time.time_ns() - changed < CLOCK_GRAIN_NS
            self._known[phase_id] = (-1 if unsure else changed, kept)
        return self._known[phase_id][1]


def look_at(folder: PhaseDir) -> Look:
    """State and times of a phase from its folder."""
    found = phase_state(folder)
    attempt = folder.last_attempt()
    if found.state == "waiting" or attempt is None:
        return Look(found) if found != WAITING.found else WAITING
    began, ended = span(attempt)
    return Look(found, began, None if found.state == "running" else ended)


def span(attempt: AttemptDir) -> tuple[datetime | None, datetime | None]:
    """When the first and the last whole event of a log were written."""
    try:
        with attempt.events.open("rb") as file:
            first = file.readline(TAIL_BYTES)
            file.seek(max(0, os.fstat(file.fileno()).st_size - TAIL_BYTES))
            lines = file.read().splitlines(keepends=True)
    except OSError:
        return None, None
    whole = (line for line in reversed(lines) if line.endswith(b"\n"))
    return _written(first), _written(next(whole, b""))


def _written(line: bytes) -> datetime | None:
    try:
        moment = datetime.fromisoformat(json.loads(line)["ts"])
        return moment if moment.tzinfo else None
    except (ValueError, LookupError, TypeError, RecursionError):
        return None


class Progress(TypedDict):
    """The fields of a row that follow from its phases' looks."""

    state: State
    ladder: tuple[State | None, ...]
    seconds: float | None
    working_since: datetime | None
    finished: datetime | None


def progress_of(
    needs: Mapping[str, Sequence[str]], looks: Sequence[Look], forgiven: Mapping[str, int] | None
) -> Progress:
    """``needs``: phase -> its inputs; ``looks``: one a phase; ``forgiven``: as for
    :func:`~engine.scheduling.standing.standings`."""
    facts = {i: Fact(x.found.state, x.found.attempt) for i, x in zip(needs, looks, strict=True)}
    states = [one.state for one in standings(needs.items(), facts, forgiven).values()]
    state = run_state(states)
    took = [max(0.0, (x.ended - x.began).total_seconds()) for x in looks if x.began and x.ended]
    at_work = [x.began for x in looks if x.found.state == "running" and x.began]
    ends = [x.ended for x in looks if x.ended]
    return Progress(
        state=state,
        ladder=ladder_of(tuple(needs), states),
        seconds=sum(took) if took else None,
        working_since=min(at_work, default=None),
        finished=max(ends, default=None) if state == "done" else None,
    )


def ladder_of(phase_ids: Sequence[str], states: Sequence[State]) -> tuple[State | None, ...]:
    """One state for each kind of phase, in the order of the method."""
    kinds: dict[str, list[State]] = {}
    for phase_id, state in zip(phase_ids, states, strict=True):
        kinds.setdefault(kind_of(phase_id), []).append(state)
    return tuple(run_state(kinds[kind]) if kind in kinds else None for kind in LADDER)


def queued_runs(runs: RunsFolder) -> dict[str, dict[str, int]]:
    """Run on the queue -> phase -> attempt up to which a bad end will be tried again."""
    entries = read_queue(runs).entries
    forgiven = forgiven_by(entry.forgiven for entry in entries)
    return dict.fromkeys((entry.run_id for entry in entries), forgiven)


def row_of(
    runs: RunsFolder,
    run_id: str,
    forgiven: Mapping[str, int] | None = None,
    looks: Looks | None = None,
) -> RunRow | None:
    """A run's row from its folder; None when its file can't be read. ``forgiven``: as for
    :func:`~engine.scheduling.standing.standings`. ``looks``: phases already looked at."""
    written = written_at(runs, run_id)  # before it is read: what is written meanwhile is newer
    try:
        file = read_run(runs, run_id)
    except UserError:
        return None
    spec = file.spec
    looks = looks or Looks(runs)
    needs = {phase.id: phase.inputs for phase in spec.phases}
    marks = marks_of(runs, spec.phases)
    scored_on = spec.refine_task or spec.task or (marks[0].task if marks else None)
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
        plain=_accuracy(marks, scored_on, "plain"),
        cot=_accuracy(marks, scored_on, "cot"),
        packed=pack(needs, marks, needs.values()),
        curated=len(spec.curated),
        written=max(0, written),
        **progress_of(needs, [looks.look(i) for i in needs], forgiven),
    )


def _accuracy(marks: Iterable[Cellmark], task: str | None, prompt: str) -> float | None:
    """By match on the test split, where it was measured on that."""
    found = {m.evaluation: m.accuracy for m in marks if m.task == task}
    splits = (Evaluation(task or "", prompt, split) for split in ("test", "train"))
    return next((found[one] for one in splits if one in found), None)


def with_progress(row: RunRow, progress: Progress) -> RunRow:
    """The same object when nothing has changed."""
    if all(getattr(row, name) == value for name, value in progress.items()):
        return row
    return replace(row, **progress)


def marks_of(runs: RunsFolder, phases: Iterable[PhaseSpec]) -> tuple[Cellmark, ...]:
    """Accuracies of a run's finished evaluations."""
    found = (
        marks_in(runs.phase(phase.id), phase) for phase in phases if isinstance(phase, EvaluateSpec)
    )
    return tuple(mark for marks in found for mark in marks)


def marks_in(folder: PhaseDir, spec: EvaluateSpec) -> tuple[Cellmark, ...]:
    """A finished evaluation's accuracies: as read, and as committed where it asked for that. None
    where its file was damaged: one must not hide all others, and the doctor names it."""
    if not folder.done:
        return ()
    try:
        found = scored(folder)
    except (OSError, UserError):
        return ()
    committed = found.pop("committed", None)
    mark = Cellmark(spec.task.name, spec.prompt, spec.method, spec.split, **_figures(found))
    if not isinstance(committed, dict):
        return (mark,)
    return mark, replace(mark, method="commit", **_figures(committed))


def _figures(found: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in found.items() if name in SCORED}
    return kept | {"tiers": tuple(found.get("tiers", {}).items())}


def why_unscored(folder: PhaseDir) -> str:
    """Why an evaluation's figures can't be shown; empty when they can, and when it has not come to
    its end."""
    if not folder.done:
        return why_absent(folder)
    try:
        scored(folder)
    except UserError as error:
        return str(error)
    except OSError as error:
        return explain(error)
    return ""


def why_absent(folder: PhaseDir) -> str:
    """Why an unfinished phase has nothing to show, where that is not as it should be: its folder
    or its manifest is gone, or its process."""
    if not folder.path.is_dir():
        return f"{folder.path}: not there; sirt retry makes it again"
    found = phase_state(folder)
    return f"{folder.id}: {found.error}" if found.state == "lost" else ""


def scored(folder: PhaseDir) -> dict[str, Any]:
    """A finished evaluation's figures; ``UserError`` or ``OSError`` when they can't be read."""
    if folder.rescored.exists():
        return _score(folder.rescored, read_sealed(folder.rescored, RESCORE))
    return published_score(folder)


def published_score(folder: PhaseDir) -> dict[str, Any]:
    """As :func:`scored`, as the phase itself scored."""
    return _score(folder.score, parse(verified_bytes(folder, SCORE), folder.score))


def _score(file: Path, found: Any, needed: frozenset[str] = NEEDED) -> dict[str, Any]:
    """The figures of a score that can be one. What is read as committed to an answer shares the
    questions, and so their number, with the score that it stands in."""
    if not isinstance(found, dict) or not found.keys() >= needed:
        raise UserError(f"{file}: not a score")
    if not isinstance(found.get("tiers", {}), dict):
        raise UserError(f"{file}: tiers: not counts")
    if found.get("committed") is not None:
        _score(file, found["committed"], NEEDED - {"total"})
    for name in (found.keys() & SCORED) - {"tiers"}:
        value, most = found[name], math.inf if name in COUNTS else 1.0
        if not (value is None and name == "legacy") and not _is_figure(value, most):
            raise UserError(f"{file}: {name}: not a figure that a score can have")
    return found


def _is_figure(value: object, most: float) -> bool:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and 0 <= value <= most and value != math.inf  # type: ignore[operator]
