"""A run's finished evaluations, their accuracies, and which questions were answered right."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.machine.state import phase_state
from engine.schema.accuracy import BEHIND, Accuracy
from engine.schema.errors import UserError, explain
from engine.schema.jsonfile import parse, read_sealed
from engine.schema.records import Prediction
from engine.schema.specs import EvaluateSpec
from engine.scoring.statistics import adjusted, compared
from engine.store.jsonlines import read_records
from engine.store.layout import PREDICTIONS, SCORE
from engine.store.run import read_run
from engine.store.sealing import verified, verified_bytes
from engine.store.specification import own_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from pathlib import Path

    from engine.schema.accuracy import Comparison
    from engine.schema.evaluation import Evaluation, Method
    from engine.schema.records import Verdict
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import PhaseDir, RunsFolder

RESCORE = "score the run again (sirt score RUN --write), or move the file away"
NEEDED = frozenset({"accuracy", "low", "high", "correct", "total", "unparsed"})
COUNTS = frozenset({"correct", "total", "mean_tokens"})  # the others are shares


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A finished evaluate phase."""

    spec: EvaluateSpec
    folder: PhaseDir

    @property
    def evaluations(self) -> tuple[Evaluation, ...]:
        """What the phase measured: the answers as read, and as committed if it asks for that."""
        read = self.spec.evaluation
        return (read, read.committed) if self.spec.commit else (read,)

    @property
    def accuracies(self) -> tuple[Accuracy, ...]:
        """One for each of :attr:`evaluations`; empty when the score's file is damaged, so that
        other phases are still shown (``sirt doctor`` names the file)."""
        try:
            found = scored(self.folder)
        except (OSError, UserError):
            return ()
        read, committed = self.spec.evaluation, found.get("committed")
        accuracy = Accuracy.of(read, found)
        if committed is None:
            return (accuracy,)
        return accuracy, Accuracy.of(read.committed, found | {"tiers": {}} | committed)

    def right(self, method: Method) -> dict[str, bool]:
        """Return which questions were answered right; ``UserError`` if the file has changed."""
        return right_answers(verified(self.folder, PREDICTIONS), method)


def evaluations_of(runs: RunsFolder, phases: Iterable[PhaseSpec]) -> list[Evaluated]:
    """List the finished evaluations among a run's phases, in their order."""
    specs = (phase for phase in phases if isinstance(phase, EvaluateSpec))
    found = (Evaluated(spec, runs.phase(spec.id)) for spec in specs)
    return [one for one in found if one.folder.done]


def evaluations(runs: RunsFolder, run_id: str) -> list[Evaluated]:
    """A run's finished evaluations, in order; ``UserError`` when it has none."""
    phases = read_run(runs, run_id).spec.phases
    if done := evaluations_of(runs, phases):
        return done
    if any(phase.kind == "evaluate" for phase in phases):
        raise UserError(f"{run_id}: its evaluate phase is not done; see: sirt status {run_id}")
    raise UserError(f"{run_id}: has no evaluate phase")


def finished(runs: RunsFolder, run_id: str) -> dict[Evaluation, Evaluated]:
    """Return the finished phase behind each evaluation of a run."""
    return by_evaluation(evaluations_of(runs, read_run(runs, run_id).spec.phases))


def by_evaluation(found: Iterable[Evaluated]) -> dict[Evaluation, Evaluated]:
    """Index phases by evaluation; a phase that asked for commitments measured two."""
    return {evaluation: one for one in found for evaluation in one.evaluations}


def accuracies_of(found: Iterable[Evaluated]) -> tuple[Accuracy, ...]:
    return tuple(accuracy for one in found for accuracy in one.accuracies)


# --- the score's file ---


def scored(folder: PhaseDir) -> dict[str, Any]:
    """Read a finished evaluation's figures; ``UserError`` or ``OSError`` if that fails."""
    if folder.rescored.exists():
        return _score(folder.rescored, read_sealed(folder.rescored, RESCORE))
    return published_score(folder)


