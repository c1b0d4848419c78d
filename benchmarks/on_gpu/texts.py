"""Demonstrations, pairs and questions of the lengths of word problems, in the words of
:mod:`benchmarks.on_gpu.shapes`; the same in every run."""

from __future__ import annotations

import random
from dataclasses import dataclass

from benchmarks.on_gpu.shapes import SPECIAL, ends_of
from engine.interfaces import Question
from engine.schema.records import Demonstration, Pair, Verdict
from engine.tasks.prompts import NUMBER_INSTRUCTION, render

ANSWER = Verdict(answer="1", tier="made up", correct=True)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Words of questions and of answers, from and to."""

    question: tuple[int, int]
    answer: tuple[int, int]


USUAL = Lengths((40, 160), (60, 300))
TINY = Lengths((4, 12), (4, 16))


class Writer:
    """Draws texts from a seeded stream; its words end no answer."""

    def __init__(self, vocabulary: int, lengths: Lengths, seed: int = 0) -> None:
        self.words = range(len(SPECIAL) + ends_of(vocabulary), vocabulary)
        self.lengths = lengths
        self.chance = random.Random(seed)

    def _text(self, lengths: tuple[int, int]) -> str:
        count = self.chance.randint(*lengths)
        return " ".join(f"w{self.chance.choice(self.words)}" for _ in range(count))

    def demonstrations(self, count: int) -> list[Demonstration]:
        return [self._demonstration(i) for i in range(count)]

    def _demonstration(self, number: int) -> Demonstration:
        question = self._text(self.lengths.question)
        return Demonstration(
            id=f"q{number}",
            instruction=NUMBER_INSTRUCTION,
            question=question,
            target="1",
            prompt=render(NUMBER_INSTRUCTION, question, style="cot"),
            output=self._text(self.lengths.answer),
            finish="stop",
            verdict=ANSWER,
            kept=True,
        )

    def pairs(self, count: int) -> list[Pair]:
        return [self._pair(one) for one in self.demonstrations(count)]

    def _pair(self, one: Demonstration) -> Pair:
        return Pair(
            id=one.id,
            question=one.question,
            target=one.target,
            prompt=one.prompt,
            prompt_plain=render(NUMBER_INSTRUCTION, one.question),
            prompt_cot=one.prompt,
            chosen=one.output,
            rejected=self._text(self.lengths.answer),
            winner="student",
            chosen_verdict=ANSWER,
            rejected_verdict=ANSWER,
            plain_has_steps=False,
        )

    def questions(self, count: int) -> list[Question]:
        return [Question(one.id, one.prompt, i) for i, one in enumerate(self.demonstrations(count))]
