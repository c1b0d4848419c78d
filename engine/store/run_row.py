"""One row in a list of runs: small enough for ten thousand, and read without pydantic."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from sys import intern
from typing import TYPE_CHECKING, Any

from engine.schema.accuracy import BEHIND, Accuracy
from engine.schema.evaluation import Evaluation
from engine.schema.kinds import PHASES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from engine.schema.phase import PhaseSpec
    from engine.schema.run_spec import Arm, FollowUp
    from engine.schema.varied import Varied
    from engine.store.phase_log import State
    from engine.store.spending import Paid

SET = ("settings", "limit", "commit")  # fields of a phase's specification that are settings
Value = str | float | bool | None
Inputs = tuple[tuple[int | str, ...], ...]
Group = Mapping[str, Value]  # the settings of one kind of phase; shared by all rows that have them
FIGURES = (  # of an accuracy, in the index; a later version may only append
    "task", "prompt", "method", "split", "accuracy", "low", "high", "correct", "total", *BEHIND,
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunRow:
    """What a list of runs shows, and what the registry keeps: scalars and accuracies only.

    ``state`` and ``ladder`` are as of the last look; unless the run is finished they are checked
    again. ``ladder``: one state for each kind of phase, None where the run has none.
    ``seconds``: what its finished phases took, shared ones too; ``at_work``: when each running one
    began, or went on. ``plain``, ``cot``: accuracy in 0..1 on ``scored_on``, the task trained on
    (without training, the first evaluated one). ``inputs``: for each phase, the phases that it
    needs, by their places. ``figures``: JSON from which :attr:`accuracies` are built on
    demand, since few of many runs need them, and as lists they took a third of the program's
    memory. ``varied``: the settings that its experiment sweeps over, with its values.
    ``paid``: what its phases, shared ones too, pay their endpoints, by currency. ``curated``: how
    many pairs a person has left out; such a run is no cell of its experiment's tables.
    ``written``: when the run file from which the row was made was written (in ns). ``settings``:
    those of each kind of phase, as ``{"instruct.epochs": 4.0}``; None in a row of an earlier
    version's index. ``left_out``: a person wants it in no table and no report. ``share``: how much
    of an unfinished run is done, in per cent; ``ends``: when it is expected to end, if that can be
    estimated; ``waits``: why a queued one has not started. None of these is kept.
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
    inputs: Inputs = ()
    figures: str = ""
    at_work: tuple[datetime, ...] = ()
    rounds: int = 1
    curated: int = 0
    written: int = 0
    varied: Varied = ()
    paid: tuple[Paid, ...] = ()
    settings: tuple[Group, ...] | None = field(default=None, hash=False)
    left_out: bool = False
    share: int | None = None
    ends: datetime | None = None
    waits: str = ""

    def setting(self, name: str) -> Value:
        """A setting's value by its full name, such as ``instruct.learning_rate``; None if the run
        has no such phase, or the value is none."""
        return next((group[name] for group in self.settings or () if name in group), None)

    @property
    def measured(self) -> dict[str, tuple[float, int]]:
        """By prompt style ``plain`` or ``cot``: the accuracy on :attr:`scored_on`, and of how many
        questions; on the test split, or if not measured, on train."""
        return _measured(self.figures, self.scored_on)

    @property
    def is_cell(self) -> bool:
        """Whether it is a cell of its experiment's tables. A judgement or a merged student is
        not: its ``arm`` is the kind of its phase."""
        return self.arm not in PHASES

    @property
    def needs(self) -> dict[str, tuple[str, ...]]:
        """Phase -> the phases that it needs, in the run's order."""
        ids = self.phase_ids
        found = (tuple(i if isinstance(i, str) else ids[i] for i in of) for of in self.inputs)
        return dict(zip(ids, found, strict=True))

    @property
    def phases(self) -> tuple[tuple[str, str], ...]:
        return tuple((kind_of(phase_id), phase_id) for phase_id in self.phase_ids)

    @property
    def evaluation_ids(self) -> tuple[str, ...]:
        return tuple(phase_id for kind, phase_id in self.phases if kind == "evaluate")

    @property
    def accuracies(self) -> tuple[Accuracy, ...]:
        """The finished evaluations' results."""
        found = (dict(zip(FIGURES, values, strict=False)) for values in self._figures())
        return tuple(
            Accuracy.of(Evaluation(one["task"], one["prompt"], one["split"], one["method"]), one)
            for one in found
        )

    def _figures(self) -> Sequence[Sequence[Any]]:
        return _read(self.figures)

    @property
    def trained_on(self) -> str:
        """The task, or ``A > B`` for cross-task runs; empty without training."""
        if self.refine_task in (None, self.task):
            return self.task or ""
        return f"{self.task} > {self.refine_task}"