def published_score(folder: PhaseDir) -> dict[str, Any]:
    """Read the figures that the phase itself published, even if it was scored again since."""
    return _score(folder.score, parse(verified_bytes(folder, SCORE), folder.score))


def _score(file: Path, found: Any, needed: frozenset[str] = NEEDED) -> dict[str, Any]:
    """Check and return the content of a score's file. Its ``committed`` part has no total of its
    own, since the questions are the same."""
    if not isinstance(found, dict) or not found.keys() >= needed:
        raise UserError(f"{file}: not a score")
    if not isinstance(found.get("tiers", {}), dict):
        raise UserError(f"{file}: tiers: not counts")
    if found.get("committed") is not None:
        _score(file, found["committed"], NEEDED - {"total"})
    for name in (found.keys() & NEEDED.union(BEHIND)) - {"tiers"}:
        value, most = found[name], math.inf if name in COUNTS else 1.0
        if not (value is None and name == "legacy") and not _is_figure(value, most):
            raise UserError(f"{file}: {name}: not a figure that a score can have")
    return found


def _is_figure(value: object, most: float) -> bool:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and 0 <= value <= most and value != math.inf  # type: ignore[operator]


def why_unscored(folder: PhaseDir) -> str:
    """Say why a finished evaluation's figures can't be shown, or why an unfinished one has none;
    empty when nothing is wrong."""
    if not folder.done:
        return why_absent(folder)
    try:
        own_spec(folder)
        scored(folder)
    except UserError as error:
        return str(error)
    except OSError as error:
        return explain(error)
    return ""


def why_absent(folder: PhaseDir) -> str:
    """Say why an unfinished phase has nothing to show, if its folder, manifest or process is gone;
    empty otherwise."""
    if not folder.path.is_dir():
        return f"{folder.path}: not there; make it again with sirt retry"
    found = phase_state(folder)
    return f"{folder.id}: {found.error}" if found.state == "lost" else ""


# --- question by question ---


def paired(
    evaluation: Evaluation,
    a: Mapping[Evaluation, Evaluated],
    b: Mapping[Evaluation, Evaluated],
    right: Callable[[Evaluated, Method], dict[str, bool]] = Evaluated.right,
) -> Comparison | None:
    """Compare two runs on the same questions; ``None`` when they share none, or when the task's
    prompt has changed between them. ``right``: reads which were answered right."""
    if not alike(evaluation, a, b):
        return None
    return compared(evaluation, *(right(one[evaluation], evaluation.method) for one in (a, b)))


def alike(
    evaluation: Evaluation,
    a: Mapping[Evaluation, Evaluated],
    b: Mapping[Evaluation, Evaluated],
) -> bool:
    """Whether both runs were asked this in the same words."""
    asked = [one[evaluation].spec.task.prompt_version for one in (a, b) if evaluation in one]
    return len(asked) == 2 and asked[0] == asked[1]


def compare(runs: RunsFolder, a: str, b: str) -> list[Comparison]:
    """Compare both runs' accuracies on the tasks and prompts they share, paired by question; p
    values are adjusted over all of them."""
    mine, theirs = finished(runs, a), finished(runs, b)
    found = (paired(one, mine, theirs) for one in mine)
    shared = [comparison for comparison in found if comparison is not None]
    if not shared:
        raise UserError(
            f"{a} and {b} share no finished evaluation with the same prompt; there is nothing to "
            "compare"
        )
    return adjusted(shared)


def right_answers(file: Path, method: Method = "match") -> dict[str, bool]:
    """Read for each question whether its answer was right; ``commit`` reads the commitments."""
    return {p.id: _counted(p, method).correct for p in read_records(file, Prediction)}


def _counted(prediction: Prediction, method: Method) -> Verdict:
    committed = prediction.committed if method == "commit" else None
    return committed.verdict if committed else prediction.verdict
