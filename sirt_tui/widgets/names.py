"""Names that share most of their words, made short where they are alike."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterable

GAP = "…"


class Names:
    """``short`` leaves out the words that most of the noted names have, so that what tells a name
    from the others stays to be seen."""

    def __init__(self) -> None:
        self._having: Counter[str] = Counter()

    def note(self, names: Iterable[str]) -> None:
        """All names that are shown beside each other."""
        self._having = Counter(word for name in names for word in set(name.split()))

    def short(self, name: str, room: int) -> str:
        """In so many cells: ``both … s7``; at last cut in its middle."""
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
    """Gaps beside each other are one."""
    shown = [GAP if n in left_out else word for n, word in enumerate(words)]
    return " ".join(w for n, w in enumerate(shown) if w != GAP or shown[n - 1 : n] != [GAP])


def middle_cut(text: str, room: int) -> str:
    """Beginning and end, where there is no room for all."""
    if cell_len(text) <= room or room < 1:
        return text
    left = (room - 1) // 2
    right = room - 1 - left
    return text[:left] + GAP + (text[-right:] if right else "")
