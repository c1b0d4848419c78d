"""Find where two texts differ, word by word."""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Span = tuple[int, int]  # first and past-the-last character
WORDS = 600  # compared of each text; the matcher's time grows with their product
_WORD = re.compile(r"\S+")


def differences(left: str, right: str) -> tuple[list[Span], list[Span]]:
    """Return the parts that only one text has, comparing their first :data:`WORDS` words."""
    mine, theirs = _words(left), _words(right)
    matcher = SequenceMatcher(
        None, [left[a:b] for a, b in mine], [right[a:b] for a, b in theirs], autojunk=False
    )
    only_left: list[Span] = []
    only_right: list[Span] = []
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind != "equal":
            only_left += _joined(mine[i:j])
            only_right += _joined(theirs[k:m])
    return only_left, only_right


def _words(text: str) -> list[Span]:
    found: list[Span] = []
    for match in _WORD.finditer(text):
        if len(found) == WORDS:
            break
        found.append(match.span())
    return found


def _joined(words: Sequence[Span]) -> list[Span]:
    return [(words[0][0], words[-1][1])] if words else []
