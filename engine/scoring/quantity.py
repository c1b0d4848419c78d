"""Finds the numbers in a text, each with the words around it."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 60  # digits; longer "numbers" are noise and slow to compare

_DIGITS: Final = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_NUMBER: Final = re.compile(
    rf"""
    (?P<sign>
        (?<![\w)\]%])-
      | (?:^|(?<=[:=(])|(?<=[:=]\s)|(?<=\bis\s)|(?<=\bof\s)|(?<=\bto\s))(?:minus|negative)\s
    )?[ ]?
    (?P<currency>[$€£¥]\s?(?P<inner>-)?)?
    (?<![\w.^])(?<![0-9]:)
    (?P<digits>{_DIGITS}(?:\.[0-9]+)?(?:e[+-]?[0-9]{{1,2}}\b)?|\.[0-9]+)
    (?!:?[0-9])
    (?:(?P<mixed>\s[0-9]{{1,4}})?\s?/\s?(?P<below>[0-9]+)(?![0-9/]|[.,][0-9]))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FIGURE: Final = re.compile(rf"{_DIGITS}(?:\.[0-9]+)?")
# "3x", "3/4 * x", "6(y + 1)": a part of an expression with unknowns, no number.
_UNKNOWN: Final = re.compile(
    r"[abnpq]\b|"
    r"\s?(?:[*·]|\\cdot|\\times)?\s?(?:[xyznwk]\b|\(\s?[-0-9.+* ]{0,12}[a-z]\b)"
)


class Quantity(NamedTuple):
    """A number in a text, as a decimal or a fraction, with its place."""

    value: str
    start: int
    end: int
    money: bool


def quantities(text: str) -> Iterator[Quantity]:
    """The numbers in order, except those that are too long and coefficients of unknowns."""
    for match in _NUMBER.finditer(text):
        value = _canonical(match)
        if value is not None and not (_UNKNOWN.match(text, match.end()) and not match["currency"]):
            yield Quantity(value, match.start("digits"), match.end(), bool(match["currency"]))


def _canonical(match: re.Match[str]) -> str | None:
    """The plain form of a matched number; None if it is too long to be one."""
    if len(match["digits"]) > LONGEST or len(match["below"] or "") > LONGEST:
        return None
    value = Fraction(match["digits"].replace(",", ""))
    below = int(match["below"] or 1)
    if match["mixed"]:
        value += Fraction(int(match["mixed"]), below) if below else 0
    elif below:
        value /= below
    return as_text(-value if match["sign"] or match["inner"] else value)


def as_text(value: Fraction) -> str:
    """A number as text: ``18``, ``0.5``; a fraction if no short decimal is exact."""
    if value.denominator == 1:
        return str(value.numerator)
    scaled = value * 10**LONGEST
    if scaled.denominator != 1:
        return f"{value.numerator}/{value.denominator}"
    sign, digits = "-" if value < 0 else "", str(abs(scaled.numerator)).zfill(LONGEST + 1)
    return f"{sign}{digits[:-LONGEST]}.{digits[-LONGEST:].rstrip('0')}"


def figures(text: str) -> Iterator[str]:
    """Every number in the text on its own, terms of fractions too, without signs."""
    for digits in _FIGURE.findall(text):
        if len(digits) <= LONGEST:
            yield as_text(Fraction(digits.replace(",", "")))
