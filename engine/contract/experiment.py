"""An experiment: a file of lists and settings that :mod:`engine.plan` expands to runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.contract.cards import Frozen, ModelCard, Precision, TaskSource
from engine.contract.settings import (
    AnnotateSettings,
    ElicitSettings,
    EvaluateSettings,
    GenerationSettings,
    InstructSettings,
    Positive,
    RefineSettings,
)
from engine.contract.spec import Arm


class Settings(Frozen):
    """The settings of all phases; what an experiment leaves out keeps its default."""

    annotate: AnnotateSettings = AnnotateSettings()
    instruct: InstructSettings = InstructSettings()
    elicit: ElicitSettings = ElicitSettings()
    refine: RefineSettings = RefineSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    generation: GenerationSettings = GenerationSettings()


Names = Annotated[tuple[str, ...], Field(min_length=1)]


class Experiment(Frozen):
    """A spec file: lists that expand to runs.

    ``family``: which pairs of a teacher and a student are taught: all, those of one family, or
    those of two. ``tasks``: what students are instructed on. ``refine_tasks``: what they
    self-refine on; the instruct task itself when empty, else every combination (cross-task).
    ``evaluate_on``: the tasks of the tables; the instruct tasks when empty. ``rounds``: how often
    students elicit and refine, each time from where the round before ended; one run for each
    number, which share what they begin with. ``cards`` and ``sources`` define models and
    benchmark sources in place. ``seeds`` vary training and sampling; ``data_seed`` fixes which
    questions are drawn, so that a teacher's demonstrations serve every seed. ``report_to``:
    trackers that the trainings report to, under the experiment's name.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str = ""
    provenance: str = ""
    teachers: tuple[str, ...] = ()
    students: Names
    family: Literal["all", "in", "out"] = "all"
    tasks: Names
    refine_tasks: tuple[str, ...] = ()
    evaluate_on: tuple[str, ...] = ()
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)] = (
        "baseline",
        "teacher",
        "instruct-only",
        "both",
    )
    fractions: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(min_length=1)] = (
        100,
    )
    rounds: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1,)
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    data_seed: int = 0
    precision: Precision | None = Field(
        default=None, description="overrides the precision of every student's card"
    )
    settings: Settings = Settings()
    report_to: tuple[str, ...] = ()
    cards: tuple[ModelCard, ...] = ()
    sources: dict[str, TaskSource] = Field(default_factory=dict)
