"""Options that are quantities (``$1,800``, ``40 km/hr``, ``3/4``), compared by their values."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_FRACTION: Final = re.compile(r"\\[dt]?frac\s?\{(-?[0-9]{1,15})\}\s?\{([0-9]{1,15})\}")
_QUANTITY: Final = re.compile(
    r"(?<![\w.^])(?P<sign>-)?\s?(?:[$€£¥]|Rs\.?)?\s?"
    r"(?P<whole>[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,15})?(?P<rest>\.[0-9]{1,15})?"
    r"(?:/(?P<below>[0-9]{1,15}))?(?![0-9])",
)
_UNIT: Final = re.compile(r"\s?[%°]?\s?(?:[A-Za-z.²³/]{1,12}\s?){0,3}(?:/-)?$")
_ABOUT: Final = re.compile(
    r"[\"'$( ]*(?:(?:about|approximately|around|roughly|exactly|equal to|simply)\s)?",
    re.IGNORECASE,
)


def quantity(match: re.Match[str]) -> Fraction | None:
    if not match["whole"] and not match["rest"]:
        return None
    value = Fraction((match["whole"] or "0").replace(",", "") + (match["rest"] or ""))
    if match["below"]:
        if not int(match["below"]):
            return None
        value /= int(match["below"])
    return -value if match["sign"] else value


class Values:
    """The options' values; nothing is told by value unless each of the options is one quantity."""

    def __init__(self, texts: Sequence[str]) -> None:
        values = [self._whole(text) for text in texts]
        self.letters: dict[Fraction, str | None] = {}
        if not values or any(value is None for value in values):
            return
        for letter, value in zip("ABCDEFGHIJ", values, strict=False):
            self.letters[value] = None if value in self.letters else letter  # type: ignore[index]

    @staticmethod
    def _whole(text: str) -> Fraction | None:
        text = _FRACTION.sub(r"\1/\2", text).strip("$ ")
        match = _QUANTITY.match(text)
        return quantity(match) if match and _UNIT.match(text, match.end()) else None

    def first(self, text: str) -> tuple[bool, str | None]:
        """Whether ``text`` begins with a quantity, and the letter of the option it equals."""
        text = _FRACTION.sub(r"\1/\2", text)
        start = _ABOUT.match(text)
        match = _QUANTITY.match(text, start.end() if start else 0)
        value = quantity(match) if match and self.letters else None
        return value is not None, self.letters.get(value) if value is not None else None

    def last(self, text: str) -> str | None:
        """The letter of the option that equals the last quantity of ``text``."""
        if not self.letters:
            return None
        found = [quantity(match) for match in _QUANTITY.finditer(_FRACTION.sub(r"\1/\2", text))]
        values = [value for value in found if value is not None]
        return self.letters.get(values[-1]) if values else None
