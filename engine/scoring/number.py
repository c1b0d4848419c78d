"""Finds the number that a text gives as its answer, and compares numbers.

Tiers, most explicit first:

================  ===============================================================
``hash``          ``#### 42``
``boxed``         ``\\boxed{42}``
``statement``     "the answer is 42", "Answer: He needs 42 boxes"; the last one
``equation``      the last sentence with a number ends in ``= 42``
``conclusion``    "So he needs 42 boxes for 84 pens": the last sentence concludes
``first_line``    "42", and below it an explanation that concludes nothing
``last_number``   the last sentence's number
================  ===============================================================

Which of several numbers in a sentence counts: :mod:`engine.scoring.conclusion`. A statement that
hedges between two, is empty or gives up stops the weaker rules; so does a text that was cut off,
unless its last words give what it computed last.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from engine.scoring.asked_for import asked_for
from engine.scoring.closing import concluded
from engine.scoring.compound import in_one_unit
from engine.scoring.equation import AMBIGUOUS
from engine.scoring.numerals import in_digits, with_digits
from engine.scoring.program import ends_in_source, without_source
from engine.scoring.statement import after_hash, in_box, statement
from engine.scoring.text import plain
from engine.scoring.unanswered import before_open_maths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.scoring.asked_for import AskedFor
    from engine.scoring.text import Asked, Rule

_CALCULATOR: Final = re.compile(r"<<[^<>\n]{0,200}>>")  # GSM8K's worked answers hold these
_EQUALS: Final = re.compile(r"≈|≃|\\approx\b|\b(?:equals|is equal to)\b")


def tiers(text: str, asked: Asked) -> Iterator[Rule]:
    """Apply the rules in order; each gives a decimal number or a fraction like ``1/3``."""
    wanted = asked_for(asked.question)
    said = without_source(text)
    words = _prepared(said, wanted)
    for tier, find in (("hash", after_hash), ("boxed", in_box), ("statement", statement)):
        value = find(words, wanted)
        yield tier, _giving(value)
        if value == AMBIGUOUS:
            return  # it states two numbers, or none: no weaker rule may pick one
    # What was cut off within a program's source is whole before it.
    cut_off = None if asked.cut_off and ends_in_source(text) else asked.cut_off
    if cut_off is not False and (whole := before_open_maths(said)) != said:
        words, cut_off = _prepared(whole, wanted), True
    found, value = concluded(words, wanted, cut_off) or ("", None)
    for tier in ("equation", "conclusion", "first_line", "last_number"):
        yield tier, _giving(value if tier == found else None)


def _prepared(text: str, wanted: AskedFor) -> str:
    words = with_digits(plain(_EQUALS.sub("=", _CALCULATOR.sub("", text))), wanted.unit)
    return in_one_unit(in_digits(words), wanted.unit)


def _giving(value: str | None) -> Callable[[], str | None]:
    return lambda: value or None


def same_number(left: str, right: str) -> bool:
    """Whether two numbers are exactly equal: ``18.00`` is ``18``, ``0.5`` is ``1/2``."""
    try:
        return Fraction(left.replace(",", "")) == Fraction(right.replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return False
