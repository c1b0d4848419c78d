"""Every setting of the phases: its default and where that comes from, meaning and usual range.

The source marks are those of docs/method.md; screens and docs read them with
:func:`engine.schema.setting.source_of`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, field_validator

from engine.schema.cards import Engine, Frozen
from engine.schema.kinds import OBJECTIVES
from engine.schema.setting import Usual, setting

PromptStyle = Literal["plain", "cot"]
Split = Literal["test", "train"]
PAPERS_LIMIT: Final = 4000  # section 3 of the paper
LOOKS: Final = 10  # at an instruct phase, besides the one before its first step
LOOK_TOKENS: Final = 128  # of an answer, at most

if TYPE_CHECKING:
    Objective = str
else:
    Objective = Literal[tuple(OBJECTIVES)]  # any of the table's
Thinking = Literal["drop", "keep"]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[int, Field(ge=0)]
Ratio = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]

DECAY = Usual(0, 0.1, "more pulls the adapter back to nothing")
PASSES = Usual(0.1, 10, "after a few passes the data is learnt by heart")
CLIPPING = Usual(0.05, 10, "lower ones stop the training, higher ones clip nothing")
LENGTH = Usual(128, 8192, "a question with its answer has 100 to 1000; memory grows with it")
QUESTIONS = Usual(50, None, "of fewer the 95 % interval is wider than 28 points")


class AnnotateSettings(Frozen):
    """The teacher answers every training question."""

    prompt: PromptStyle = setting("cot", "P", "the prompt the teacher gets")
    limit: Positive | Literal["paper"] | None = setting(
        "paper",
        "P",
        "training questions; paper: 4000 of a task with classes, equally distributed, and all of "
        "one without",
        usual=Usual(100, 20_000, "fewer demonstrations teach little"),
    )
    keep: Literal["correct", "all"] = setting(
        "correct", "?", "which demonstrations go on: only those whose answer equals the target"
    )
    thinking: Thinking = setting(
        "drop",
        "ours",
        "what a teacher thinks before its answer (<think> and the like): left out of the "
        "demonstration, or learnt with it",
        since="0.2",
    )

    def most(self, has_classes: bool) -> int | None:
        """The most questions of a task with or without classes; None: all of them."""
        if self.limit == "paper":
            return PAPERS_LIMIT if has_classes else None
        return self.limit


class LoraSettings(Frozen):
    """The LoRA adapter of both trainings."""

    r: Positive = setting(
        8, "A", "rank", usual=Usual(1, 256, "above it an adapter costs as much as the whole model")
    )
    alpha: Positive = setting(
        16,
        "A",
        "scale: the update is multiplied by alpha / r",
        usual=Usual(1, 512, "once or twice r; more acts as a higher learning rate"),
    )
    dropout: Ratio = setting(
        0.1,
        "A",
        "share of the adapter's input that is dropped",
        usual=Usual(0, 0.3, "more leaves too little to learn from"),
    )
    targets: tuple[str, ...] | Literal["all-linear"] = setting(
        ("q_proj", "v_proj"), "?", "modules that get an adapter (PEFT's default for Llama)"
    )


def look_prompts() -> Any:
    """How many prompts a training answers at each look; no part of what is learnt, nor of a
    fingerprint."""
    return setting(
        3,
        "ours",
        "prompts answered at each look at the training, to see how answers change: of questions "
        "that it does not learn from, as far as there are any (ten looks in instruct, in "
        "refine one every evaluate_every steps); 0: none",
        since="0.2",
    )


class InstructSettings(Frozen):
    """Instruction-tuning on the teacher's demonstrations, loss on the output only."""

    epochs: Rate = setting(4.0, "P", "passes over the demonstrations", usual=PASSES)
    learning_rate: Rate = setting(
        2e-5,
        "P",
        "peak learning rate",
        usual=Usual(1e-6, 2e-3, "adapters: 1e-5 to 5e-4; far above, the loss diverges"),
    )
    weight_decay: Annotated[float, Field(ge=0)] = setting(
        1e-4, "P", "decoupled weight decay", usual=DECAY
    )
    schedule: Literal["cosine", "linear", "constant"] = setting("cosine", "P", "after the warm-up")
    warmup_ratio: Ratio = setting(
        0.03,
        "P",
        "share of the steps that warm up",
        usual=Usual(0, 0.2, "more leaves few steps at the full rate"),
    )
    optimizer: str = setting(
        "paged_adamw_32bit", "A", "as transformers names it; plain AdamW where there is no GPU"
    )
    max_grad_norm: Rate = setting(0.3, "A", "gradient clipping", usual=CLIPPING)
    batch_size: Positive = setting(
        4,
        "A",
        "examples a step over all devices",
        usual=Usual(1, 512, "larger ones leave few steps"),
    )
    max_length: Positive = setting(
        1024, "I", "tokens of prompt and answer; longer is truncated", usual=LENGTH
    )
    input_prompt: PromptStyle = setting(
        "plain", "A", "the trigger belongs to the teacher's prompt, not to the training input"
    )
    checkpoint_every: Positive = setting(
        100,
        "ours",
        "steps between checkpoints a retry resumes from",
        usual=Usual(5, 2000, "a retry repeats at most so many"),
    )
    look_prompts: NonNegative = look_prompts()
    lora: LoraSettings = LoraSettings()

    def looks(self) -> int:
        """How many answers are given while it trains."""
        return self.look_prompts * (LOOKS + 1)


