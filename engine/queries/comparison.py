"""Compare several runs: accuracies, paired differences, settings, curves, transfer matrix."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from engine.queries.checking import checked_rows
from engine.queries.effort import effort_of
from engine.queries.evaluations import alike, finished, paired
from engine.queries.following import RunFollower
from engine.queries.rows import queued_runs, row_of
from engine.queries.run_settings import kept_apart
from engine.queries.runs import registry
from engine.queries.study import Study, condition_of
from engine.schema.accuracy import NOTHING, SIGNIFICANT
from engine.schema.errors import Problems, UserError
from engine.schema.specs import EvaluateSpec, RefineSpec
from engine.schema.varied import short_name, value_text
from engine.scoring.statistics import adjusted, holm, paired_p
from engine.store.run import read_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.queries.effort import Effort
    from engine.queries.evaluations import Evaluated
    from engine.queries.runs import PhaseStatus, RunStatus
    from engine.queries.study import Condition, Measurement, Prompt
    from engine.schema.accuracy import Accuracy, Comparison, Estimate
    from engine.schema.evaluation import Evaluation, Method
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder
    from engine.store.phase_log import PhaseView
    from engine.store.run_row import RunRow


Settings = list[tuple[str, tuple[str, ...]]]  # name, and its value in each run
OF_PHASES = {"phases", "varied", "curated"}  # of a run: its phases have those
IN_HEAD = {"teacher.name", "teacher.family", "student.name", "student.family", "task.name"}
UNSAID = {"kind", "path", "description"}


@dataclass(frozen=True, slots=True)
class Compared:
    """Runs' accuracies beside each other. ``cells[key][n]`` is run n's; ``differences[key][n]``
    that from the reference, None for the reference itself and where runs share no questions;
    ``efforts[key][n]`` what run n's answers took and cost; ``leading[key]`` the runs that are the
    best or can't be told from it, where any can, as :func:`_leading` finds them."""

    rows: tuple[RunRow, ...]
    reference: int
    cells: dict[Evaluation, tuple[Accuracy | None, ...]]
    differences: dict[Evaluation, tuple[Comparison | None, ...]]
    efforts: dict[Evaluation, tuple[Effort | None, ...]] = field(default_factory=dict)
    leading: dict[Evaluation, frozenset[int]] = field(default_factory=dict)


