"""Whether a reply was cut off, told from the text alone where nobody says it."""

from __future__ import annotations

import re
from typing import Final

_LONG: Final = 250  # characters; a short reply may do without its full stop
_TAIL: Final = 25
_LOOPED: Final = 4
_OPEN: Final = re.compile(
    r"(?:[=+*/\\({\[,<-]|\b(?:and|or|the|a|an|of|to|is|are|with|that|which|for|in|on|by|their|so|"
    r"because|since|as|we|if|their|from|be))$"
)
_PROSE: Final = re.compile(r"\w+(?:[^\w\n]+\w+){4}[^.!?:)\]}\"'\n]{0,20}$")


def _loops(text: str) -> bool:
    """Its last words come often, or the same passage comes three times at its end."""
    tail = text[-_TAIL:]
    before = text.rfind(tail, 0, len(text) - 1)
    period = len(text) - _TAIL - before
    return text.count(tail) >= _LOOPED or (before >= 0 and text.endswith(text[-period:] * 3))


def is_cut_off(text: str) -> bool:
    """It repeats itself to its end, stops at an operator or a small word, or in long prose."""
    text = text.rstrip()
    if len(text) > _LOOPED * _TAIL and _loops(text):
        return True
    if len(text) > _LONG / 3 and _OPEN.search(text[-12:]):
        return True
    return len(text) > _LONG and bool(_PROSE.search(text[-80:]))