class ElicitSettings(Frozen):
    """The student answers every question with and without reasoning; a gate makes pairs."""

    winner: Literal["cot_if_correct_else_teacher", "cot_if_correct_else_drop", "cot_always"] = (
        setting(
            "cot_if_correct_else_teacher",
            "?",
            "what is chosen where the student's own reasoning is wrong",
        )
    )
    pair_prompt: PromptStyle = setting("cot", "?", "the prompt both answers are conditioned on")
    plain: Literal["paper", "answer_only"] = setting(
        "paper",
        "ours",
        "how the plain answer of a pair is asked for; answer_only asks for the answer alone, since "
        "chat models reason without being asked; pair_prompt: plain follows, an evaluation's plain "
        "prompt stays the paper's",
        since="0.2",
    )
    objective: Literal["dpo_cot", "dpo_answer"] = setting(
        "dpo_cot", "P", "what is preferred: the reasoned answer, or the right direct answer"
    )
    thinking: Thinking = setting(
        "drop",
        "ours",
        "what a student thinks before its answer: left out of the pair, or part of it",
        since="0.2",
    )
    limit: Positive | None = setting(
        None,
        "ours",
        "questions, drawn from those of the demonstrations; all of them when empty",
        since="0.2",
    )


class RefineSettings(Frozen):
    """Direct preference optimisation against the frozen starting point."""

    objective: Objective = setting("dpo", "P", "what the loss prefers", since="0.2")
    learning_rate: Rate = setting(
        1e-6,
        "P",
        "peak learning rate",
        usual=Usual(1e-8, 1e-3, "published: 5e-7 to 5e-5; toy models: up to 0.001"),
    )
    beta: Rate = setting(
        0.1,
        "I",
        "strength of the pull towards the reference",
        usual=Usual(0.005, 2, "published: 0.01 to 0.5; large ones keep the student as it is"),
    )
    warmup_steps: Annotated[int, Field(ge=0)] = setting(
        100, "P", "steps of warm-up", usual=Usual(0, 1000, "more leaves few steps at the full rate")
    )
    batch_size: Positive = setting(
        128,
        "P",
        "pairs a step over all devices",
        usual=Usual(2, 1024, "larger ones leave few steps"),
    )
    max_steps: Positive = setting(
        1000,
        "P",
        "optimiser steps at most",
        usual=Usual(1, 20_000, "more overfit a few thousand pairs"),
    )
    epochs: Rate | None = setting(
        None,
        "ours",
        "passes over the pairs at most; these or max_steps, whichever ends first",
        usual=PASSES,
    )
    schedule: Literal["cosine", "linear", "constant"] = setting("cosine", "I", "after the warm-up")
    optimizer: str = setting("paged_adamw_32bit", "A", "as in instruct")
    weight_decay: Annotated[float, Field(ge=0)] = setting(
        0.0, "ours", "decoupled weight decay", usual=DECAY
    )
    max_grad_norm: Rate = setting(
        1.0, "ours", "gradient clipping (the trainer's default)", usual=CLIPPING
    )
    max_prompt_length: Positive = setting(
        512,
        "I",
        "tokens of the prompt",
        usual=Usual(64, 8192, "questions have 50 to 500; the rest is cut"),
    )
    max_length: Positive = setting(1024, "I", "tokens of prompt and answer", usual=LENGTH)
    held_out: Annotated[float, Field(gt=0, lt=0.5)] = setting(
        0.1,
        "I",
        "share of the pairs held out, class by class, to pick the checkpoint",
        usual=Usual(0.02, 0.3, "fewer pairs pick by chance, more are missing in training"),
    )
    select: Literal["best", "last"] = setting("best", "P", "the checkpoint with the lowest loss")
    evaluate_every: Positive = setting(
        10,
        "ours",
        "steps between looks at the held-out pairs",
        usual=Usual(1, 500, "the checkpoint is picked among these looks"),
    )
    patience: Positive | None = setting(
        None,
        "ours",
        "looks without a better one after which it stops",
        usual=Usual(1, 50, "more never stops early"),
    )
    sft_weight: Annotated[float, Field(ge=0)] = setting(
        0.0,
        "ours",
        "weight of a likelihood term on the chosen answer (RPO)",
        usual=Usual(0, 5, "published: 0.005 to 1; above, preferences hardly count"),
    )
    lora: LoraSettings = LoraSettings()
    exclude: tuple[str, ...] = setting((), "ours", "ids of pairs left out by hand")
    look_prompts: NonNegative = look_prompts()

    def steps(self, pairs: int) -> int:
        """How many steps are trained: the smaller of both limits, about."""
        if self.epochs is None:
            return self.max_steps
        return min(self.max_steps, round(self.epochs * (pairs / self.batch_size)))

    def looks(self, pairs: int) -> int:
        """How many answers are given while it trains."""
        return self.look_prompts * (self.steps(pairs) // self.evaluate_every + 1)


class EvaluateSettings(Frozen):
    """Generating and scoring answers."""

    prompts: tuple[PromptStyle, ...] = setting(("plain", "cot"), "P", "prompt styles")
    domain: Literal["all", "in"] = setting(
        "all", "P", "tasks that a student is measured on: all, or only those it was trained on"
    )
    split: Split = setting("test", "P", "which split")
    teacher_splits: tuple[Split, ...] = setting(
        (),
        "?",
        "splits that teachers are measured on (train: what they annotate); as 'split' when empty",
    )
    limit: Positive | None = setting(
        None, "P", "questions; all of the split when empty", usual=QUESTIONS
    )
    commit: Literal["off", "on"] = setting(
        "off",
        "ours",
        "ask for the conclusion where an answer states none clearly, and report that accuracy "
        "too (the second stage of zero-shot-CoT, Kojima et al. 2022)",
        since="0.2",
    )
    methods: tuple[Literal["match", "logprob"], ...] = setting(
        ("match",), "P", "string match; logprob adds the likeliest option letter (choice tasks)"
    )


class JudgeSettings(Frozen):
    """A judge compares the answers of two evaluations."""

    method: Literal["compare", "answer"] = setting(
        "compare",
        "ours",
        "compare: the judge sees both answers, each pair in both orders; answer: it answers the "
        "question itself, and the answer that agrees with its own is preferred",
    )
    limit: Positive | None = setting(
        200,
        "ours",
        "questions, drawn so that more include fewer; all that both answered when empty",
        usual=QUESTIONS,
    )


class GenerationSettings(Frozen):
    """How a local model's answers are batched. Changes speed, never which seed an item gets."""

    token_budget: Positive = setting(
        65_536,
        "ours",
        "tokens (prompt and answer, padded) a batch may hold",
        usual=Usual(1024, 2_000_000, "a batch must hold an answer, and fit the memory"),
    )
    max_batch: Positive = setting(
        256,
        "ours",
        "sequences a batch may hold",
        usual=Usual(1, 2048, "larger ones don't fit the memory"),
    )
    backend: Literal["auto", "compact", "generate"] = setting(
        "auto", "ours", "how tokens are generated; auto takes the measured fastest for the device"
    )
    engine: Engine = setting(
        "auto",
        "ours",
        "who runs a local model that answers: builtin (transformers), or vllm, a server that this "
        "program starts; auto takes vllm where it is installed, for models of 0.3 B weights and "
        "more on a GPU; a card's own engine goes before",
        since="0.2",
    )

    @field_validator("backend", mode="before")
    @classmethod
    def _gone(cls, backend: object) -> object:
        """Replace two slower backends of version 0.1, which gave the same answers."""
        return "auto" if backend in ("static", "continuous") else backend
