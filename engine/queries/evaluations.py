"""A run's finished evaluations, their accuracies, and which questions were answered right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.machine.state import phase_state
from engine.schema.errors import UserError, explain
from engine.schema.records import Prediction, Verdict
from engine.schema.specs import EvaluateSpec
from engine.scoring.statistics import adjusted, compared
from engine.store.jsonlines import read_records
from engine.store.layout import PREDICTIONS
from engine.store.run import read_run
from engine.store.scores import accuracies_in, scored, scored_again
from engine.store.sealing import verified
from engine.store.specification import own_spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from engine.schema.accuracy import Accuracy, Comparison
    from engine.schema.evaluation import Evaluation, Method
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import PhaseDir, RunsFolder


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
            return accuracies_in(self.spec.evaluation, scored(self.folder))
        except (OSError, UserError):
            return ()

    def right(self, method: Method) -> dict[str, bool]:
        """Return which questions were answered right, as they were scored last; ``UserError`` if
        the file has changed."""
        again = scored_again(self.folder)
        return {p.id: _counted(p, method).correct for p in predictions(self.folder, again)}


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


def predictions(folder: PhaseDir, again: Mapping[str, Verdict]) -> Iterator[Prediction]:
    """Read a finished evaluation's answers, with these verdicts in place of the published ones."""
    for one in read_records(verified(folder, PREDICTIONS), Prediction):
        yield one.model_copy(update={"verdict": again[one.id]}) if one.id in again else one


def _counted(prediction: Prediction, method: Method) -> Verdict:
    """The verdict that counts; ``commit`` reads the commitments."""
    committed = prediction.committed if method == "commit" else None
    return committed.verdict if committed else prediction.verdict
