"""Shorten names that share most of their words, keeping what tells them apart."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterable

GAP = "…"


class Names:
    """Shortens names by leaving out the words that most of the noted names have, so that the
    differences stay visible."""

    def __init__(self) -> None:
        self._having: Counter[str] = Counter()

    def note(self, names: Iterable[str]) -> None:
        """Note all names that are shown beside each other."""
        self._having = Counter(word for name in names for word in set(name.split()))

    def short(self, name: str, room: int) -> str:
        """Shorten a name to ``room`` cells, as ``both … s7``; as a last resort cut its middle."""
        words = name.split()
        left_out: set[int] = set()
        for at in sorted(
            range(len(words)), key=lambda n: (-self._having[words[n]], -len(words[n]))
        ):
            if cell_len(_said(words, left_out)) <= room or len(left_out) == len(words) - 1:
                break
            left_out.add(at)
        for at in sorted(left_out, key=lambda n: self._having[words[n]]):  # the telling ones first
            if cell_len(_said(words, left_out - {at})) <= room:
                left_out.remove(at)
        return middle_cut(_said(words, left_out), room)


def _said(words: list[str], left_out: set[int]) -> str:
    """Join the words, merging neighbouring gaps."""
    shown = [GAP if n in left_out else word for n, word in enumerate(words)]
    return " ".join(w for n, w in enumerate(shown) if w != GAP or shown[n - 1 : n] != [GAP])


def middle_cut(text: str, room: int) -> str:
    """Keep the text's beginning and end, if there is no room for all of it."""
    if cell_len(text) <= room or room < 1:
        return text
    left = (room - 1) // 2
    right = room - 1 - left
    return text[:left] + GAP + (text[-right:] if right else "")
