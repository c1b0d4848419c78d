"""Paired tests on the same questions: whether each step helped, how far the teacher is ahead, and
which differences a test set can detect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from statistics import median
from typing import TYPE_CHECKING

from engine.queries.study import (
    PROMPTS,
    TAUGHT,
    Condition,
    Study,
)
from engine.report.sections import who
from engine.schema.accuracy import NOTHING
from engine.schema.evaluation import Evaluation
from engine.schema.varied import before_refining
from engine.scoring.statistics import adjusted, compared, detectable, over_seeds
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.queries.study import Measurement
    from engine.schema.accuracy import Comparison
    from engine.tables.table import Cell

Right = dict[str, bool]  # question id -> whether the answer was right
ASSUMED = 0.3  # share of discordant questions to plan with
NOTE = (
    "Differences in points on the same questions, with the bootstrap's 95 % interval, or the exact "
    "test's where that is wider; exact McNemar test of each seed, adjusted by Holm over the whole "
    "table. Only where that is below 0.05 does the data say that one is better. Detectable: the "
    "least difference that such a test finds four times in five with so many questions gained or "
    "lost; a dash where they are too few for any."
)


@dataclass(frozen=True, slots=True)
class Tested:
    """The test of one condition against another, with one seed."""

    before: Condition
    after: Condition
    seed: int
    found: Comparison

    @property
    def taught(self) -> Condition:
        """The student's condition, when the other is its teacher; else the later condition."""
        return self.before if self.after.arm == "teacher" else self.after


Held = tuple[Condition, Condition, tuple[str, ...]]  # one against the other, on these tasks
Answers = Callable[["Measurement", int], "Right | None"]
Watch = Callable[[str, int, int], None]  # what is done, how many of it, of how many


def steps(study: Study) -> Iterator[tuple[Condition, Condition]]:
    """Yield the conditions to compare: each step of the method with the one before it."""
    for one in study.conditions:
        if one.arm == "both":
            yield _instructed(one), one
            if one.curated:
                yield replace(one, curated=0), one
            if one.rounds > 1:
                yield replace(one, rounds=one.rounds - 1), one
        if one.arm in {"instruct-only", "refine-only"}:
            bare = study.baseline_of(one)
            if bare is not None:
                yield bare, one


def _instructed(one: Condition) -> Condition:
    """The condition of the student before it was refined."""
    varied = before_refining(one.varied)
    return replace(one, arm="instruct-only", refine_task=None, rounds=1, curated=0, varied=varied)


def on_own_tasks(study: Study) -> Iterator[Held]:
    return ((before, after, after.own_tasks) for before, after in steps(study))


def on_other_tasks(study: Study) -> Iterator[Held]:
    for before, after in steps(study):
        yield before, after, tuple(t for t in study.tasks if t not in after.own_tasks)


def to_teacher(study: Study) -> Iterator[Held]:
    """Yield each student with its teacher, to be compared on the tasks it was trained on."""
    for one in study.of_arm(*TAUGHT):
        teacher = study.teacher_of(one)
        if teacher is not None:
            yield one, teacher, one.own_tasks


@dataclass(frozen=True, slots=True)
class Question:
    """A question that a table of tests answers. ``slug``: the name of its files."""

    slug: str
    title: str
    held: Callable[[Study], Iterator[Held]]


QUESTIONS = (
    Question("differences", "Did each step help?", on_own_tasks),
    Question("differences-out", "Did each step help on other tasks?", on_other_tasks),
    Question("gaps", "How far is the teacher ahead?", to_teacher),
)


def paired(study: Study, held: Iterable[Held], right: Answers) -> list[Tested]:
    """Test the conditions pairwise, for each task, prompt style and seed."""
    found = [
        Tested(before, after, seed, comparison)
        for before, after, tasks in held
        for task in tasks
        for prompt in PROMPTS
        for seed in study.seeds
        if (a := right((before, task, prompt), seed)) is not None
        and (b := right((after, task, prompt), seed)) is not None
        and (comparison := compared(Evaluation(task, prompt), a, b)) is not None
    ]
    tests = adjusted(one.found for one in found)
    return [replace(one, found=test) for one, test in zip(found, tests, strict=True)]


