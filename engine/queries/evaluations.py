"""A run's finished evaluations, and what was right in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.queries.results import Comparison, compare_right, right_answers
from engine.scheduling.queue import read_run
from engine.schema.evaluation import Evaluation
from engine.schema.specs import EvaluateSpec
from engine.store.layout import PREDICTIONS
from engine.store.sealing import verified

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.store.layout import PhaseDir, RunsFolder


def finished(runs: RunsFolder, run_id: str) -> dict[Evaluation, PhaseDir]:
    """What was measured -> its phase; one that asked for commitments has two accuracies."""
    found: dict[Evaluation, PhaseDir] = {}
    for spec in read_run(runs, run_id).spec.phases:
        folder = runs.phase(spec.id)
        if isinstance(spec, EvaluateSpec) and folder.done:
            found |= dict.fromkeys(measured_by(spec), folder)
    return found


def measured_by(spec: EvaluateSpec) -> tuple[Evaluation, ...]:
    """The accuracies that an evaluation gives: as read, and as committed where it asks for that."""
    read = Evaluation.of(spec)
    return (read, read.committed) if spec.commit else (read,)


def paired(
    evaluation: Evaluation,
    a: Mapping[Evaluation, PhaseDir],
    b: Mapping[Evaluation, PhaseDir],
) -> Comparison | None:
    """Two runs on the same questions; ``None`` when they share none, or were asked otherwise (a
    task's prompt has changed between them)."""
    if evaluation not in a or evaluation not in b:
        return None
    if len({_prompt_version(found[evaluation]) for found in (a, b)}) > 1:
        return None
    right_a, right_b = (
        right_answers(verified(found[evaluation], PREDICTIONS), evaluation.method)
        for found in (a, b)
    )
    return compare_right(evaluation, right_a, right_b)


def _prompt_version(folder: PhaseDir) -> int:
    spec = folder.spec()
    assert isinstance(spec, EvaluateSpec)
    return spec.task.prompt_version
