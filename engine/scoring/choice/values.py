"""Compares options that are quantities (``$1,800``, ``40 km/hr``, ``3/4``) by their values."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from engine.scoring.numerals import in_digits, with_digits
from engine.scoring.quantity import quantities
from engine.scoring.text import LETTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNIT: Final = re.compile(r"\s?[%°]?\s?(?:[A-Za-z.²³/]{1,12}\s?){0,3}(?:/-)?\$?$")
_DIGIT: Final = re.compile(r"[0-9]")
_RANGE: Final = re.compile(r"\b(?:or|and|to)\s[$€£]?$|^\s?-\s?[$€£]?$")
_ABOUT: Final = re.compile(
    r"[\"'$€£( -]*(?:(?:about|approximately|around|roughly|exactly|equal to|simply)\s)?"
    r"(?:Rs\.?)?[\"'$€£( -]*",
    re.IGNORECASE,
)


class Values:
    """The options' values, which are used only if every option is a single quantity."""

    def __init__(self, texts: Sequence[str]) -> None:
        values = [self._begins(text, whole=True) for text in texts]
        self.letters: dict[Fraction, str | None] = {}
        if None in values:
            return
        for letter, value in zip(LETTERS, values, strict=False):
            if value is not None:
                self.letters[value] = None if value in self.letters else letter

    @staticmethod
    def _begins(text: str, whole: bool = False) -> Fraction | None:
        """The quantity at the start of ``text``; if ``whole``, only its unit may follow."""
        text = in_digits(with_digits(text[:200])).strip()
        first = next(quantities(text), None)
        if first is None or not _ABOUT.fullmatch(text[: first.start]):
            return None
        alone = not whole or _UNIT.match(text, first.end)
        return Fraction(first.value) if alone else None

    def first(self, text: str) -> tuple[bool, str | None]:
        """Whether ``text`` begins with a quantity, and the letter of the option it equals."""
        value = self._begins(text) if self.letters else None
        return value is not None, self.letters.get(value) if value is not None else None

    def last(self, text: str) -> str | None:
        """The letter of the option that equals the last quantity of ``text``."""
        text = with_digits(text)
        if not _DIGIT.search(text):  # in words: all that is said, or what it "is"
            value = self._begins(in_digits(text.rpartition(" is ")[2]), whole=True)
            return self.letters.get(value) if value is not None else None
        found = list(quantities(text)) if self.letters else []
        if not found or _DIGIT.search(text, found[-1].end):
            return None  # a part of a ratio, or of an expression with unknowns
        if len(found) > 1 and _RANGE.search(text, found[-2].end, found[-1].start):
            return None
        return self.letters.get(Fraction(found[-1].value))
