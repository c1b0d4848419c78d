"""An experiment: a file of lists and settings that :mod:`engine.planning.graph` expands to runs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from engine.schema.cards import (
    Frozen,
    ModelCard,
    Precision,
    TaskSource,
)
from engine.schema.notify import Notify
from engine.schema.run_spec import Arm
from engine.schema.settings import (
    AnnotateSettings,
    ElicitSettings,
    EvaluateSettings,
    GenerationSettings,
    InstructSettings,
    Positive,
    RefineSettings,
)


class Settings(Frozen):
    """The settings of all phases; those not given keep their defaults."""

    annotate: AnnotateSettings = AnnotateSettings()
    instruct: InstructSettings = InstructSettings()
    elicit: ElicitSettings = ElicitSettings()
    refine: RefineSettings = RefineSettings()
    evaluate: EvaluateSettings = EvaluateSettings()
    generation: GenerationSettings = GenerationSettings()


Names = Annotated[tuple[str, ...], Field(min_length=1)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]


class Experiment(Frozen):
    """A spec file: lists that expand to runs.

    Every meaningful combination of the lists becomes a run; screens show each field's
    description.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)] = Field(
        description="letters, digits, '.', '_' and '-'; its runs and its report have this name"
    )
    description: str = Field(default="", description="what it is for")
    provenance: str = Field(
        default="", description="what in it is the paper's, what was inferred, what is yours"
    )
    teachers: tuple[str, ...] = Field(
        default=(), description="models whose answers are learnt from"
    )
    students: Names = Field(description="models that learn: cards with local weights")
    family: Literal["all", "in", "out"] = Field(
        default="all",
        description="pairs of teacher and student that are taught: all, those of one family, or "
        "those of two",
    )
    tasks: Names = Field(description="tasks that students are instructed on")
    refine_tasks: tuple[str, ...] = Field(
        default=(),
        description="tasks that students self-refine on; the instruct task itself when empty, "
        "else every combination (cross-task)",
    )
    evaluate_on: tuple[str, ...] = Field(
        default=(), description="tasks of the tables; the instruct tasks when empty"
    )
    arms: Annotated[tuple[Arm, ...], Field(min_length=1)] = Field(
        default=("baseline", "teacher", "instruct-only", "both"),
        description="what is done to a student before it is measured; baseline: nothing; "
        "teacher: the teacher itself is measured",
    )
    fractions: Annotated[tuple[Annotated[int, Field(ge=1, le=100)], ...], Field(min_length=1)] = (
        Field(default=(100,), description="per cent of the demonstrations that are learnt from")
    )
    rounds: Annotated[tuple[Positive, ...], Field(min_length=1)] = Field(
        default=(1,),
        description="how often students elicit and refine, each time from where the round before "
        "ended; one run for each number, which share what they begin with",
        json_schema_extra={"usual": [1, 5, "each takes as long as the first and gains less"]},
    )
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = Field(
        default=(0,), description="they vary training and sampling; one run for each"
    )
    data_seed: Seed = Field(
        default=0,
        description="seed by which questions are drawn, so that a teacher's demonstrations serve "
        "every seed",
    )
    precision: Precision | None = Field(
        default=None, description="overrides the precision of every student's card"
    )
    max_new_tokens: Positive | None = Field(
        default=None,
        description="overrides the tokens that every card's answers may have; answers that are "
        "cut off are counted",
    )
    settings: Settings = Settings()
    report_to: tuple[str, ...] = Field(
        default=(),
        description="trackers that the trainings report to, under the experiment's name",
    )
    reuse: tuple[str, ...] = Field(
        default=(),
        description="colleagues' runs folders: finished phases there are taken, not made again",
    )
    notify: Notify | None = Field(
        default=None, description="who is told when a run is done, has failed or is stuck, and how"
    )
    cards: tuple[ModelCard, ...] = Field(default=(), description="models that are defined in place")
    sources: dict[str, TaskSource] = Field(
        default_factory=dict, description="benchmarks whose rows are elsewhere than usual, by task"
    )
