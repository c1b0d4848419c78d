"""Measure answers without a judge: reasoning steps, length, repetition, true arithmetic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.quality.measures import Quality, Said, quality
from engine.schema.errors import UserError
from engine.schema.evaluation import Evaluation
from engine.schema.records import ElicitedAnswers, Prediction
from engine.schema.specs import AnnotateSpec, ElicitSpec, EvaluateSpec
from engine.store.jsonlines import read_records
from engine.store.layout import ANSWERS, PREDICTIONS
from engine.store.run import read_run
from engine.store.sealing import verified

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.schema.records import Answer
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import PhaseDir, RunsFolder
    from engine.store.run import RunFile

Answers = tuple[Evaluation, list[Said]]
Figures = tuple[Evaluation, Quality]


@dataclass(frozen=True, slots=True)
class Measured:
    """The quality figures of one phase's answers to one prompt style."""

    run_id: str
    run: str
    phase: str
    kind: str
    task: str
    prompt: str
    split: str
    quality: Quality


def measure(
    runs: RunsFolder,
    run_ids: Sequence[str],
    watch: Callable[[str, int, int], None] = lambda *_: None,
    pass_over: Callable[[str], None] | None = None,
) -> list[Measured]:
    """Measure every finished elicit and evaluate phase, once for each run that has it.

    ``watch`` is told how many of the runs have been read.
    ``UserError`` for a run that has none, and for answers that are damaged unless ``pass_over``
    takes the line and they are left out.
    """
    known: dict[str, list[Figures]] = {}
    found = []
    for done, run_id in enumerate(run_ids):
        watch("quality of the answers, runs", done, len(run_ids))
        found += _of_run(runs, run_id, known, pass_over)
    return found


def _of_run(
    runs: RunsFolder,
    run_id: str,
    known: dict[str, list[Figures]],
    pass_over: Callable[[str], None] | None,
) -> list[Measured]:
    file = read_run(runs, run_id)
    found: list[Measured] = []
    damaged = False
    for spec in file.spec.phases:
        folder = runs.phase(spec.id)
        if spec.kind not in ("elicit", "evaluate") or not folder.done:
            continue
        if spec.id not in known:
            try:
                answers = list(_answers(file, spec, folder))
            except UserError as error:
                if pass_over is None:
                    raise
                pass_over(str(error))
                damaged = True
                continue
            known[spec.id] = [(asked, quality(said)) for asked, said in answers]
        found += [
            Measured(run_id, file.name, spec.id, spec.kind, on.task, on.prompt, on.split, figures)
            for on, figures in known[spec.id]
        ]
    if not found and not damaged:
        raise UserError(f"{run_id}: no phase that makes answers is done; see: sirt status {run_id}")
    return found


def _answers(file: RunFile, spec: PhaseSpec, folder: PhaseDir) -> Iterator[Answers]:
    if isinstance(spec, EvaluateSpec) and spec.method == "match":
        rows = read_records(verified(folder, PREDICTIONS), Prediction)
        said = [Said(p.output, p.choices, p.tokens, p.finish) for p in rows]
        yield spec.evaluation, said
    elif isinstance(spec, ElicitSpec):
        task = _task_of(file, spec.demonstrations)
        both = list(read_records(verified(folder, ANSWERS), ElicitedAnswers))
        yield Evaluation(task, "plain", "train"), [_said(row, row.plain) for row in both]
        yield Evaluation(task, "cot", "train"), [_said(row, row.cot) for row in both]


def _said(row: ElicitedAnswers, answer: Answer) -> Said:
    return Said(answer.text, row.choices, answer.tokens, answer.finish)


def _task_of(file: RunFile, annotate_id: str) -> str:
    """Return the task of a phase's questions, which is that of its demonstrations."""
    for phase in file.spec.phases:
        if isinstance(phase, AnnotateSpec) and phase.id == annotate_id:
            return phase.task.name
    return ""
