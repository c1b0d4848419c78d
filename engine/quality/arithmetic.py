"""Finds arithmetic steps in a text (``22 + 4 = 26``, ``22 plus 4 makes 26``) and checks them.

A step is at least one operation on plain numbers with a stated result. In a chain of steps
(``2 + 3 = 5 + 1 = 6``) each result begins the next, as people write it. Anything but numbers on
either side (a variable, a power, a lone bracket) is no step and is not counted.

Sympy decides with exact fractions. A result with decimals may be rounded to them (``10 / 3 =
3.33``), one without must be exact. A per cent sign may be meant or a mere unit: either will do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from engine.scoring.text import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 15  # digits of a number; longer ones are ignored
TERMS: Final = 8  # numbers in one step

_WORDS: Final = {
    r"\\times|\\cdot|[×·]|\btimes\b|\bmultiplied by\b": " * ",
    r"\\div|÷|\bdivided by\b|\bover\b": " / ",
    r"\bplus\b": " + ",
    r"\bminus\b": " - ",
    r"\bis equal to\b|\bequals\b|\bmakes\b|\bgives\b": " = ",
    r"<<[^<>\n]{0,200}>>|[$€£]": "",  # GSM8K's calculator marks repeat the step
    r"\\[dt]?frac\s?\{\s?([0-9.]+)\s?\}\s?\{\s?([0-9.]+)\s?\}": r"(\1/\2)",
    r"(?<=[0-9)])[xX](?=[0-9(])|(?<= )[xX](?= [0-9(])": " * ",
    r"(?<=[0-9])%\s?of\b": "% * ",
    r"(?<=[0-9]),(?=[0-9]{3}(?![0-9]))": "",
    r"[^\S\n]*([-+*/=()])[^\S\n]*": r"\1",  # one way to write each step, one way to match it
}
_REWRITES: Final = tuple((re.compile(p, re.IGNORECASE), to) for p, to in _WORDS.items())
# without a digit and one of these there is no step, and nothing to rewrite
_STATED: Final = re.compile(r"=|\bis equal to\b|\bequals\b|\bmakes\b|\bgives\b", re.IGNORECASE)
_DIGIT: Final = re.compile(r"[0-9]")
_NUMBER: Final = rf"[0-9]{{1,{LONGEST}}}(?:\.[0-9]{{1,{LONGEST}}})?%?"
_UNIT: Final = r"(?: [a-zA-Z]{1,20}){0,2}"  # 3 apples + 4 apples
_TERM: Final = rf"\({{0,2}}-?{_NUMBER}{_UNIT}\){{0,2}}"
_STEP: Final = re.compile(
    rf"(?<![\w.,)])(?P<left>{_TERM}(?:[-+*/]{_TERM}){{1,{TERMS}}})="
    rf"(?=(?P<right>-?{_NUMBER}(?:/[0-9]{{1,{LONGEST}}}(?![-+*/=0-9]))?)(?![\w^(]|\.[0-9]))"
)
_DANGLING: Final = frozenset("+-*/^(")  # before a step: its beginning was not recognised
_LETTERS: Final = re.compile(r"[a-zA-Z]+")
_LEADING_ZEROS: Final = re.compile(r"(?<![0-9.])0+(?=[0-9])")


@dataclass(frozen=True, slots=True)
class Step:
    """One stated operation: ``left`` without units, ``right`` as stated."""

    left: str
    right: str

    @property
    def true(self) -> bool:
        return _holds(self.left, self.right)


def arithmetic_steps(text: str) -> Iterator[Step]:
    """All steps, in order."""
    words = plain(text)
    if not (_DIGIT.search(words) and _STATED.search(words)):
        return
    for pattern, replacement in _REWRITES:
        words = pattern.sub(replacement, words)
    for match in _STEP.finditer(words):
        before = words[max(0, match.start() - 1) : match.start()]
        left = _LETTERS.sub("", match["left"]).replace(" ", "")
        if before not in _DANGLING and _balanced(left):
            yield Step(*(_LEADING_ZEROS.sub("", side) for side in (left, match["right"])))


def _balanced(text: str) -> bool:
    depth = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return False
    return depth == 0


@lru_cache(maxsize=50_000)
def _holds(left: str, right: str) -> bool:
    """Both hold digits, operators, brackets and per cent signs only, so sympy may read them."""
    from sympy import Rational, sympify

    decimals = len(right.rstrip("%").partition(".")[2])
    slack = Rational(1, 2 * 10**decimals) if decimals else Rational(0)
    for percent in ("", "/100") if "%" in left + right else ("",):
        stated = sympify(right.replace("%", percent), rational=True)
        value = sympify(re.sub(r"([0-9.]+)%", rf"(\1{percent})", left), rational=True)
        allowed = slack / 100 if percent and "%" in right else slack
        if value.is_finite and stated.is_finite and abs(value - stated) <= allowed:
            return True
    return False
