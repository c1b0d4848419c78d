"""Shorten names that share most of their words, keeping what tells them apart."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby
from os.path import commonprefix
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

GAP = "…"
SPACED, TIGHT = f" {GAP} ", GAP  # how a gap is written: tight where room is short

Words = tuple[str, ...]


class Names:
    """Shortens names by leaving out as few words as there is no room for, and those first that
    tell the noted names least apart."""

    def __init__(self) -> None:
        self._noted: frozenset[str] = frozenset()
        self.longest = 0  # cells of the longest one
        self._known: tuple[Counter[str], set[str]] | None = None  # once a name must be shortened

    def note(self, names: Iterable[str]) -> None:
        """Note all names that are shown beside each other."""
        noted = frozenset(names)
        if noted != self._noted:
            self._noted, self._known = noted, None
            self.longest = max(map(cell_len, noted), default=0)

    def short(self, name: str, room: int) -> str:
        """Shorten a name to ``room`` cells, as ``both … s7``; as a last resort cut its middle."""
        if cell_len(name) <= room:
            return name
        words = name.split()
        order = sorted(set(words), key=lambda word: self._worth(word, word == words[0]))
        lost = _fewest(words, order, room)
        spaced = _said(words, lost, SPACED)
        return spaced if cell_len(spaced) <= room else middle_cut(_said(words, lost, TIGHT), room)

    def _worth(self, word: str, first: bool) -> tuple[int, int, str]:
        """The order in which words are left out: those that tell little, the longest first; then
        the ``first`` one, which says what it is; then the commonest of those that tell names
        apart."""
        if self._known is None:
            split = {tuple(name.split()) for name in self._noted}
            having = Counter(word for words in split for word in set(words))
            self._known = having, _spare(split, having)
        having, spare = self._known
        worth = 0 if word in spare and not first else len(self._noted) + 1 - having[word]
        return worth, -cell_len(word), word


def _spare(names: Collection[Words], having: Mapping[str, int]) -> set[str]:
    """Return the words that tell little: at least half of the names have them, and no two names
    differ in them alone."""
    return {word for word, n in having.items() if 2 * n >= len(names) and not _tells(word, names)}


def _tells(word: str, names: Collection[Words]) -> bool:
    """Whether some name becomes another one when one of its words is this one, or this is added."""
    return any(
        (*words[:n], word, *words[rest:]) in names
        for words in names
        if word not in words
        for n in range(len(words) + 1)
        for rest in (n, n + 1)
    )


class Ids:
    """Shortens ids that begin alike, as those of one file's items do: ``…0010``."""

    def __init__(self) -> None:
        self._alike: str | None = None  # how all noted ids begin, up to a sign
        self.longest = 0  # cells of the longest one
        self.telling = 0  # cells of the longest one without what all have

    def note(self, ids: Iterable[str]) -> None:
        """Note ids that are shown beside each other."""
        for one in ids:
            alike = one if self._alike is None else commonprefix([self._alike, one])  # noqa: RUF071
            self._alike = alike
            self.longest = max(self.longest, cell_len(one))
        beginning = self._beginning
        self.telling = self.longest - len(beginning) + cell_len(GAP if beginning else "")

    def short(self, one: str, room: int) -> str:
        """Shorten an id to ``room`` cells: its end tells it from others that begin alike."""
        beginning = self._beginning
        if cell_len(one) > room > 1 and beginning and one.startswith(beginning):
            return GAP + one[len(beginning) :][1 - room :]
        return middle_cut(one, room)

    @property
    def _beginning(self) -> str:
        alike = self._alike or ""
        return alike[: len(alike) - len(re.split(r"[\W_]", alike)[-1])]


def _fewest(words: Sequence[str], order: Sequence[str], room: int) -> set[str]:
    """Return the words to leave out, in this order and no more than needed; the last one stays."""
    lost: set[str] = set()
    for word in order[:-1]:
        if _fits(words, lost, room):
            break
        lost.add(word)
    for word in reversed(order):
        if word in lost and _fits(words, lost - {word}, room):
            lost.remove(word)
    return lost


def _fits(words: Sequence[str], lost: set[str], room: int) -> bool:
    return cell_len(_said(words, lost, TIGHT)) <= room


def _said(words: Sequence[str], lost: set[str], gap: str) -> str:
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