def inputs_of(needs: Mapping[str, Sequence[int | str]]) -> Inputs:
    """Each phase's inputs by their places among the phases: the same object for all runs that are
    alike in that."""
    places: dict[int | str, int] = {phase: place for place, phase in enumerate(needs)}
    return _same(tuple(tuple(places.get(i, i) for i in of) for of in needs.values()))


@lru_cache(maxsize=10_000)
def _same(inputs: Inputs) -> Inputs:
    return inputs


def settings_of(phases: Iterable[PhaseSpec]) -> tuple[Group, ...]:
    """The settings of these phases, a group for each kind that has any; equal groups are the same
    object. Where a run has several phases of a kind, as in rounds, the first one's."""
    found: dict[str, Group] = {}
    for phase in phases:
        if phase.kind not in found:
            own = {name: value for name, value in phase if name in SET}
            values = dict(_flat(phase.kind, _plain(own.pop("settings", None)) | own))
            found[phase.kind] = shared(text_of(values))
    return tuple(group for group in found.values() if group)


@lru_cache(maxsize=10_000)
def shared(text: str) -> Group:
    """A group from its text."""
    group: dict[str, Value] = json.loads(text)
    return {intern(name): value for name, value in group.items()}


def text_of(group: Group) -> str:
    """A group as JSON; equal groups have equal texts."""
    return json.dumps(group, sort_keys=True)


def _plain(settings: Any) -> dict[str, Any]:
    """Settings without the ids of pairs that a person left out: ``curated`` counts them."""
    return settings.model_dump(mode="json", exclude={"exclude"}) if settings else {}


def _flat(name: str, value: Any) -> Iterator[tuple[str, Value]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, " ".join(map(str, value)) if isinstance(value, list) else value


def figures_of(accuracies: Iterable[Accuracy]) -> str:
    """Accuracies as the index keeps them: their :data:`FIGURES` as JSON, shares to six decimals."""
    return figures_text([_short(value) for value in one.figures().values()] for one in accuracies)


def figures_text(figures: Iterable[Sequence[Any]]) -> str:
    return json.dumps(list(figures), separators=(",", ":"))


def _short(value: Any) -> Any:
    """Tuples as lists, floats rounded."""
    if isinstance(value, tuple):
        return list(map(_short, value))
    return round(value, 6) if isinstance(value, float) else value


def _read(figures: str) -> Sequence[Sequence[Any]]:
    """Read accuracies as the index keeps them."""
    return json.loads(figures) if figures else ()


@lru_cache(maxsize=512)  # the rows on a screen, which are painted again and again
def _measured(figures: str, scored_on: str | None) -> dict[str, tuple[float, int]]:
    found: dict[str, tuple[float, int]] = {}
    for split in ("train", "test"):
        for task, prompt, method, on, value, _, _, _, total, *_ in _read(figures):
            if (task, method, on) == (scored_on, "match", split):
                found["plain" if prompt == "plain" else "cot"] = value, total
    return found


def kind_of(phase_id: str) -> str:
    return phase_id.partition("-")[0]
