"""Phases on finished runs: judging two of them, or merging a trained student.

They belong to no cell of an experiment; each is a small run of its own
(:mod:`engine.commands.follow_ups`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from engine.schema.cards import ModelCard
from engine.schema.evaluation import Evaluation
from engine.schema.phase import PhaseSpec, TaskRef, digest, identity_of_model
from engine.schema.settings import GenerationSettings, JudgeSettings, PromptStyle, Split

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Dtype = Literal["fp32", "bf16", "fp16"]
PROBES: Final = 16  # prompts on which a merged model is compared with its student


class JudgeSpec(PhaseSpec):
    """A judge compares two evaluations' answers to the same questions -> verdicts.

    ``phases``: the evaluations, in the order of their ids, so that A against B and B against A are
    one phase. ``names``, ``task``, ``prompt`` and ``split`` are for people: they follow from the
    evaluations.
    """

    recipe = "engine.phases.judge:run"
    spreads = True
    told = ("questions", "first", "second", "tie", "undecided")

    kind: Literal["judge"] = "judge"
    phases: tuple[str, str]
    names: tuple[str, str]
    judge: ModelCard
    task: TaskRef
    prompt: PromptStyle
    split: Split = "test"
    prompt_version: int
    settings: JudgeSettings = JudgeSettings()

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.phases

    @property
    def card(self) -> ModelCard:
        return self.judge

    @property
    def detail(self) -> str:
        return Evaluation(self.task.name, self.prompt, self.split).label

    @property
    def prompt_tokens(self) -> int:
        return 150 if self.settings.method == "answer" else 650  # the rule and two answers

    def summary(self, figures: Mapping[str, Any]) -> str:
        return str(figures.get("summary", ""))

    @property
    def size(self) -> object:
        return self.task.name, self.prompt, self.settings.limit, self.settings.method

    @property
    def nature(self) -> object:
        return self.task.name, self.prompt, self.settings.method

    @property
    def orders(self) -> tuple[str, ...]:
        """The orders in which a question's answers are shown."""
        return ("own",) if self.settings.method == "answer" else ("straight", "swapped")

    def questions(self, rows: Callable[[TaskRef, Split], int], of: Mapping[str, int]) -> int:
        every = rows(self.task, self.split)
        available = min(of.get(phase) or every for phase in self.phases)
        return len(self.orders) * min(self.settings.limit or available, available)

    def _identity(self) -> dict[str, Any]:
        return {"replies": self.generation_key, "limit": self.settings.limit}

    @property
    def generation_key(self) -> str:
        """A hash of all that determines the replies, without their number. It must never change:
        it names the folders of judgements that version 0.1 made."""
        judge = identity_of_model(self.judge)
        version, method = self.prompt_version, self.settings.method
        return digest(["judge", self.phases, judge, method, version, self.seed])


class MergeSpec(PhaseSpec):
    """Merges a trained adapter into its base model -> a model folder.

    ``data``: the phase whose data the adapter was trained on; the merged model and the student
    are compared on its prompts. ``dtype``: of the written weights; None: the student's compute
    dtype. Nothing is published if their mean KL in nats per token exceeds ``max_kl`` (None: what
    rounding explains).
    """

    recipe = "engine.phases.merge:run"
    told = ("mean_kl", "max_kl", "max_logit", "greedy", "tokens")
    unpacks = True

    kind: Literal["merge"] = "merge"
    student: ModelCard
    adapter: str
    data: str
    dtype: Dtype | None = None
    max_kl: float | None = None
    generation: GenerationSettings = GenerationSettings(max_batch=1)  # answered one by one

    @property
    def inputs(self) -> tuple[str, ...]:
        return self.adapter, self.data

    @property
    def card(self) -> ModelCard:
        return self.student

    @property
    def detail(self) -> str:
        return self.dtype or ""

    def summary(self, figures: Mapping[str, Any]) -> str:
        return str(figures.get("summary", ""))

    def questions(self, rows: Callable[[TaskRef, Split], int], of: Mapping[str, int]) -> int:
        return PROBES

    def passes(self, questions: int) -> float:
        """The student answers, then both models read the answers; writing isn't counted."""
        return 2.0 * 3 * questions

    def _identity(self) -> dict[str, Any]:
        student = identity_of_model(self.student)
        return {"student": student, "adapter": self.adapter, "dtype": self.dtype}
