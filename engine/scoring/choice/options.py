"""Finds the texts of a question's options in a reply, and which options it names."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

from engine.scoring.choice.values import Values
from engine.scoring.choice.wording import Wording
from engine.scoring.text import LETTERS, plain, sentence_before, sentence_from

if TYPE_CHECKING:
    from collections.abc import Sequence

_STARS: Final = str.maketrans("", "", "*_")
_RUPEES: Final = re.compile(r"\bRs\.")  # its full stop ends no sentence
_SKIPPED: Final = " ):.-,(\n\"'"  # between a letter and its option's text
_MARKS: Final = 6  # of those that an option's own text may begin with: "(60-6)", "- pen"
_ARTICLE: Final = re.compile(r"[\"'(]{0,2}(?:(?:the|an?|to|in|at|on)\s){0,2}", re.IGNORECASE)
_GOES_ON: Final = re.compile(r"\.\s[a-z]")
_NO_ONE: Final = re.compile(
    r"(?:none|all|both|neither)\sof\s(?:the|these)\b|none$|(?:it\s)?cannot\sbe\s\w+|"
    r"can't\sbe\s\w+|not\senough|no\schange|neither$|both$",
    re.IGNORECASE,
)
NEGATED: Final = re.compile(
    r"\b(?:not|never|no|nobody|neither|nor|cannot|wrong|incorrect|unlike)\b|n't\b", re.IGNORECASE
)
_NOT_BUT: Final = re.compile(
    r"(?:\bnot\b|n't\b)[^.;\n]{1,50}?,?\s(?:but|rather)\s(?:rather\s)?", re.IGNORECASE
)
_CONTRASTED: Final = re.compile(
    r"\b(?:whereas|rather\sthan|instead\sof|as\sopposed\sto)\b[^,;]*$", re.IGNORECASE
)
_BUT: Final = re.compile(r"\b(?:but|however)\b(?: not\b)?\s?", re.IGNORECASE)
_AGAINST: Final = re.compile(r"\bnot\b|n't\b|\bless\b", re.IGNORECASE)
RULED_OUT: Final = re.compile(
    r"""["')]?\s?(?:[-:,]\s?)?(?:which\s|that\s)?
    (?: (?:is|are|was|were|seems|looks|sounds|(?:would|can|could|should|must|may|has\sto)\sbe|
           (?:has|have)\sbeen|gets?)
        (?:\s\w+){0,2}?\s
        (?:not|wrong|incorrect|false|out|unlikely|irrelevant|impossible|implausible|eliminated|
           excluded|unrelated|too|ruled\sout|discarded|dismissed|rejected|crossed|removed|
           disregarded|ignored|invalid|unsuitable|inappropriate)\b
      | (?:is|was|are|does|do|would|could|ca|can|did|wo)n't
      | cannot | (?:can|does|do|would|could)\snot
      | makes\s(?:no|little)\ssense
      | (?:incorrect|wrong|no|false|not\s(?:correct|right|likely|relevant|suitable))
        (?:[.,;]|$)
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def unmarked(text: str) -> str:
    """The text as plain text, without the stars and underscores of emphasis."""
    return _RUPEES.sub("Rs", plain(text).translate(_STARS))


def _denied(before: str) -> bool:
    """Whether the words before it in its sentence deny it; "not A, but B" doesn't deny B."""
    before = _NOT_BUT.sub("", before)
    return bool(NEGATED.search(before) or _CONTRASTED.search(before))


class Options:
    """The options of one question, in the order of their letters."""

    def __init__(self, choices: Sequence[str]) -> None:
        self.texts = [unmarked(choice).strip().rstrip(".") for choice in choices]
        self.letters = LETTERS[: len(choices)]
        self._stopped = {a for a, c in zip(LETTERS, choices, strict=False) if c.endswith(".")}
        self.refuses = any(_NO_ONE.match(text) for text in self.texts)

    @cached_property
    def wording(self) -> Wording:
        return Wording(self.texts)

    @cached_property
    def values(self) -> Values:
        return Values(self.texts)

    def own_text(self, text: str, letter: str, end: int) -> int:
        """Where the option's text after its letter ends; 0 if it doesn't follow."""
        option = self.texts[self.letters.index(letter)]
        first = end
        while end < len(text) and text[end] in _SKIPPED:
            end += 1
        article = _ARTICLE.match(text, end)
        begins = range(max(first, end - _MARKS), end)  # the option's own text may begin with one
        for start in (end, article.end() if article else end, *begins):
            follows = text[start : start + len(option)].casefold() == option.casefold()
            if option and follows:
                end = start + len(option)
                stops = letter in self._stopped and _GOES_ON.match(text, end)
                return end + 1 if stops else end
        return 0

    def starts_a_text(self, text: str, position: int, letter: str) -> bool:
        """Whether an option's text begins here: "E. coli" is not option E."""
        if letter in self.texts:  # an option whose text is "c"
            return letter.islower()
        ahead = text[position : position + 400].casefold()
        return any(len(o) > 1 and ahead.startswith(o.casefold()) for o in self.texts)

    def ends_a_text(self, text: str, end: int) -> bool:
        """Whether an option's text ends here: the D of "vitamin D"."""
        return any(len(o) > 1 and text.endswith(o, 0, end) for o in self.texts)

    def at(self, text: str, position: int) -> tuple[str, int] | None:
        """The one option whose text begins here, the longest of several, and where it ends."""
        article = _ARTICLE.match(text, position)
        position = article.end() if article else position
        here = [
            (len(option), letter)
            for letter, option in zip(self.letters, self.texts, strict=True)
            if option
            and text[position : position + len(option)].casefold() == option.casefold()
            and not text[position + len(option) : position + len(option) + 1].isalnum()
        ]
        longest = max((length for length, _ in here), default=0)
        letters = [letter for length, letter in here if length == longest]
        return (letters[0], position + longest) if len(letters) == 1 else None

    @cached_property
    def _any(self) -> re.Pattern[str] | None:
        """All options' texts as whole words, longer texts first."""
        texts = sorted({t for t in self.texts if t}, key=len, reverse=True)
        union = "|".join(re.escape(text) for text in texts)
        return re.compile(rf"(?<!\w)(?:{union})(?!\w)", re.IGNORECASE) if texts else None

    def named(self, text: str) -> list[tuple[str, bool]]:
        """The options' texts that occur, in order, each with whether it is not negated."""
        if self._any is None:
            return []
        return [
            (
                found.group().casefold(),
                not _denied(sentence_before(text, found.start(), 60))
                and not RULED_OUT.match(text, found.end())
                and not self._turned(text, found.end()),
            )
            for found in self._any.finditer(text)
        ]

    def _turned(self, text: str, end: int) -> bool:
        """Whether the sentence then denies it: "waves, but not tides"; not "but not (B) wind"."""
        rest = sentence_from(text, end, 200)
        turn = _BUT.search(rest)
        if turn is None or not _AGAINST.search(rest, turn.start()):
            return False
        return "not" not in turn[0] or self.at(text, end + turn.end()) is None

    def only(self, text: str) -> str | None:
        """The letter of the only option whose text occurs in ``text`` without negation."""
        standing = {option for option, stands in self.named(text) if stands}
        return self.letter_of(standing.pop()) if len(standing) == 1 else None

    def letter_of(self, named: str) -> str | None:
        """The letter of the option with this text; None if two options share it."""
        same = [
            letter
            for letter, option in zip(self.letters, self.texts, strict=True)
            if option.casefold() == named
        ]
        return same[0] if len(same) == 1 else None
