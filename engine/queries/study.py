"""Group runs into the paper's conditions, whatever their seed, with their accuracies."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Literal, cast

from engine import catalog
from engine.queries.run_settings import kept_apart
from engine.schema.accuracy import NOTHING
from engine.schema.varied import order_of, varied_texts
from engine.scoring.statistics import combination, over_questions, paired_difference, share

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.schema.accuracy import Accuracy, Estimate
    from engine.schema.run_spec import Arm
    from engine.schema.varied import Varied
    from engine.store.run_row import RunRow

Prompt = Literal["plain", "cot"]
PROMPTS: tuple[Prompt, ...] = ("plain", "cot")
ARM_ORDER: tuple[Arm, ...] = ("teacher", "baseline", "instruct-only", "refine-only", "both")
TAUGHT: tuple[Arm, ...] = ("instruct-only", "refine-only", "both")
TOY = "Toy models on toy tasks: this shows that the machinery works, nothing about large models."


@dataclass(frozen=True, slots=True)
class Condition:
    """A row of the paper's tables: everything about a run but its seed."""

    arm: Arm
    student: str | None = None
    teacher: str | None = None
    in_family: bool | None = None
    task: str | None = None
    refine_task: str | None = None
    fraction: int = 100
    rounds: int = 1
    curated: int = 0
    varied: Varied = ()

    @property
    def full(self) -> bool:
        """Whether it uses all demonstrations and all pairs, in one round, and is no part of a
        sweep."""
        return self.fraction == 100 and self.rounds == 1 and not (self.curated or self.varied)

    @property
    def usual(self) -> bool:
        """Whether it is :attr:`full` and has one task."""
        return self.full and self.refine_task in (None, self.task)

    @property
    def pair(self) -> tuple[str | None, str | None, bool | None]:
        """Student, teacher, and whether they belong to one family."""
        return self.student, self.teacher, self.in_family

    @property
    def trained_on(self) -> str:
        """The task, or for cross-task runs both, as in ``A > B``."""
        if self.refine_task in (None, self.task):
            return self.task or NOTHING
        return f"{self.task} > {self.refine_task}"

    @property
    def own_tasks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(t for t in (self.task, self.refine_task) if t))

    @property
    def method(self) -> str:
        """A name such as ``both``, ``both 50 %`` or ``both, 2 rounds``."""
        share = "" if self.fraction == 100 else f" {self.fraction} %"
        return ", ".join((f"{self.arm}{share}", *self.variant))

    @property
    def variant(self) -> tuple[str, ...]:
        """What distinguishes it besides arm, fraction and tasks."""
        rounds = () if self.rounds == 1 else (f"{self.rounds} rounds",)
        curated = (f"{self.curated} left out",) if self.curated else ()
        return (*rounds, *curated, *varied_texts(self.varied))

    @property
    def order(self) -> tuple[object, ...]:
        return (
            self.student or "", self.in_family is False, self.teacher or "", self.task or "",
            self.refine_task or "", -self.fraction, ARM_ORDER.index(self.arm), self.rounds,
            self.curated, tuple((key, order_of(value)) for key, value in self.varied),
        )  # fmt: skip


Measurement = tuple[Condition, str, Prompt]  # evaluated on a task's test split with a prompt style
Known = dict[tuple[Condition, str, Prompt], dict[int, "Accuracy"]]


def condition_of(row: RunRow) -> Condition:
    refine_task = row.refine_task if row.refine_task != row.task else None
    return Condition(
        cast("Arm", row.arm), row.student, row.teacher, row.in_family, row.task, refine_task,
        row.fraction, row.rounds, row.curated, row.varied,
    )  # fmt: skip


