"""Finds the content of LaTeX's ``\\boxed{}`` in a text."""

from __future__ import annotations

import re
from typing import Final

_OPEN: Final = re.compile(r"\\(?:boxed|fbox)\s?\{")
_BRACE: Final = re.compile(r"[{}]")
_SHORT: Final = re.compile(r"\\(?:boxed|fbox)\s([^\s$.]+)")


def last_boxed(text: str) -> str | None:
    """The content of the last complete ``\\boxed{...}``, braces balanced; also ``\\boxed 5``.
    ``\\fbox`` is a box too."""
    end = len(text)
    for opening in reversed([m.end() for m in _OPEN.finditer(text)]):
        depth = 1
        for brace in _BRACE.finditer(text, opening, end):
            depth += 1 if brace.group() == "{" else -1
            if depth == 0:
                return text[opening : brace.start()].strip()
        end = opening  # what follows is unbalanced: an earlier box can't reach beyond
    short = _SHORT.findall(text)
    return short[-1] if short else None
