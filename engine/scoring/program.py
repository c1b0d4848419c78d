"""Removes a program's source code from a reply; what it prints is kept."""

from __future__ import annotations

import re
from typing import Final

_FENCED: Final = re.compile(
    r"```[ \t]{0,4}(?:python3?|py|javascript|js|java|c|cpp|c\+\+|ruby|r|bash|sh)\b"
    r"[^`]{0,8000}(?:```|\Z)",
    re.IGNORECASE,
)
_DIGIT: Final = re.compile(r"[0-9]")


def ends_in_source(text: str) -> bool:
    """Whether the text ends inside a code block of source that is never closed."""
    fenced = list(_FENCED.finditer(text))
    return bool(fenced) and fenced[-1].end() == len(text) and not fenced[-1][0].endswith("```")


def without_source(text: str) -> str:
    """The text without source in code blocks; the whole text if no number would be left."""
    rest = _FENCED.sub("\n", text)
    return rest if _DIGIT.search(rest) else text
