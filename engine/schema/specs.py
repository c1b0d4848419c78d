"""Specifications of the method's phases.

Each kind of phase is described by its class. A new kind's class may be defined beside its recipe
and must be listed in :data:`engine.schema.kinds.PHASES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from engine.schema.cards import ModelCard
from engine.schema.evaluation import Evaluation
from engine.schema.identity import identity_of
from engine.schema.phase import PhaseSpec, TaskRef, Tracking, identity_of_model
from engine.schema.settings import (
    AnnotateSettings,
    ElicitSettings,
    InstructSettings,
    Positive,
    PromptStyle,
    RefineSettings,
    Split,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "AnnotateSpec", "ElicitSpec", "EvaluateSpec", "InstructSpec", "PhaseSpec", "RefineSpec",
    "TaskRef", "Tracking",
]  # fmt: skip


def _given(*inputs: str | None) -> tuple[str, ...]:
    return tuple(name for name in inputs if name)


def _share(fraction: int) -> str:
    return f" on {fraction} % of the data" if fraction != 100 else ""


class AnnotateSpec(PhaseSpec):
    """Teacher x task -> demonstrations."""

    recipe = "engine.phases.annotate:run"
    spreads = True
    told = ("kept", "total", "unparsed")

    kind: Literal["annotate"] = "annotate"
    teacher: ModelCard
    task: TaskRef
    settings: AnnotateSettings = AnnotateSettings()

    @property
    def card(self) -> ModelCard:
        return self.teacher

    @property
    def reads(self) -> tuple[TaskRef, Split]:
        return self.task, "train"

    @property
    def detail(self) -> str:
        return self.task.name

    @property
    def what(self) -> str:
        return f"{self.teacher.name} on {self.task.name}, {self.settings.prompt} prompt"

    def summary(self, figures: Mapping[str, Any]) -> str:
        return f"kept {figures.get('kept')} of {figures.get('total')}"

    @property
    def size(self) -> object:
        return self.task.name, self.settings.limit

    @property
    def nature(self) -> object:
        return self.task.name

    def questions(self, rows: Callable[[TaskRef, Split], int], of: Mapping[str, int]) -> int:
        limit, available = self.settings.most(has_classes=True), rows(*self.reads)
        return min(limit or available, available)

    def _generation(self) -> dict[str, Any]:
        return {
            "teacher": identity_of_model(self.teacher),
            "task": self.task.identity(),
            "settings": identity_of(self.settings, exclude={"keep", "thinking"}),
        }

    def _identity(self) -> dict[str, Any]:
        later = {} if self.settings.thinking == "drop" else {"thinking": self.settings.thinking}
        return self._generation() | {"keep": self.settings.keep} | later

    @property
    def generation_key(self) -> str:
        return self._digest(self._generation())


class InstructSpec(PhaseSpec):
    """Student x demonstrations -> adapter. ``fraction``: percent of the kept demonstrations."""

    recipe = "engine.phases.instruct:run"
    spreads = True
    told = ("examples", "steps", "final_loss", "moved_weights")

    kind: Literal["instruct"] = "instruct"
    student: ModelCard
    demonstrations: str
    fraction: Annotated[int, Field(ge=1, le=100)] = 100
    data_seed: int = 0
    settings: InstructSettings = InstructSettings()
    tracking: Tracking = Tracking()

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.demonstrations,)

    @property
    def card(self) -> ModelCard:
        return self.student

    @property
    def what(self) -> str:
        return f"{self.student.name}{_share(self.fraction)}"

    @property
    def size(self) -> object:
        return self.fraction, self.settings.epochs, self.settings.batch_size

    @property
    def batch_size(self) -> int:
        return self.settings.batch_size

    @property
    def step(self) -> tuple[int, int]:
        return self.settings.batch_size, self.settings.max_length

    def questions(self, rows: Callable[[TaskRef, Split], int], of: Mapping[str, int]) -> int:
        return of[self.demonstrations] * self.fraction // 100

    def passes(self, questions: int) -> float:
        return 6.0 * self.settings.epochs * questions

    def looks(self, questions: int) -> int:
        return self.settings.looks()

    def _identity(self) -> dict[str, Any]:
        return {
            "student": identity_of_model(self.student),
            "targets": self.student.lora_targets,
            "demonstrations": self.demonstrations,
            "fraction": [self.fraction, self.data_seed],
            "settings": identity_of(self.settings, exclude={"checkpoint_every", "look_prompts"}),
        }


class RoundSpec(PhaseSpec):
    """A step of a round of self-refinement, with the student that the round begins with.

    ``adapter``: of an instruct phase, or in a later round of a refine phase; None: the student is
    bare. ``round`` is only shown: it follows from the adapter.
    """

    student: ModelCard
    adapter: str | None
    round: Positive = 1

    @property
    def card(self) -> ModelCard:
        return self.student

    @property
    def detail(self) -> str:
        return f"round {self.round}" if self.round > 1 else ""


class ElicitSpec(RoundSpec):
    """Student x the demonstrations' questions -> pairs."""

    recipe = "engine.phases.elicit:run"
    spreads = True
    told = ("pairs", "questions", "winner_student", "winner_teacher")

    kind: Literal["elicit"] = "elicit"
    demonstrations: str
    fraction: Annotated[int, Field(ge=1, le=100)] = 100
    data_seed: int = 0
    settings: ElicitSettings = ElicitSettings()

    @property
    def inputs(self) -> tuple[str, ...]:
        return _given(self.adapter, self.demonstrations)

    @property
    def what(self) -> str:
        return f"{self.student.name}{_share(self.fraction)} {self.detail}".rstrip()

    def summary(self, figures: Mapping[str, Any]) -> str:
        return f"{figures.get('pairs')} pairs of {figures.get('questions')} questions"

    @property
    def size(self) -> object:
        return self.fraction, self.settings.limit

    def questions(self, rows: Callable[[TaskRef, Split], int], of: Mapping[str, int]) -> int:
        available = of[self.demonstrations] * self.fraction // 100
        return min(self.settings.limit or available, available)

    def passes(self, questions: int) -> float:
        return 2.0 * 2 * questions  # with and without reasoning

    def _generation(self) -> dict[str, Any]:
        return {
            "student": identity_of_model(self.student),
            "adapter": self.adapter,
            "demonstrations": self.demonstrations,
            "fraction": [self.fraction, self.data_seed],
        }

    def _identity(self) -> dict[str, Any]:
        return self._generation() | {"settings": identity_of(self.settings)}

    @property
    def generation_key(self) -> str:
        return self._digest(self._generation())


