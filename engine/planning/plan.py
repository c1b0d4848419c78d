"""A plan: an experiment's runs and the phases they share, done or to do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.schema.kinds import PHASES
from engine.schema.specs import EvaluateSpec, PhaseSpec

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.schema.evaluation import Evaluation
    from engine.schema.run_spec import RunSpec


@dataclass(frozen=True, slots=True)
class Plan:
    """An experiment's runs and phases. ``phases``: each once, inputs first. ``done``: ids of those
    already finished."""

    runs: tuple[RunSpec, ...]
    phases: tuple[PhaseSpec, ...]
    done: frozenset[str]

    @property
    def to_do(self) -> tuple[PhaseSpec, ...]:
        return tuple(p for p in self.phases if p.id not in self.done)

    @property
    def groups(self) -> dict[str, tuple[RunSpec, ...]]:
        """The runs by what they are, whatever their seed."""
        found: dict[str, tuple[RunSpec, ...]] = {}
        for run in self.runs:
            found[run.group] = (*found.get(run.group, ()), run)
        return found

    def finished(self, runs: Iterable[RunSpec]) -> bool:
        return all(phase.id in self.done for run in runs for phase in run.phases)

    @property
    def naive(self) -> int:
        """Number of phases without sharing."""
        return sum(counts[0] for counts in self.counts().values())

    @property
    def of_the_runs_alone(self) -> int:
        """Phases of each run by itself, without the evaluations it is compared with."""
        return sum(len(run.phases) for run in self.runs)

    def counts(self) -> dict[str, tuple[int, int, int]]:
        """Kind -> (without sharing, with sharing, still to do).

        Without sharing, each run is made by itself, and so are the evaluations that its table
        compares it with: of its teacher, its bare student and its instructed student.
        """
        naive = Counter(p.kind for run in self.runs for p in run.phases)
        naive["evaluate"] += _measured_for_comparison(self.runs)
        shared = Counter(p.kind for p in self.phases)
        left = Counter(p.kind for p in self.to_do)
        return {kind: (naive[kind], shared[kind], left[kind]) for kind in PHASES if naive[kind]}


def _measured_for_comparison(runs: Iterable[RunSpec]) -> int:
    """How many evaluations of other runs the runs' tables need beside their own."""
    asked = {_cell_of(run): _asked(run) for run in runs}
    total = 0
    for run in runs:
        needed: list[tuple[object, ...]] = []
        if run.teacher and run.student:
            needed.append(("teacher", run.teacher, None, None, 100, run.seed))
            needed.append(("baseline", None, run.student, None, 100, run.seed))
        if run.arm == "both":
            needed.append(("instruct-only", *_cell_of(run)[1:]))
        mine = _asked(run)
        total += sum(len(mine & asked.get(cell, frozenset())) for cell in needed)
    return total


def _cell_of(run: RunSpec) -> tuple[object, ...]:
    return run.arm, run.teacher, run.student, run.task, run.fraction, run.seed


def _asked(run: RunSpec) -> frozenset[Evaluation]:
    evaluations = (p for p in run.phases if isinstance(p, EvaluateSpec))
    return frozenset(one.evaluation for one in evaluations)
