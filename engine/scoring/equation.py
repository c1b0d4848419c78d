"""Reads equations in a text: their results, and which numbers are only terms in them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.scoring.quantity import quantities

if TYPE_CHECKING:
    from engine.scoring.quantity import Quantity

AMBIGUOUS: Final = ""  # states numbers, and none of them is the answer

# 3x = 18, x - 6 = 18, 5(cubes) = 18: nothing is said of x yet.
_UNSOLVED: Final = re.compile(
    r"(?=.{0,60}(?:[0-9]\s?[a-cn-rt-wyz]\b|[0-9]\s?x\b(?!\s?[$(0-9])|\b[a-z]\s?[-+*/]\s?[$(0-9]|"
    r"[0-9)]\s?[-+*/]\s?[a-z]\b))(?:[-+*/$0-9.,()\s]|(?<![a-z])[a-z](?![a-z])){1,60}|[0-9]{1,9}\s?[a-z]"
)
_TWO_ROOTS: Final = re.compile(r"\b([a-z])\s?=\s?[^\s=]{1,20},?\s(?:or|and)\s\1\s?=")
_GROUP: Final = re.compile(r"[0-9]\([a-z]|\{[a-z]\}")
_OPERATION: Final = r"\s?(?:[a-zA-Z]{1,15}\s)?(?:[-+*×÷/]|x(?=\s?[$(0-9])|\\times|\\cdot|\\div)\s?"
_BEFORE_TERM: Final = re.compile(
    rf"(?:[0-9)]{_OPERATION}|[0-9)]\s?x\s?|[+*×÷]\s?|"
    r"[0-9]\s(?:[a-z]{1,20}\s)?(?:plus|minus|times|divided\sby|multiplied\sby)\s)[-$€£(]{0,3}$"
)
_LEFT_TERM: Final = re.compile(r"[A-Za-z)]\s?[-+*/×÷]\s?[$€£]?$")
_ADDS: Final = re.compile(r"\s[+*×]\s")
_AFTER_TERM: Final = re.compile(
    rf"{_OPERATION}[-$€£(]{{0,3}}(?:\.?[0-9]|[xyz]\b)|\([0-9]|"
    r"%?\s(?:[a-z]{1,20}\s)?(?:times\s[$€£]?[0-9]|"
    r"plus\s|minus\s|divided\sby\s|multiplied\sby\s)|%?\sof\s(?:the\s)?[$€£]?[0-9.,]+\s?(?:=|is\b)"
)
_DIGIT: Final = re.compile(r"[0-9]")


def value_of(side: str) -> str | None:
    """The number on one side of an equation; None if that side is not evaluated."""
    found = next(quantities(side), None)
    if (
        found is None
        or _AFTER_TERM.match(side, found.end)
        or _LEFT_TERM.search(side[: found.start])
    ):
        return None
    return found.value


def equation_value(sentence: str) -> str:
    """The result of an equation: 18 for ``3 * 4 = 12 + 6 = 18``; ``""`` for ``x = 85 - 3y``."""
    sides = sentence.split("=")
    while len(sides) > 1 and not _DIGIT.search(sides[-1]):
        sides.pop()
    *before, last = sides
    if _TWO_ROOTS.search(sentence):
        return AMBIGUOUS
    if before and (_GROUP.search(before[-1]) or _UNSOLVED.fullmatch(before[-1].strip())):
        return AMBIGUOUS
    value = value_of(main_part(last))
    if value is None and len(before) == 1:
        first = next(quantities(before[0]), None)  # 18 = 9 * 2
        value = value_of(before[0]) if first and first.start <= 2 else None
    return value or AMBIGUOUS


def main_part(side: str) -> str:
    """The text up to the next clause, since what follows isn't part of the equation."""
    return re.split(r"[,;]\s|\s\(|\s(?:so|and|which|because|for|in|per)\b", side, maxsplit=1)[0]


def is_term(sentence: str, one: Quantity) -> bool:
    """Whether a number is part of an expression that is not evaluated."""
    before = sentence[max(0, one.start - 24) : one.start]
    if before.rstrip("$€£ ").endswith(" -") and _ADDS.search(sentence):
        return True
    return bool(_BEFORE_TERM.search(before) or _AFTER_TERM.match(sentence, one.end))
