"""Shorten names that share most of their words, keeping what tells them apart."""

from __future__ import annotations

import heapq
from collections import Counter
from itertools import groupby
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterable

GAP = "…"
SPACED, TIGHT = f" {GAP} ", GAP  # how a gap is written: tight where room is short
JUDGED = 100  # of the longest names, which decide what is left out

Cut = tuple[set[str], str]  # the words left out, and how a gap is written


class Names:
    """Shortens names by leaving out the words that most of the noted names have, so that the
    differences stay visible. Names that are cut lose the same words, where that is enough."""

    def __init__(self) -> None:
        self._having: Counter[str] = Counter()
        self._common: set[str] = set()  # words that at least half of the names have
        self._longest: list[list[str]] = []
        self._cuts: dict[int, Cut] = {}  # by the room

    def note(self, names: Iterable[str]) -> None:
        """Note all names that are shown beside each other."""
        whole = set(names)
        self._having = Counter(word for name in whole for word in set(name.split()))
        common = {word for word, having in self._having.items() if 2 * having >= len(whole)}
        longest = [name.split() for name in heapq.nlargest(JUDGED, whole, key=cell_len)]
        if (longest, common) != (self._longest, self._common):
            self._longest, self._common, self._cuts = longest, common, {}

    def short(self, name: str, room: int) -> str:
        """Shorten a name to ``room`` cells, as ``both … s7``; as a last resort cut its middle."""
        if cell_len(name) <= room:
            return name
        if room not in self._cuts:
            self._cuts[room] = self._cut(room)
        words, (lost, gap) = name.split(), self._cuts[room]
        if lost.issuperset(words) or not _fits([words], lost, gap, room):
            others = {*words} - {min(words, key=self._having.__getitem__)}
            lost, gap = self._fewest(others, [words], TIGHT, room), TIGHT
        return middle_cut(_said(words, lost, gap), room)

    def _cut(self, room: int) -> Cut:
        """Return the cut with which the longest names fit, but for those that can't."""
        judged = [words for words in self._longest if _fits([words], self._common, TIGHT, room)]
        gap = SPACED if _fits(judged, self._common, SPACED, room) else TIGHT
        return self._fewest(self._common, judged, gap, room), gap

    def _fewest(self, words: set[str], names: list[list[str]], gap: str, room: int) -> set[str]:
        """Return which of the words these names must lose to fit the room: the commonest, and no
        more than needed."""
        lost: set[str] = set()
        for word in sorted(words, key=lambda word: (-self._having[word], -len(word), word)):
            if _fits(names, lost, gap, room):
                break
            lost.add(word)
        for word in sorted(lost, key=lambda word: (self._having[word], word)):  # the telling first
            if _fits(names, lost - {word}, gap, room):
                lost.remove(word)
        return lost


def _fits(names: Iterable[list[str]], lost: set[str], gap: str, room: int) -> bool:
    return all(cell_len(_said(words, lost, gap)) <= room for words in names)


def _said(words: list[str], lost: set[str], gap: str) -> str:
    """Join the words, with one gap for neighbours that are left out."""
    parts = [
        gap if out else " ".join(kept) for out, kept in groupby(words, lambda word: word in lost)
    ]
    return "".join(parts).strip()


def middle_cut(text: str, room: int) -> str:
    """Keep the text's beginning and end, if there is no room for all of it."""
    if cell_len(text) <= room or room < 1:
        return text
    left = (room - 1) // 2
    right = room - 1 - left
    return text[:left] + GAP + (text[-right:] if right else "")