def sections_of(study: Study, right: Answers, watch: Watch) -> Iterator[Table]:
    """Yield each question's tests, by seed and over seeds, and last what the test sets can detect.
    Tables may have no rows."""
    every = []
    for question in QUESTIONS:
        held = _watched(tuple(question.held(study)), question.title, watch)
        found = paired(study, held, right)
        every += found
        yield differences(question, found)
        yield over_the_seeds(question, found)
    yield resolution(study, every)


def _watched(held: Sequence[Held], what: str, watch: Watch) -> Iterator[Held]:
    for done, one in enumerate(held):
        watch(what, done, len(held))
        yield one


def differences(question: Question, found: Sequence[Tested]) -> Table:
    """Make a table of the tests, with a row per seed."""
    headers = (
        "compared", "student", "teacher", "family", "trained on", "evaluated on", "prompt", "seed",
        "n", "difference [95 %]", "gained", "lost", "p (Holm)", "detectable",
    )  # fmt: skip
    rows = tuple(_line(one) for one in found)
    return Table(headers, rows, question.slug, question.title, NOTE)


def _line(one: Tested) -> tuple[Cell, ...]:
    c = one.found
    return (
        _step(one),
        *who(one.taught)[1:],
        c.evaluation.where,
        c.evaluation.style,
        str(one.seed),
        str(c.total),
        c.difference,
        str(c.gained),
        str(c.lost),
        f"{c.adjusted:.2g}",
        _least(c.total, c.discordant),
    )


def _step(one: Tested) -> str:
    plain = one.before.arm != "both" and one.taught is one.after
    name = one.before.arm if plain else one.before.method
    return f"{name} → {one.after.method}"


def over_the_seeds(question: Question, found: Sequence[Tested]) -> Table:
    """Make a table of mean differences over seeds, where there are at least two."""
    groups: dict[tuple[str, ...], list[float]] = {}
    for one in found:
        key = (
            _step(one),
            *who(one.taught)[1:],
            one.found.evaluation.task,
            one.found.evaluation.prompt,
        )
        groups.setdefault(key, []).append(one.found.difference.value)
    rows = []
    for key, values in groups.items():
        if len(values) > 1:
            mean = over_seeds(values, signed=True)
            interval = (mean.sd and mean.interval) or NOTHING
            told = f"{100 * mean.value:+.1f} {interval}"
            rows.append((*key, str(len(values)), told, f"{100 * (mean.sd or 0):.1f}"))
    headers = (
        "compared", "student", "teacher", "family", "trained on", "evaluated on", "prompt", "seeds",
        "mean difference [95 %, t]", "sd",
    )  # fmt: skip
    note = (
        "Means over seeds, in points, with Student's t interval of three or more. Seeds "
        "that all agree have no spread to make an interval of: theirs are in the table before."
    )
    title = f"{question.title} Over the seeds"
    return Table(headers, tuple(rows), f"{question.slug}-seeds", title, note)


def _least(total: int, discordant: float | None) -> str:
    least = None if discordant is None else detectable(total, discordant)
    return NOTHING if least is None else f"{100 * least:.1f}"


def resolution(study: Study, found: Sequence[Tested]) -> Table:
    """Make a table of the smallest difference that each test set can detect."""
    rows = []
    for task, prompt in product(study.tasks, PROMPTS):
        totals = {
            one.total
            for cell, by in study.accuracies.items()
            if cell[1:] == (task, prompt)
            for one in by.values()
        }
        seen = [
            one.found.discordant
            for one in found
            if (one.found.evaluation.task, one.found.evaluation.prompt) == (task, prompt)
        ]
        share = median(seen) if seen else None
        for total in sorted(totals):
            told = NOTHING if share is None else f"{100 * share:.1f}"
            rows.append(
                (task, prompt, str(total), told, _least(total, share), _least(total, ASSUMED))
            )
    headers = (
        "evaluated on", "prompt", "questions", "discordant, %", "detectable, points",
        f"at {100 * ASSUMED:.0f} % discordant",
    )  # fmt: skip
    note = (
        "The smallest difference between two runs that McNemar's test (two-sided, 5 %) finds four "
        "times in five, where so many of the questions are answered right by exactly one of the "
        "two (the median of the compared pairs; and a usual share, to plan with). A dash: so few "
        "differ that even all on one side would prove nothing. Differences below it prove nothing "
        "either way."
    )
    return Table(headers, tuple(rows), "resolution", "What the test sets can tell", note)
