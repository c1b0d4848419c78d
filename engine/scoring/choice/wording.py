"""Recognises an option in other words: misspelt, inflected, with an extra article, or in part.

Words are compared by their stems, and long words also by difflib (a letter more, fewer or
swapped). What tells options apart are the words that only one of them has.
"""

from __future__ import annotations

import re
from collections import Counter
from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIKE: Final = 0.8  # difflib's ratio of "feild" and "field"
_LONGEST: Final = 60  # words of a statement that are compared
_WORD: Final = re.compile(r"[^\W_]+")
_NEGATION: Final = re.compile(r"n't\b|\bcannot\b", re.IGNORECASE)
_NEGATIONS: Final = frozenset({"not", "no", "never", "none", "without", "neither", "nor"})
_FILLERS: Final = frozenset(
    re.findall(
        r"\w+",
        "a an the to of in on at by for with from into and or so as then is are was were be been "
        "do does did has had will would can could should it its this that these those my our "
        "they them their he him his she her you your i we",
    )
)
_ENDING: Final = re.compile(r"(?:ies|ied|ying|y)$|(?:ing|ed|(?<!e)es|s|(?<!e)e)$")
_VOWEL: Final = re.compile(r"[aeiouy]")


def stem(word: str) -> str:
    """A rough stem of a word: the same for ``watching``, ``watched`` and ``watches``."""
    ending = _ENDING.search(word)
    if len(word) < 4 or ending is None:
        return word
    rest = word[: ending.start()]
    if not _VOWEL.search(rest):
        return word
    if "y" in ending[0] or ending[0].startswith("ie"):
        return rest + "i"
    doubled = ending[0] in ("ing", "ed") and rest[-1:] == rest[-2:-1] and rest[-1] not in "lsz"
    return rest[:-1] if doubled else rest


def words(text: str) -> list[str]:
    return _WORD.findall(_NEGATION.sub(" not", text.casefold()).replace("'s ", " "))


class Wording:
    """The options' words, and which of them occur in only one option."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.negations = [sum(word in _NEGATIONS for word in words(text)) for text in texts]
        self.content = [self._content(text) for text in texts]
        shared = Counter(word for option in self.content for word in option)
        self.unique = [{w for w in option if shared[w] == 1} for option in self.content]
        self.known = frozenset(shared)
        spoken = [set(words(text)) for text in texts]
        self.fillers = frozenset(w for option in spoken if option <= _FILLERS for w in option)

    @staticmethod
    def _content(text: str) -> set[str]:
        said = words(text)
        kept = {stem(word) for word in said if word not in _FILLERS and word not in _NEGATIONS}
        return kept or {stem(word) for word in said}

    def nearest(self, text: str, share: float, distinct: float) -> int | None:
        """The one option that ``text`` expresses in other words.

        It has at least ``share`` of the option's words, at least ``distinct`` of those that no
        other option has (or all of several such), none that only another option has, and as many
        negations.
        """
        spoken = words(text)[:_LONGEST]
        said = {stem(word) for word in spoken if word not in _FILLERS or word in self.fillers}
        said |= {stem(a + b) for a, b in pairwise(spoken)} & self.known  # "flash light"
        said |= {known for word in said - self.known for known in self._like(word)}
        told = [index for index, unique in enumerate(self.unique) if unique & said]
        if len(told) != 1:
            return None
        (index,) = told
        content, unique = self.content[index], self.unique[index]
        enough = (
            (
                len(content & said) >= share * len(content)
                and len(unique & said) >= distinct * len(unique)
            )
            or (unique <= said and len(unique) > 1)
            or (unique <= said and 2 * len(unique) < len(content))
        )
        negations = sum(word in _NEGATIONS for word in spoken)
        return index if enough and negations == self.negations[index] else None

    def all_own(self, text: str) -> set[int]:
        """The options whose several distinctive words are all in the text."""
        said = {stem(word) for word in words(text)[:_LONGEST]}
        return {n for n, unique in enumerate(self.unique) if len(unique) > 1 and unique <= said}

    def of_part(self, text: str) -> int | None:
        """The option that contains all of the words, at least one of which no other option has."""
        said = {stem(word) for word in words(text)[:_LONGEST] if word not in _FILLERS}
        found = [
            index
            for index, content in enumerate(self.content)
            if said <= content and said & self.unique[index]
        ]
        return found[0] if len(found) == 1 else None

    def _like(self, word: str) -> list[str]:
        """The options' words of which ``word`` is a misspelling."""
        if len(word) < 5:
            return []
        return [
            known
            for known in self.known
            if known[0] == word[0]
            and abs(len(known) - len(word)) <= 2
            and len(known) > 3
            and SequenceMatcher(None, known, word).ratio() >= _LIKE
        ]