@dataclass(frozen=True)
class Study:
    """An experiment's runs. ``accuracies``: string match on test splits, by cell and seed.

    ``runs``: the run of each condition and seed. Where settings were changed and it was run
    again, that is the newest that has accuracies, and ``replaced`` holds the others: the two are
    never mixed. Where the runs of a condition differ in settings, these are noted as its rows'
    ``varied``, which makes them conditions of their own; ``apart`` names these settings.
    ``right``: a cell's answers of one seed, question -> right or not, if at hand.
    """

    name: str
    rows: tuple[RunRow, ...]
    description: str = ""
    right: Callable[[Measurement, int], dict[str, bool] | None] | None = field(
        default=None, repr=False
    )
    runs: dict[tuple[Condition, int], RunRow] = field(init=False, repr=False)
    replaced: tuple[RunRow, ...] = field(init=False, repr=False)
    apart: tuple[str, ...] = field(init=False, repr=False)
    accuracies: Known = field(init=False, repr=False)

    def __post_init__(self) -> None:
        cells = (row for row in self.rows if row.is_cell)
        newest = sorted(cells, key=lambda row: (bool(row.accuracies), row.created))
        runs = {(condition_of(row), row.seed): row for row in newest}
        kept = {row.run_id for row in runs.values()}
        rows = kept_apart((r for r in self.rows if r.run_id in kept), condition_of)
        runs = {(condition_of(row), row.seed): row for row in rows}
        swept = {key for row in self.rows for key, _ in row.varied}
        apart = dict.fromkeys(key for row in rows for key, _ in row.varied if key not in swept)
        object.__setattr__(self, "apart", tuple(apart))
        object.__setattr__(self, "runs", runs)
        object.__setattr__(self, "rows", tuple(rows))
        object.__setattr__(self, "replaced", tuple(r for r in newest if r.run_id not in kept))
        known: Known = {}
        for (condition, _), row in runs.items():
            for one in row.accuracies:
                what = one.evaluation
                if what.method == "match" and what.split == "test" and one.total:
                    prompt: Prompt = "plain" if what.prompt == "plain" else "cot"
                    known.setdefault((condition, what.task, prompt), {})[row.seed] = one
        object.__setattr__(self, "accuracies", known)

    @cached_property
    def conditions(self) -> tuple[Condition, ...]:
        return tuple(sorted({condition_of(row) for row in self.rows}, key=lambda c: c.order))

    @cached_property
    def tasks(self) -> tuple[str, ...]:
        """The evaluated tasks, beginning with those that some student was trained on."""
        trained = {task for condition in self.conditions for task in condition.own_tasks}
        return tuple(
            sorted({task for _, task, _ in self.accuracies}, key=lambda t: (t not in trained, t))
        )

    @property
    def toy(self) -> bool:
        return all(task.startswith("pocket-") for task in self.tasks)

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(sorted({row.seed for row in self.rows}))

    def of_arm(self, *arms: Arm) -> list[Condition]:
        return [condition for condition in self.conditions if condition.arm in arms]

    def teacher_of(self, condition: Condition) -> Condition | None:
        """Return the teacher's own condition, for a student's condition."""
        return self._bare("teacher", condition.varied, teacher=condition.teacher)

    def baseline_of(self, condition: Condition) -> Condition | None:
        return self._bare("baseline", condition.varied, student=condition.student)

    def _bare(
        self, arm: Arm, varied: Varied, teacher: str | None = None, student: str | None = None
    ) -> Condition | None:
        wanted = (arm, teacher, student)
        found = (c for c in self.conditions if (c.arm, c.teacher, c.student) == wanted)
        return next((c for c in found if set(c.varied) <= set(varied)), None)

    def reached(self, one: Condition, task: str, prompt: Prompt) -> Estimate | None:
        return self.estimate((1.0, (one, task, prompt)))

    def mean(self, cells: Sequence[Measurement | None]) -> Estimate | None:
        """Average cells that were measured; None when one of them was not."""
        return self.estimate(*((1 / len(cells), cell) for cell in cells))

    def gap(
        self, over: Sequence[Measurement | None], under: Sequence[Measurement | None]
    ) -> Estimate | None:
        """Return the mean of some cells minus that of others."""
        upper = ((1 / len(over), cell) for cell in over)
        return self.estimate(*upper, *((-1 / len(under), cell) for cell in under))

    def estimate(self, *cells: tuple[float, Measurement | None]) -> Estimate | None:
        """Estimate a weighted sum of cells over the seeds they share; None if they share none or a
        cell was not measured.

        A cell that is given twice, such as a teacher of two students, was measured once: its
        weights are added before its uncertainty is.
        """
        weights: dict[Measurement, float] = {}
        for weight, cell in cells:
            if cell is None:
                return None
            weights[cell] = weights.get(cell, 0.0) + weight
        seeds = self.shared_seeds(weights)
        if not cells or not seeds:
            return None
        found = combination(
            [
                [(w, self.accuracies[cell][seed].right) for cell, w in weights.items()]
                for seed in seeds
            ]
        )
        if found.runs > 1 or len(weights) == 1:
            return found
        interval = self._over_questions(weights, seeds[0])
        alike = len({task for _, task, _ in weights}) == 1 and min(weights.values()) > 0
        if interval is None and alike:  # models that answer the same questions make them no more
            questions = max(self.accuracies[cell][seeds[0]].total for cell in weights)
            as_one = share(round(found.value * questions), questions)
            interval = as_one.low, as_one.high
        return found if interval is None else replace(found, low=interval[0], high=interval[1])

    def _over_questions(
        self, weights: dict[Measurement, float], seed: int
    ) -> tuple[float, float] | None:
        """Return the interval over questions, None if answers are missing or questions differ."""
        by_task: dict[str, list[tuple[float, dict[str, bool]]]] = {}
        for cell, weight in weights.items():
            answers = self.right(cell, seed) if self.right else None
            if not answers:
                return None
            by_task.setdefault(cell[1], []).append((weight, answers))
        contributions = []
        for found in by_task.values():
            questions = sorted(found[0][1])
            if any(answers.keys() != found[0][1].keys() for _, answers in found):
                return None
            contributions.append([sum(w * right[q] for w, right in found) for q in questions])
        if sorted(weights.values()) == [-1.0, 1.0] and len(contributions) == 1:
            differences = [round(value) for value in contributions[0]]
            gained, lost = differences.count(1), differences.count(-1)
            gap = paired_difference(gained, lost, len(differences))
            return gap.low, gap.high
        return over_questions(contributions)

    def shared_seeds(self, cells: Iterable[Measurement]) -> list[int]:
        """Return the seeds that every cell has."""
        found = [set(self.accuracies.get(cell, ())) for cell in cells]
        return sorted(set.intersection(*found)) if found else []


def is_question_answering(task: str) -> bool:
    """Whether a task is multiple choice rather than mathematics with a numeric answer."""
    return task in catalog.TASKS and catalog.task(task).kind == "choice"
