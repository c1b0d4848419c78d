"""The paper's tables: each function asks one question of a study, and is None where the study
can't answer it. Accuracies in per cent with 95 % intervals, differences and gaps in points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.queries.results import Table
from engine.queries.study import (
    ARM_NAMES,
    PROMPTS,
    TAUGHT,
    Condition,
    Study,
    is_question_answering,
)
from engine.schema.accuracy import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.queries.study import Cell, Prompt
    from engine.schema.accuracy import Estimate
    from engine.schema.specs import Arm

WHO = ("method", "student", "teacher", "family", "trained on")
# what the paper states of the gap that instruction-tuning leaves, in points:
# (question answering, in-family) -> teacher minus instructed, averaged over its tasks and students
PAPER_GAPS = {(True, True): 6.3, (False, True): 8.2, (True, False): 8.5, (False, False): 8.7}
HOW_TO_READ = (
    "Per cent right by string match, with the 95 % interval: of one seed Wilson's over the "
    "questions; of several the mean ± standard deviation, Student's t interval over the seeds and "
    "their number. That one is about other seeds on the same questions, not about other questions."
)


@dataclass(frozen=True, slots=True)
class Section:
    """A table with what one has to know to read it. ``slug``: name of its files."""

    slug: str
    title: str
    note: str
    table: Table


def percent(found: Estimate | None) -> str:
    return NOTHING if found is None else found.text


def points(found: Estimate | None) -> str:
    return NOTHING if found is None else found.points


def who(condition: Condition) -> tuple[str, ...]:
    """The cells under :data:`WHO`."""
    families = {True: "in", False: "out", None: NOTHING}
    return (
        condition.method,
        condition.student or NOTHING,
        condition.teacher or NOTHING,
        families[condition.in_family],
        condition.trained_on,
    )


def accuracies(study: Study) -> Section | None:
    """Everything that was measured: a row a condition, a column a task and prompt."""
    columns = [(task, prompt) for task in study.tasks for prompt in PROMPTS]
    columns = [c for c in columns if any(cell[1:] == c for cell in study.accuracies)]
    rows = [
        (*who(one), *(percent(study.estimate((1.0, (one, *column)))) for column in columns))
        for one in study.conditions
    ]
    if not columns:
        return None
    headers = (*WHO, *(f"{task} {prompt}" for task, prompt in columns))
    return Section("accuracies", "Accuracies", HOW_TO_READ, Table(headers, tuple(rows)))


def families(study: Study) -> Section | None:
    """In- and out-family, averaged over tasks and students: what each step leaves of the gap."""
    rows = []
    for qa in (True, False):
        for in_family in (True, False):
            taught = [
                one
                for one in study.of_arm("instruct-only")
                if one.usual
                and one.in_family is in_family
                and is_question_answering(one.task or "") is qa
            ]
            for prompt in PROMPTS:
                if any(_own(one, prompt) in study.accuracies for one in taught):
                    rows.append(_family_row(study, taught, qa, in_family, prompt))
    headers = (
        "tasks", "family", "prompt", "teacher", "baseline", "instructed", "refined",
        "gap of instructed", "paper", "gap of refined",
    )  # fmt: skip
    note = (
        "On the task each student was trained on, averaged over tasks, students and teachers. Gap: "
        "teacher minus student, in points; of one seed on the same questions. The paper states "
        "the gap that instruction-tuning leaves and that self-refine closes it; it gives no other "
        "figure that is known here."
    )
    if study.toy:
        note += " Its figures are of benchmarks and large models, not of these toys."
    return (
        Section("families", "In-family and out-family", note, Table(headers, tuple(rows)))
        if rows
        else None
    )


def _family_row(
    study: Study, taught: Sequence[Condition], qa: bool, in_family: bool, prompt: Prompt
) -> tuple[str, ...]:
    instructed = [_own(one, prompt) for one in taught]
    refined = [_own(_with_arm(one, "both"), prompt) for one in taught]
    teachers = [_cell(study.teacher_of(one), one, prompt) for one in taught]
    baselines = [_cell(study.baseline_of(one), one, prompt) for one in taught]
    return (
        "question answering" if qa else "mathematics",
        "in" if in_family else "out",
        prompt,
        *(percent(_mean(study, cells)) for cells in (teachers, baselines, instructed, refined)),
        points(_gap(study, teachers, instructed)),
        f"{PAPER_GAPS[qa, in_family]:+.1f}",
        points(_gap(study, teachers, refined)),
    )


def _own(condition: Condition, prompt: Prompt) -> Cell:
    return (condition, condition.task or "", prompt)


def _with_arm(condition: Condition, arm: Arm) -> Condition:
    from dataclasses import replace

    return replace(condition, arm=arm)


def _cell(bare: Condition | None, taught: Condition, prompt: Prompt) -> Cell | None:
    return None if bare is None else (bare, taught.task or "", prompt)


def _mean(study: Study, cells: Sequence[Cell | None]) -> Estimate | None:
    known = [cell for cell in cells if cell is not None]
    return study.mean(known) if len(known) == len(cells) else None


def _gap(study: Study, over: Sequence[Cell | None], under: Sequence[Cell]) -> Estimate | None:
    upper = [(1 / len(over), cell) for cell in over if cell is not None]
    if len(upper) < len(over):
        return None
    return study.estimate(*upper, *((-1 / len(under), cell) for cell in under))


def domains(study: Study) -> Section | None:
    """In-domain: the task a student was trained on; out-domain: the mean of all the others."""
    taught = [one for one in study.of_arm("baseline", *TAUGHT) if one.usual]
    trained = list(dict.fromkeys(one.task for one in taught if one.task))
    rows = []
    for task in trained:
        others = [other for other in study.tasks if other != task]
        shown = [one for one in taught if one.task in (task, None)]
        for one in shown if others else ():
            for prompt in PROMPTS:
                within = study.estimate((1.0, (one, task, prompt)))
                beyond = study.mean([(one, other, prompt) for other in others])
                rows.append((task, *who(one)[:4], prompt, percent(within), percent(beyond)))
    if not rows:
        return None
    headers = ("trained on", *WHO[:4], "prompt", "in-domain", "out-domain (mean)")
    note = "In-domain is the task of the first column; out-domain the mean of all other tasks."
    return Section("domains", "In-domain and out-domain", note, Table(headers, tuple(rows)))


def cross_task(study: Study) -> Section | None:
    """Instructed on one task, self-refined on another, beside what stays with one task."""
    crossed = [one for one in study.of_arm("both") if one.trained_on != (one.task or NOTHING)]
    if not crossed:
        return None
    pairs = {(c.student, c.teacher, c.task) for c in crossed}
    alone = [
        one
        for one in study.of_arm("instruct-only", "both")
        if one.usual and (one.student, one.teacher, one.task) in pairs
    ]
    rows = []
    for one in sorted([*crossed, *alone], key=lambda c: c.order):
        for prompt in PROMPTS:
            cells = (percent(study.estimate((1.0, (one, t, prompt)))) for t in study.tasks)
            rows.append((*who(one), prompt, *cells))
    headers = (*WHO, "prompt", *study.tasks)
    note = "Trained on A > B: instruction-tuned on A, self-refined on B."
    return Section("cross-task", "Cross-task", note, Table(headers, tuple(rows)))


def low_resource(study: Study) -> Section | None:
    """Fractions of the demonstrations, for each way of training."""
    fractions = sorted({one.fraction for one in study.of_arm(*TAUGHT)}, reverse=True)
    if len(fractions) < 2:
        return None
    rows = []
    for key in dict.fromkeys(
        (one.student, one.teacher, one.in_family, one.task) for one in study.of_arm(*TAUGHT)
    ):
        student, teacher, in_family, task = key
        for prompt in PROMPTS:
            for fraction in fractions:
                found = [
                    study.estimate(
                        (
                            1.0,
                            (
                                Condition(arm, student, teacher, in_family, task, None, fraction),
                                task or "",
                                prompt,
                            ),
                        )
                    )
                    for arm in TAUGHT
                ]
                if any(found):
                    names = (student or NOTHING, teacher or NOTHING, task or NOTHING, prompt)
                    rows.append((*names, f"{fraction} %", *map(percent, found)))
    headers = (
        "student",
        "teacher",
        "task",
        "prompt",
        "demonstrations",
        *(ARM_NAMES[a] for a in TAUGHT),
    )
    note = (
        "On the task trained on. Smaller fractions are parts of the larger ones, drawn once: all "
        "seeds learn from the same samples, so their spread is that of training alone."
    )
    return Section("low-resource", "Low-resource", note, Table(headers, tuple(rows)))


SECTIONS: tuple[Callable[[Study], Section | None], ...] = (
    accuracies,
    families,
    domains,
    cross_task,
    low_resource,
)


def sections(study: Study) -> Iterator[Section]:
    """The tables that this study can fill."""
    for make in SECTIONS:
        found = make(study)
        if found is not None:
            yield found
