"""Recipes of the pocket models: shapes, amounts of training, and training data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

MODELS: Final = Path(__file__).parent / "models"


@dataclass(frozen=True, slots=True)
class Cycle:
    """One cycle of training: the learning rate rises and falls.

    Attributes:
        steps: optimiser steps.
        sums: how many sums there are for each question about boxes, and each about a compass.
        peak: the highest learning rate.
        asides: share of the reasoning examples that are asked for steps in another way than by
            the trigger at the end. Without them a tiny student ties its reading of the question
            to where the trigger stands, and tuning on the plain prompt breaks what it can do
            with the CoT prompt.
        foreign: share of the reasoned answers that are in the other family's voice, whatever the
            request. Without it a student that learns from the other family's teacher mixes both
            voices with the CoT prompt, and gets nothing right there.
        musing: chance to reason though the prompt is plain: for a task's longest questions, for
            those one step shorter, and so on. It puts the questions at different distances from
            reasoning, so that training carries them over one length after the other.
        at_once: share of plain prompts; the recipe's own when None.
        kept: weight of the model before it in the average that it publishes.
    """

    steps: int
    sums: int = 2
    peak: float = 4e-3
    asides: float = 0.0
    foreign: float = 0.0
    musing: tuple[float, ...] = ()
    at_once: float | None = None
    kept: float = 0.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one model is trained.

    Attributes:
        family: decides its tokenizer, chat template and voice.
        hidden, layers, heads, inner: the Llama shape; hidden sizes are multiples of 64, the
            block of 4-bit quantisation.
        cycles: the training; a cycle starts from what the one before published.
        at_once: share of the training answers given to the plain prompt without reasoning;
            0 makes a teacher, who reasons whatever the prompt.
    """

    family: str
    hidden: int
    layers: int
    heads: int
    inner: int
    cycles: tuple[Cycle, ...]
    at_once: float


# Sums take the teachers longest: the second cycle is mostly sums, and the later ones, at lower
# learning rates, restore what it made them forget.
TEACHING: Final = (
    Cycle(400),
    Cycle(250, sums=6),
    Cycle(200, peak=2e-3),
    Cycle(180, sums=3, peak=2e-3),
)
LEARNING: Final = (Cycle(800), Cycle(350, peak=2e-3, asides=0.6))
# Added until both voices were right, and until students learn from either at one learning rate:
# too much of the own voice and it is learnt first, too little and the other is.
BOTH_VOICES: Final = (
    Cycle(300, peak=2e-3, asides=0.6, foreign=0.5, musing=(0.35, 0.1, 0.02), at_once=0.4),
    Cycle(500, peak=3e-3, asides=0.4, foreign=0.4, musing=(0.35, 0.1, 0.02), at_once=0.3),
    Cycle(160, peak=1.5e-3, asides=0.4, foreign=0.6, musing=(0.35, 0.1, 0.01), at_once=0.3),
    Cycle(
        200, peak=2e-3, asides=0.4, foreign=0.65, musing=(0.4, 0.06, 0.0), at_once=0.3, kept=0.35
    ),
)
RECIPES: Final = {
    "wren-1m": Recipe("wren", 128, 4, 4, 384, cycles=LEARNING + BOTH_VOICES, at_once=0.2),
    "wren-3m": Recipe("wren", 256, 4, 4, 640, cycles=TEACHING, at_once=0.0),
    "otter-1m": Recipe("otter", 192, 3, 3, 256, cycles=LEARNING, at_once=0.2),
    "otter-3m": Recipe("otter", 256, 5, 4, 512, cycles=TEACHING, at_once=0.0),
}