ONE_PROMPT = 1.6  # what a pair takes, whose prompt is read once, beside an answer with its prompt


class RefineSpec(RoundSpec):
    """Student x pairs -> adapter; the student that made the pairs is the start and the reference,
    in each round."""

    recipe = "engine.phases.refine:run"
    spreads = True
    told = ("pairs", "held_out", "step0_loss", "picked_step", "best_eval_loss", "moved_weights")

    kind: Literal["refine"] = "refine"
    pairs: str
    settings: RefineSettings = RefineSettings()
    tracking: Tracking = Tracking()

    @property
    def inputs(self) -> tuple[str, ...]:
        return _given(self.adapter, self.pairs)

    @property
    def size(self) -> object:
        return self.settings.max_steps, self.settings.epochs, self.settings.batch_size

    @property
    def batch_size(self) -> int:
        return self.settings.batch_size

    @property
    def step(self) -> tuple[int, int]:
        return 2 * self.settings.batch_size, self.settings.max_length  # chosen and rejected

    def questions(self, rows: Callable[[TaskRef, Split], int], of: Mapping[str, int]) -> int:
        return of[self.pairs]

    def passes(self, questions: int) -> float:
        settings, steps = self.settings, self.settings.steps(questions)
        trained = 6.0 * steps * settings.batch_size
        picked = 2.0 * (steps / settings.evaluate_every) * settings.held_out * questions
        scored = 4.0 * questions  # under the reference before, under what was trained after
        return ONE_PROMPT * (trained + picked + scored)

    def looks(self, questions: int) -> int:
        return self.settings.looks(questions)

    def _identity(self) -> dict[str, Any]:
        settings = identity_of(self.settings, exclude={"exclude", "look_prompts"})
        return {
            "student": identity_of_model(self.student),
            "targets": self.student.lora_targets,
            "adapter": self.adapter,
            "pairs": self.pairs,
            "settings": settings | {"exclude": sorted(self.settings.exclude)},
        }


class EvaluateSpec(PhaseSpec):
    """Model (card, and an adapter or none) x task x one prompt style -> predictions, score.

    ``limit`` questions are drawn by ``data_seed``. ``answers``: an annotate phase with the same
    model and questions, whose answers are scored instead of generating new ones.
    ``commit``: the model is asked to complete answers that state no clear result.
    """

    recipe = "engine.phases.evaluate:run"
    spreads = True

    kind: Literal["evaluate"] = "evaluate"
    model: ModelCard
    adapter: str | None = None
    task: TaskRef
    prompt: PromptStyle
    split: Split = "test"
    limit: int | None = None
    data_seed: int = 0
    method: Literal["match", "logprob"] = "match"
    answers: str | None = None
    commit: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        return _given(self.adapter, self.answers)

    @property
    def card(self) -> ModelCard:
        return self.model

    @property
    def reads(self) -> tuple[TaskRef, Split]:
        return self.task, self.split

    @property
    def evaluation(self) -> Evaluation:
        return Evaluation(self.task.name, self.prompt, self.split, self.method)

    @property
    def detail(self) -> str:
        return self.evaluation.label

    @property
    def what(self) -> str:
        return f"{self.task.name} {self.evaluation.style}, {self.split} split"

    def summary(self, figures: Mapping[str, Any]) -> str:
        value = figures.get("accuracy")
        return f"{100 * value:.1f} % right" if isinstance(value, float) else ""

    @property
    def size(self) -> object:
        return self.task.name, self.prompt, self.split, self.limit, self.method

    @property
    def nature(self) -> object:
        return self.task.name, self.prompt, self.method

    def questions(self, rows: Callable[[TaskRef, Split], int], of: Mapping[str, int]) -> int:
        available = 0 if self.answers else rows(*self.reads)
        return min(self.limit or available, available)

    @property
    def twin(self) -> str:
        """The id of the phase that differs from this one in :attr:`commit` alone."""
        return self.model_copy(update={"commit": not self.commit}).id

    def _identity(self) -> dict[str, Any]:
        later = {"data_seed": self.data_seed, "answers": self.answers, "commit": self.commit}
        return {
            "model": identity_of_model(self.model),
            "adapter": self.adapter,
            "task": self.task.identity(),
            "what": [self.prompt, self.split, self.limit, self.method],
        } | {name: value for name, value in later.items() if value}
