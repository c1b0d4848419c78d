"""Judges an answer: extracts it and compares it with the target."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from engine.schema.records import Verdict
from engine.scoring.extraction import extract
from engine.scoring.formula import same_formula
from engine.scoring.location import locate
from engine.scoring.number import same_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.interfaces import AnswerKind
    from engine.schema.records import Finish
    from engine.scoring.extraction import Found


class Asked(Protocol):
    """Anything with a question and a target: an item, a demonstration, an earlier prediction."""

    @property
    def question(self) -> str: ...
    @property
    def choices(self) -> tuple[str, ...]: ...
    @property
    def target(self) -> str: ...


def score_answer(
    kind: AnswerKind,
    text: str,
    target: str,
    choices: Sequence[str] = (),
    *,
    question: str = "",
    cut_off: bool | None = None,
) -> Verdict:
    """The answer in ``text`` and whether it equals the target, compared by letter for options.

    ``question`` and ``cut_off`` as in :func:`engine.scoring.extraction.extract`.
    """

    def read(reply: str) -> Found:
        return extract(kind, reply, choices, question=question, cut_off=cut_off)

    answer, tier = read(text)
    if answer is None:
        return Verdict(answer=None, tier=None, correct=False)
    same = {"choice": str.__eq__, "number": same_number, "math": same_formula}[kind]
    return Verdict(
        answer=answer,
        tier=tier,
        correct=bool(same(target, answer)),
        span=locate(kind, text, answer, choices, lambda reply: read(reply).answer),
    )


def score_reply(kind: AnswerKind, asked: Asked, text: str, finish: Finish) -> Verdict:
    """The verdict on a model's reply to what was asked."""
    return score_answer(
        kind,
        text,
        asked.target,
        asked.choices,
        question=asked.question,
        cut_off={"length": True, "stop": False}.get(finish),
    )
