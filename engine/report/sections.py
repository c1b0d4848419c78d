"""The paper's tables, one function each, without rows if a study can't fill them. Accuracies are in
per cent with 95 % intervals, differences and gaps in points."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import TYPE_CHECKING

from engine.queries.study import (
    PROMPTS,
    TAUGHT,
    Condition,
    Study,
    is_question_answering,
)
from engine.schema.accuracy import NOTHING
from engine.schema.kinds import resolve
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.queries.study import Measurement, Prompt
    from engine.tables.table import Cell

WHO = ("method", "student", "teacher", "family", "trained on")
# what the paper states of the gap that instruction-tuning leaves, in points:
# (question answering, in-family) -> teacher minus instructed, averaged over its tasks and students
PAPER_GAPS = {(True, True): 6.3, (False, True): 8.2, (True, False): 8.5, (False, False): 8.7}
HOW_TO_READ = (
    "Per cent right by string match, with the 95 % interval: of one seed Wilson's over the "
    "questions; of several the mean ± standard deviation, of three or more Student's t interval "
    "over the seeds, and their number. That one is about other seeds on the same questions, not "
    "about other questions."
)


def who(condition: Condition) -> tuple[str, ...]:
    """Return a condition's cells under the headers :data:`WHO`."""
    families = {True: "in", False: "out", None: NOTHING}
    return (
        condition.method,
        condition.student or NOTHING,
        condition.teacher or NOTHING,
        families[condition.in_family],
        condition.trained_on,
    )


def accuracies(study: Study) -> Table | None:
    """List all accuracies: a row per condition, a column per task and prompt style."""
    columns = [(task, prompt) for task in study.tasks for prompt in PROMPTS]
    columns = [c for c in columns if any(cell[1:] == c for cell in study.accuracies)]
    rows = [
        (*who(one), *(study.reached(one, *column) for column in columns))
        for one in study.conditions
    ]
    if not columns:
        return None
    headers = (*WHO, *(f"{task} {prompt}" for task, prompt in columns))
    return Table(headers, tuple(rows), "accuracies", "Accuracies", HOW_TO_READ)


def families(study: Study) -> Table:
    """Compare in-family and out-family teachers: the gap to them that each step leaves."""
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
                if any((one, one.task, prompt) in study.accuracies for one in taught):
                    rows.append(_family_row(study, taught, qa, in_family, prompt))
    headers = (
        "tasks", "family", "prompt", "teacher", "baseline", "instruct-only", "both",
        "gap of instruct-only", "paper", "gap of both",
    )  # fmt: skip
    note = (
        "On the task each student was trained on, averaged over tasks, students and teachers. Gap: "
        "teacher minus student, in points; of one seed on the same questions. The paper states "
        "the gap that instruction-tuning leaves and that self-refine closes it; it gives no other "
        "figure that is known here."
    )
    if study.toy:
        note += " Its figures are of benchmarks and large models, not of these toys."
    return Table(headers, tuple(rows), "families", "In-family and out-family", note)


def _family_row(
    study: Study, taught: Sequence[Condition], qa: bool, in_family: bool, prompt: Prompt
) -> tuple[Cell, ...]:
    def on_own_tasks(of: Callable[[Condition], Condition | None]) -> list[Measurement | None]:
        found = ((of(one), one.task or "") for one in taught)
        return [(one, task, prompt) if one else None for one, task in found]

    teachers, baselines = on_own_tasks(study.teacher_of), on_own_tasks(study.baseline_of)
    instructed = on_own_tasks(lambda one: one)
    refined = on_own_tasks(lambda one: replace(one, arm="both"))
    return (
        "question answering" if qa else "mathematics",
        "in" if in_family else "out",
        prompt,
        *(study.mean(cells) for cells in (teachers, baselines, instructed, refined)),
        study.gap(teachers, instructed),
        f"{PAPER_GAPS[qa, in_family]:+.1f}",
        study.gap(teachers, refined),
    )


def domains(study: Study) -> Table:
    """Compare accuracy on the task trained on (in-domain) with the mean of all others."""
    taught = [one for one in study.of_arm("baseline", *TAUGHT) if one.usual]
    trained = list(dict.fromkeys(one.task for one in taught if one.task))
    rows = []
    for task in trained:
        others = [other for other in study.tasks if other != task]
        shown = [one for one in taught if one.task in (task, None)]
        for one in shown if others else ():
            for prompt in PROMPTS:
                within = study.reached(one, task, prompt)
                beyond = study.mean([(one, other, prompt) for other in others])
                rows.append((task, *who(one)[:4], prompt, within, beyond))
    headers = ("trained on", *WHO[:4], "prompt", "in-domain", "out-domain (mean)")
    note = "In-domain is the task of the first column; out-domain the mean of all other tasks."
    return Table(headers, tuple(rows), "domains", "In-domain and out-domain", note)


def cross_task(study: Study) -> Table | None:
    """Compare students refined on another task than instructed on with one-task students."""
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
            cells = (study.reached(one, t, prompt) for t in study.tasks)
            rows.append((*who(one), prompt, *cells))
    headers = (*WHO, "prompt", *study.tasks)
    note = "Trained on A > B: instruction-tuned on A, self-refined on B."
    return Table(headers, tuple(rows), "cross-task", "Cross-task", note)


def low_resource(study: Study) -> Table | None:
    """List accuracy by the fraction of demonstrations used, for each way of training."""
    fractions = sorted({one.fraction for one in study.of_arm(*TAUGHT)}, reverse=True)
    if len(fractions) < 2:
        return None
    rows = []
    own = dict.fromkeys((*one.pair, one.task) for one in study.of_arm(*TAUGHT))
    for (student, teacher, in_family, task), prompt, fraction in product(own, PROMPTS, fractions):
        trained = (student, teacher, in_family, task, None, fraction)
        taught = (Condition(arm, *trained) for arm in TAUGHT)
        found = [study.reached(one, task or "", prompt) for one in taught]
        if any(found):
            names = (student or NOTHING, teacher or NOTHING, task or NOTHING, prompt)
            rows.append((*names, f"{fraction} %", *found))
    headers = ("student", "teacher", "task", "prompt", "demonstrations", *TAUGHT)
    note = (
        "On the task trained on. Smaller fractions are parts of the larger ones, drawn once: all "
        "seeds learn from the same samples, so their spread is that of training alone."
    )
    return Table(headers, tuple(rows), "low-resource", "Low-resource", note)


SECTIONS = (  # functions of a study; a table without rows, or None, is left out
    "engine.report.sections:accuracies",
    "engine.report.sections:families",
    "engine.report.sections:domains",
    "engine.report.sections:cross_task",
    "engine.report.sections:low_resource",
    "engine.report.sweep:by_setting",
)


def sections(study: Study) -> Iterator[Table]:
    """Yield the tables that this study can fill."""
    for where in SECTIONS:
        found = resolve(where)(study)
        if found is not None and found.rows:
            yield found
