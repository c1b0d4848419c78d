"""One row in a list of runs: small enough for ten thousand, and read without pydantic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.schema.accuracy import BEHIND, Accuracy
from engine.schema.evaluation import Evaluation
from engine.schema.kinds import PHASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from engine.schema.specs import Arm, FollowUp
    from engine.schema.varied import Varied
    from engine.store.phase_log import State

FIGURES = (  # of an accuracy, in the index; a later version may only append
    "task", "prompt", "method", "split", "accuracy", "low", "high", "correct", "total", *BEHIND,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunRow:
    """What a list of runs shows, and what the registry keeps: scalars and accuracies only.

    ``state`` and ``ladder`` are as of the last look; unless the run is finished they are checked
    again. ``ladder``: one state for each kind of phase, None where the run has none.
    ``seconds``: what its finished phases took, shared ones too; ``working_since``: when the
    running phase began. ``plain``, ``cot``: accuracy in 0..1 on ``scored_on``, the task it was
    trained on (without training, the first evaluated one). ``inputs``: for each phase, the phases
    that it needs. ``figures``: plain values from which :attr:`accuracies` are built on demand,
    since few of many runs need them. ``varied``: the settings that its experiment sweeps over,
    with its values. ``curated``: how many pairs a person has left
    out; such a run is no cell of its experiment's tables. ``written``: when the run file from
    which the row was made was written (in ns).
    """

    run_id: str
    created: datetime
    name: str
    experiment: str
    arm: Arm | FollowUp
    teacher: str | None
    student: str | None
    in_family: bool | None
    task: str | None
    refine_task: str | None
    fraction: int
    seed: int
    finished: datetime | None
    seconds: float | None
    tags: tuple[str, ...]
    note: str
    state: State
    ladder: tuple[State | None, ...]
    scored_on: str | None
    plain: float | None
    cot: float | None
    phase_ids: tuple[str, ...] = ()
    inputs: tuple[tuple[str, ...], ...] = ()
    figures: Sequence[Sequence[Any]] = field(default=(), hash=False)
    working_since: datetime | None = None
    rounds: int = 1
    curated: int = 0
    written: int = 0
    varied: Varied = ()

    @property
    def is_cell(self) -> bool:
        """Whether it is a cell of its experiment's tables. A judgement or a merged student is
        not: its ``arm`` is the kind of its phase."""
        return self.arm not in PHASES

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """Phase -> the phases that it needs, in the run's order."""
        return dict(zip(self.phase_ids, self.inputs, strict=True))

    @property
    def phases(self) -> tuple[tuple[str, str], ...]:
        return tuple((kind_of(phase_id), phase_id) for phase_id in self.phase_ids)

    @property
    def evaluation_ids(self) -> tuple[str, ...]:
        return tuple(phase_id for kind, phase_id in self.phases if kind == "evaluate")

    @property
    def accuracies(self) -> tuple[Accuracy, ...]:
        """The finished evaluations' results."""
        found = (dict(zip(FIGURES, values, strict=False)) for values in self.figures)
        return tuple(
            Accuracy.of(Evaluation(one["task"], one["prompt"], one["split"], one["method"]), one)
            for one in found
        )

    @property
    def trained_on(self) -> str:
        """The task, or ``A > B`` for cross-task runs; empty without training."""
        if self.refine_task in (None, self.task):
            return self.task or ""
        return f"{self.task} > {self.refine_task}"


def figures_of(accuracies: Iterable[Accuracy]) -> list[list[Any]]:
    """Accuracies as the index keeps them: their :data:`FIGURES`, shares to six decimals."""
    return [[_short(value) for value in one.figures().values()] for one in accuracies]


def _short(value: Any) -> Any:
    """Tuples as lists, floats rounded."""
    if isinstance(value, tuple):
        return list(map(_short, value))
    return round(value, 6) if isinstance(value, float) else value


def kind_of(phase_id: str) -> str:
    return phase_id.partition("-")[0]
