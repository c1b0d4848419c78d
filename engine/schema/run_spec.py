"""Specification of a run: a cell of an experiment, as a path through phases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, JsonValue

from engine.schema.cards import Frozen
from engine.schema.kinds import METHOD, PHASES
from engine.schema.phase import PhaseSpec, digest
from engine.schema.varied import short_texts

if TYPE_CHECKING:
    FollowUp = Literal["judge", "merge"]  # made of runs that are done: no cells of an experiment
else:
    FollowUp = Literal[tuple(kind for kind in PHASES if kind not in METHOD)]

Arm = Literal["baseline", "teacher", "instruct-only", "refine-only", "both"]
PhaseId = Annotated[str, Field(pattern=r"^[a-z_]+-[0-9a-f]{16}$")]


class RunCell(Frozen):
    """Which cell of an experiment a run is, and the ids of its phases (in files of 0.1, where it is
    alone, each phase as a whole).

    ``phases`` are in an order in which each comes after its inputs. ``curated``: ids of the pairs
    that a person has left out besides those that the experiment leaves out. ``varied``: the
    settings that the experiment sweeps over and that this run depends on, with its values
    (:mod:`engine.schema.varied`).
    """

    experiment: str
    arm: Arm | FollowUp
    teacher: str | None
    student: str | None
    teacher_family: str | None = None
    student_family: str | None = None
    task: str | None
    refine_task: str | None = None
    fraction: int = 100
    rounds: int = 1
    seed: int = 0
    phases: tuple[PhaseId | PhaseSpec, ...]
    curated: tuple[str, ...] = ()
    varied: dict[str, JsonValue] = Field(default_factory=dict)

    @property
    def phase_ids(self) -> tuple[str, ...]:
        return tuple(one if isinstance(one, str) else one.id for one in self.phases)

    @property
    def in_family(self) -> bool | None:
        """Whether teacher and student share a family; None without."""
        if self.teacher_family is None or self.student_family is None:
            return None
        return self.teacher_family == self.student_family

    @property
    def fingerprint(self) -> str:
        varied = [self.varied] if self.varied else []
        return digest([self.arm, sorted(self.phase_ids), *varied])

    @property
    def title(self) -> str:
        """A few words on the cell."""
        return f"{self.group} s{self.seed}"

    @property
    def group(self) -> str:
        """The title without the seed: runs that share it differ in that alone."""
        task = self.task or ""
        if self.refine_task and self.refine_task != self.task:
            task = f"{task}>{self.refine_task}"
        parts = [self.arm, self.student, self.teacher and f"<{self.teacher}", task]
        if self.fraction != 100:
            parts.append(f"{self.fraction}%")
        if self.rounds != 1:
            parts.append(f"{self.rounds} rounds")
        if self.curated:
            parts.append(f"{len(self.curated)} left out")
        parts += short_texts(self.varied)
        return " ".join(part for part in parts if part)


class RunSpec(RunCell):
    """A run with all its phases resolved."""

    phases: tuple[PhaseSpec, ...]