def rows_of(runs: RunsFolder, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
    """Return the runs' rows in the order given; ``UserError`` names a run that is missing."""
    known = {row.run_id: row for row in registry(runs).rows()}
    return tuple(_row(runs, run_id, known.get(run_id)) for run_id in run_ids)


def _row(runs: RunsFolder, run_id: str, indexed: RunRow | None) -> RunRow:
    """Read a run again unless the index has it as done, so that its state is that of the list."""
    if indexed is not None and indexed.state == "done":
        return indexed
    try:
        forgiven = queued_runs(runs).get(run_id)
    except UserError:  # a damaged queue is told in the list of runs
        forgiven = None
    found = row_of(runs, run_id, forgiven)
    if found is None:
        raise UserError(f"no run {run_id!r} in {runs.root}; it was deleted, perhaps")
    return found


def accuracies(runs: RunsFolder, run_ids: Sequence[str], reference: int = 0) -> Compared:
    """Compare accuracies alone; :func:`with_differences` adds the tests, which take seconds."""
    rows, wrong = checked_rows(runs, rows_of(runs, run_ids))
    if wrong:
        raise Problems(wrong)
    by_run = [{one.evaluation: one for one in row.accuracies} for row in rows]
    keys = sorted({key for found in by_run for key in found})
    cells = {key: tuple(found.get(key) for found in by_run) for key in keys}
    return Compared(tuple(rows), reference, cells, {})


def with_differences(runs: RunsFolder, compared: Compared) -> Compared:
    """Add McNemar's exact test and a paired interval for each cell against the reference, which
    runs lead in each row, and what the answers took and cost."""
    measured = [finished(runs, row.run_id) for row in compared.rows]
    base = measured[compared.reference]
    known: dict[tuple[str, Method], dict[str, bool]] = {}

    def right(one: Evaluated, method: Method) -> dict[str, bool]:
        if (key := (one.folder.id, method)) not in known:
            known[key] = one.right(method)
        return known[key]

    found: dict[tuple[Evaluation, int], Comparison] = {}
    for key in compared.cells:
        for n, mine in enumerate(measured):
            if (
                n != compared.reference
                and (comparison := paired(key, base, mine, right)) is not None
            ):
                found[key, n] = comparison
    whole = dict(zip(found, adjusted(found.values()), strict=True))
    differences = {
        key: tuple(whole.get((key, n)) for n in range(len(measured))) for key in compared.cells
    }
    efforts = {
        key: tuple((key in mine and effort_of(runs, mine[key])) or None for mine in measured)
        for key in compared.cells
    }
    leading = _leading(compared, measured, right)
    return replace(compared, differences=differences, efforts=efforts, leading=leading)


def _leading(
    compared: Compared,
    measured: Sequence[Mapping[Evaluation, Evaluated]],
    right: Callable[[Evaluated, Method], dict[str, bool]],
) -> dict[Evaluation, frozenset[int]]:
    """Return for each row the run with the highest accuracy and those that can't be told from it:
    by McNemar's test of both on the questions that they share, at 5 % after Holm's correction over
    all rows; where they share none, by intervals that overlap. None of a row where all are alike in
    this."""
    scored = {
        key: {n: one for n, one in enumerate(cells) if one is not None}
        for key, cells in compared.cells.items()
    }
    behind: dict[Evaluation, set[int]] = {key: set() for key in scored}
    p_values: dict[tuple[Evaluation, int], float] = {}
    for key, found in scored.items():
        best = max(found, key=lambda n: found[n].value)
        for n in found.keys() - {best}:
            p = None
            if alike(key, measured[best], measured[n]):
                p = paired_p(*(right(measured[of][key], key.method) for of in (best, n)))
            if p is not None:
                p_values[key, n] = p
            elif found[n].right.high < found[best].right.low:
                behind[key].add(n)
    for (key, n), p in zip(p_values, holm(list(p_values.values())), strict=True):
        if p < SIGNIFICANT:
            behind[key].add(n)
    return {key: frozenset(scored[key]) - those for key, those in behind.items() if those}


# --- settings ---


def settings(runs: RunsFolder, run_ids: Sequence[str], every: bool = False) -> Settings:
    """List each setting's name, as Compose has it, with its value in each run, empty where a run
    has no such phase.
    Unless ``every``, only those are listed that differ among the runs that have them."""
    flat = [_flat_run(runs, run_id) for run_id in run_ids]
    names = dict.fromkeys(name for values in flat for name in values)
    return [
        (name, tuple(values.get(name, "") for values in flat))
        for name in names
        if every or len({values[name] for values in flat if name in values}) > 1
    ]


def _flat_run(runs: RunsFolder, run_id: str) -> dict[str, str]:
    spec = read_run(runs, run_id).spec
    head = spec.model_dump(mode="json", exclude=OF_PHASES)
    flat = {name: _said(value) for name, value in head.items()}
    for phase in spec.phases:
        if isinstance(phase, EvaluateSpec):
            continue  # they differ by what they evaluate, which the table of accuracies shows
        values = phase.model_dump(mode="json")
        for part, value in values.items():
            for name, inner in _flatten(value, _named(phase.kind, part, value)):
                if name.rsplit(".", 1)[-1] not in UNSAID and name not in IN_HEAD:
                    text = _said(inner)
                    shared = not name.startswith(f"{phase.kind}.") and name in flat
                    flat[name] = _joined(flat[name], text) if shared else text
    return flat


def _named(kind: str, part: str, value: Any) -> str:
    """``refine`` of a phase's settings; ``student`` of what the experiment gives all phases."""
    if part == "settings":
        return kind
    return part if isinstance(value, dict) else f"{kind}.{part}"


def _joined(known: str, text: str) -> str:
    """Name both values where phases differ, such as the tasks of instruct and of refine."""
    return known if text in known.split(", ") else f"{known}, {text}"


def _flatten(value: Any, name: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}")
    else:
        yield name, value


def _said(value: Any) -> str:
    return NOTHING if value in (None, []) else value_text(value)


# --- curves ---


class Logs:
    """The growing logs of several runs. Use it from one thread at a time."""

    def __init__(self, runs: RunsFolder, run_ids: Sequence[str]) -> None:
        self._followers = [RunFollower(runs, run_id) for run_id in run_ids]
        self._found: list[RunStatus | None] = [None for _ in run_ids]

    @property
    def at_rest(self) -> bool:
        """Whether all runs are done, so that their logs grow no more."""
        return all(found is not None and found.state == "done" for found in self._found)

    def read(self) -> list[dict[str, PhaseView]]:
        """Return for each run its phases' logs as read so far, named as :meth:`phases` does."""
        return [{name: one.view for name, one in found.items()} for found in self.phases()]

    def phases(self) -> list[dict[str, PhaseStatus]]:
        """Return for each run its phases as read so far, by the phase's kind (``refine 1``,
        ``refine 2`` where any run refines in rounds). Evaluations draw no curves and are left out.
        """
        for n, follower in enumerate(self._followers):
            before = self._found[n]
            if before is None or before.state != "done":
                self._found[n] = follower.advance_to_the_end() or before
        found = [status for status in self._found if status is not None]
        rounds = any(status.file.spec.rounds > 1 for status in found)
        return [
            {
                _name(phase.spec, rounds): phase
                for phase in status.phases
                if phase.spec.kind != "evaluate" and phase.attempt
            }
            for status in found
        ]


def _name(spec: PhaseSpec, rounds: bool) -> str:
    return f"{spec.kind} {spec.round}" if rounds and isinstance(spec, RefineSpec) else spec.kind


# --- matrix and fractions ---


Lines = dict[str, list[tuple[int, "Estimate"]]]  # shares in per cent with accuracies, by name
Fractions = dict[str, Lines]  # by task


@dataclass(frozen=True, slots=True)
class Matrix:
    """Accuracy by the task trained on and the task evaluated on, as far as it was measured. Cells
    are means, as in a report, over runs that differ in seed, teacher or student alone."""

    trained: tuple[str, ...]
    evaluated: tuple[str, ...]
    cells: dict[tuple[str, str], Estimate]


@dataclass(frozen=True, slots=True)
class Overview:
    """Whole experiments, for one prompt style. ``matrices``: accuracy by task trained on and task
    evaluated on, by which runs. ``fractions``: by task, by arm and teacher, by share of
    demonstrations."""

    matrices: dict[str, Matrix]
    fractions: Fractions


def overview(rows: Sequence[RunRow], prompt: Prompt) -> Overview:
    """Make the matrix and the fractions of these rows' experiments, averaged as in a report.
    Reading the accuracies takes tens of microseconds a row."""
    study = Study("", tuple(kept_apart(rows, _averaged)))
    kinds = {"all": study.conditions} | {
        name: tuple(one for one in study.conditions if one.in_family is family)
        for name, family in (("in-family", True), ("out-family", False))
    }
    found = {name: matrix(study, chosen, prompt) for name, chosen in kinds.items()}
    matrices = {name: one for name, one in found.items() if one.cells}
    return Overview(matrices, by_fraction(study, prompt))


def _averaged(row: RunRow) -> Condition:
    """What is alike of runs that a cell may average."""
    return replace(condition_of(row), student=None, teacher=None, in_family=None)


def matrix(study: Study, conditions: Iterable[Condition], prompt: Prompt) -> Matrix:
    """Average test accuracy by task trained on and task evaluated on, over all teachers."""
    alike: dict[tuple[str, str], list[Measurement]] = {}
    for one in conditions:
        for task in study.tasks:
            alike.setdefault((trained_as(one), task), []).append((one, task, prompt))
    found = {place: _together(study, same) for place, same in alike.items()}
    cells = {place: cell for place, cell in found.items() if cell is not None}
    evaluated = tuple(sorted({on for _, on in cells}))
    return Matrix(tuple(dict.fromkeys(trained for trained, _ in cells)), evaluated, cells)


def _together(study: Study, alike: Iterable[Measurement]) -> Estimate | None:
    """Return the mean over the seeds that all share, or the first cell if they share none, and say
    of how many runs that is where these are not all: a mean of other seeds for some teachers than
    for others would compare seeds with teachers."""
    known = [cell for cell in alike if cell in study.accuracies]
    there = sum(len(study.accuracies[cell]) for cell in known)
    if not study.shared_seeds(known):
        known = known[:1]
    found = study.mean(known)
    if found is None:
        return None
    runs = len(known) * len(study.shared_seeds(known))
    return replace(found, runs=runs, known=there if there > runs else None)


def trained_as(one: Condition) -> str:
    """Name what was trained: ``both csqa``, ``instruct-only csqa 50%``, ``baseline``."""
    share = "" if one.fraction == 100 else f"{one.fraction}%"
    parts = (one.arm, one.trained_on if one.task else "", share, *_variant(one))
    return " ".join(part for part in parts if part)


def by_fraction(study: Study, prompt: Prompt) -> Fractions:
    """Return for each task the accuracy of what was trained on it, by share of demonstrations."""
    alike: dict[str, dict[str, dict[int, list[Measurement]]]] = {}
    for one in study.conditions:
        task = one.refine_task or one.task
        if task is not None:
            at = alike.setdefault(task, {}).setdefault(_line_name(one), {})
            at.setdefault(one.fraction, []).append((one, task, prompt))
    found = {
        task: {name: points for name, at in lines.items() if (points := _points(study, at))}
        for task, lines in sorted(alike.items())
    }
    return {task: lines for task, lines in found.items() if lines}


def _points(study: Study, at: dict[int, list[Measurement]]) -> list[tuple[int, Estimate]]:
    cells = ((share, _together(study, same)) for share, same in sorted(at.items()))
    return [(share, cell) for share, cell in cells if cell is not None]


def _line_name(one: Condition) -> str:
    name = f"{one.arm} <{one.teacher}" if one.teacher else one.arm
    return " ".join((name, *_variant(one)))


def _variant(one: Condition) -> tuple[str, ...]:
    """Return :attr:`Condition.variant` with the short names of settings, ``instruct.lr=3e-4``."""
    settings = (f"{short_name(key)}={value_text(value)}" for key, value in one.varied)
    return (*replace(one, varied=()).variant, *settings)
