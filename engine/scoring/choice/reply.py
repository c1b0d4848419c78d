"""Finds the option letters in a reply: which are named together, which are ruled out.

An article, a part label, a variable and the letter of a wrong option are not option letters.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from engine.scoring.choice.options import RULED_OUT
from engine.scoring.text import sentence_from

if TYPE_CHECKING:
    from engine.scoring.choice.options import Options

_SENTENCE_ENDS: Final = re.compile(r"(?<!\b[A-J])[.!?][\"')]?\s|\n")
_WORD: Final = re.compile(r"\w")
_JOINED: Final = r"(?![\w'+*]|-\w|[/&](?![A-Ja-j]\b))"  # "A-level" and "A/c" are no letters
_OPERATOR: Final = re.compile(r"[ ]?(?:[+*^=>≤≥×÷·\\|]|<(?!/))")
_LETTER: Final = re.compile(
    r"""(?P<open>[(\[{"'<$]{0,3})(?P<letter>[A-Ja-j])(?P<close>[ ]?[)\]}"'>$]{1,3})?""" + _JOINED
)
_MARKER: Final = re.compile(
    r"(?P<cue>\b(?:[Oo]ption|[Cc]hoice|[Ll]etter|[Aa]nswer|[Ss]olution)s? )?"
    r"(?:(?P<open>[(\[])?(?P<letter>(?<![\w'.°\\^{|-])[A-J])(?P<close>[)\]])?"
    r"|\((?P<lower>[a-j])\))" + _JOINED
)
_AFTER_ARTICLE: Final = re.compile(
    r"[ ](?:because|since|as|for|is|which|and|but|with|due|given|based|in|on|by|-|\()"
)
_RANGE: Final = re.compile(r"\s?(?:through|to|-)\s?")
_LIST: Final = re.compile(
    r"""[\s"'$]*(?:,|/|&|\band\b|\bor\b|\bnor\b|\bas\swell\sas\b|\bplus\b)[\s,;/&"'$]*
    (?:(?:and|or|either|also|both|possibly|maybe|perhaps|even|option|choice|answer|the|with|
        (?:but\s)?it\s(?:could|might|may)\salso\sbe)[\s,]+){0,4}""",
    re.IGNORECASE | re.VERBOSE,
)
_ROW: Final = re.compile(r"[\s,;]*")
_LOOSE: Final = re.compile(
    r",?(?: [\w'-]+){1,4},? (?:or|and) (?:the |option |choice )?|"
    r",? (?:or|and)(?: [\w'-]+){1,4} "
)
_REASON: Final = re.compile(r"\b(?:because|since|as|not|but|than|is|are|was|for)\b", re.IGNORECASE)
_ITEM_ENDS: Final = re.compile(r"[\"')\].]*\s?(?:$|[,;.\n(\[]|and\b|or\b|[A-J]\))")
_ENDS: Final = re.compile(r"[\"')\].]*\s?(?:$|[,;.:!\n(\[-])")
_NOUN: Final = re.compile(r"(?:^|\W)an? $", re.IGNORECASE)  # "got an A"
_SUBJECT: Final = re.compile(r"\s(?:is|was|has|does|did|would|could|can|seems|makes|\w+s\s\w)")
_ENUMERATED: Final = re.compile(r"(?:^|\n|[.!?;,] )(?:[Oo]ption )?[-•(\[]{0,3}([A-J])[)\].:] ?")


@dataclass(frozen=True, slots=True)
class Group:
    """Letters that are named together, as in "(A) bank or (D) mall"; usually only one.

    Attributes:
        start: where the first begins, with its word and bracket.
        end: where the last and its option's text end; ``bare_end`` without that text.
        letters: in their order.
        marked: a bracket or a word says that they are options.
        range: it means "A through E".
    """

    start: int
    end: int
    bare_end: int
    letters: tuple[str, ...]
    marked: bool
    range: bool = False

    @property
    def letter(self) -> str | None:
        return self.letters[0] if len(set(self.letters)) == 1 else None


class Reply:
    """One reply as plain text, and the options it can mean."""

    def __init__(self, text: str, options: Options) -> None:
        self.text = text
        self.options = options

    @cached_property
    def sentences(self) -> list[tuple[int, str]]:
        """The start and text of each sentence or line that holds a word."""
        cuts = [0, *(cut.end() for cut in _SENTENCE_ENDS.finditer(self.text)), len(self.text)]
        parts = [(a, self.text[a:b].rstrip()) for a, b in pairwise(cuts)]
        return [(start, part) for start, part in parts if _WORD.search(part)]

    def letter_at(self, position: int, lower: bool = False) -> re.Match[str] | None:
        """The letter at ``position``, unless it is an article, a word or a wrong option."""
        text = self.text
        match = _LETTER.match(text, position)
        if match is None or match["letter"].upper() not in self.options.letters:
            return None
        rest = text[match.end() : match.end() + 2]
        closed = bool(match["close"]) or rest[:1] in (*".:,;?!)/&\n", "")
        if match["letter"].islower() and not (lower and closed):
            return None
        if self.options.starts_a_text(text, match.start("letter"), match["letter"]):
            return None
        own = self.own_text(match)
        if _OPERATOR.match(text, match.end()) and not own:
            return None
        if match["letter"] in "AI" and not closed:
            sure = _AFTER_ARTICLE.match(text, match.end()) or (own and _ENDS.match(text, own))
            return match if sure else None
        return match

    def own_text(self, match: re.Match[str]) -> int:
        """Where the option's text after its letter ends; 0 if it doesn't follow."""
        return self.options.own_text(self.text, match["letter"].upper(), match.end())

    def is_asserted(self, match: re.Match[str]) -> bool:
        """Whether a letter is neither asked about nor ruled out."""
        text = self.text
        sentence_ends = bool(match["close"]) and text[match.end() : match.end() + 2] == ". "
        end = match.end() if sentence_ends else max(self.own_text(match), match.end())
        while text[end : end + 1] in tuple(")]\"'"):
            end += 1
        if RULED_OUT.match(text, end):
            return False
        rest = sentence_from(text, end, 200)
        return text[end + len(rest) : end + len(rest) + 1] != "?"

    # --- letters that are named together ------------------------------------------------------

    @cached_property
    def groups(self) -> list[Group]:
        """All option letters of the text; letters joined in a list form one group."""
        groups: list[Group] = []
        for marker in _MARKER.finditer(self.text):
            taken = groups[-1].end if groups else 0
            group = self._group_of(marker, taken)
            if group is None:
                continue
            joined = self._join(groups[-1], group) if groups else None
            if joined:
                groups[-1] = joined
            else:
                groups.append(group)
        return groups

    @cached_property
    def _group_at(self) -> dict[int, Group]:
        """The groups by the position of their first letter."""
        return {self._first_letter(group): group for group in self.groups}

    def _first_letter(self, group: Group) -> int:
        found = _MARKER.match(self.text, group.start)
        assert found is not None
        return found.start("letter") if found["letter"] else found.start("lower")

    def group_at(self, match: re.Match[str]) -> Group | None:
        """The group that begins with this letter."""
        return self._group_at.get(match.start("letter"))

    def quotes(self, position: int) -> bool:
        """Whether ``position`` is inside a group: a letter with its text, or a list of them."""
        index = bisect_right(self._starts, position) - 1
        return index >= 0 and self.groups[index].start < position < self.groups[index].end

    @cached_property
    def _starts(self) -> list[int]:
        return [group.start for group in self.groups]

    def _group_of(self, marker: re.Match[str], taken: int) -> Group | None:
        """The letter as a group; None if it is no option's letter or inside an option's text."""
        name = "letter" if marker["letter"] else "lower"
        letter, position = marker[name].upper(), marker.start(name)
        options = self.options
        if letter not in options.letters or position < taken:
            return None
        if options.starts_a_text(self.text, position, letter):
            return None
        if options.ends_a_text(self.text, marker.end()):
            return None
        own = options.own_text(self.text, letter, marker.end())
        bare = not (marker["open"] or marker["close"] or marker["cue"] or marker["lower"])
        if bare and _NOUN.search(self.text[max(0, marker.start() - 3) : marker.start()]):
            return None
        if bare and self.text[marker.end() : marker.end() + 1] == " " and letter == "A":
            own = own if self.text[own : own + 1] in tuple("\n,;.") else 0  # else an article
        if not own and self._is_variable(marker):
            return None
        opened = marker["open"] or marker["lower"]
        begins_line = marker.start() == 0 or self.text[marker.start() - 1] in "\n.:;,! "
        closed = marker["close"] and (opened or begins_line)
        start = marker.start() if marker.start() >= taken else marker.end("cue")
        return Group(
            start,
            max(own, marker.end()),
            marker.end(),
            (letter,),
            bool(closed or marker["cue"] or marker["lower"]),
        )

    def _is_variable(self, marker: re.Match[str]) -> bool:
        """Whether the letter is a variable, with an operator beside it: "(A) + (B) = 7"."""
        before = self.text[max(0, marker.start() - 2) : marker.start()].rstrip()
        return before[-1:] in tuple("+*^=<>\\") or bool(_OPERATOR.match(self.text, marker.end()))

    def _join(self, left: Group, right: Group) -> Group | None:
        """Join two groups if only a list's commas and words are between them."""
        ends = [end for end in {left.end, left.bare_end} if end <= right.start <= end + 60]
        bare = right.letters[0] in "AI" and not right.marked
        if bare and not _ITEM_ENDS.match(self.text, right.end):
            return None
        for end in ends:
            gap = self.text[end : right.start].lstrip(")]\"'")
            is_range = bool(_RANGE.fullmatch(gap)) and left.letters[-1] < right.letters[0]
            if is_range or self._lists(gap, left, right):
                marked = left.marked or right.marked
                letters = left.letters + right.letters
                return Group(left.start, right.end, right.bare_end, letters, marked, is_range)
        return None

    def _lists(self, gap: str, left: Group, right: Group) -> bool:
        ruled_out = RULED_OUT.match(self.text, right.end)
        alone = ruled_out and not RULED_OUT.match(self.text, left.end)
        if _LIST.fullmatch(gap):
            if re.search(r"\b(?:or|and|nor)\b|[/&]", gap):
                return True
            return not _SUBJECT.match(self.text, right.end)
        full = left.end > left.bare_end and right.end > right.bare_end
        if _ROW.fullmatch(gap[1:] if full and gap[:1] == "." else gap):
            bracketed = left.marked and right.marked and gap.strip("\n") == gap
            return (full or bracketed) and bool(_ITEM_ENDS.match(self.text, right.end))
        loose = _LOOSE.fullmatch(gap)
        return bool(loose and right.marked and not _REASON.search(gap) and not alone)

    @cached_property
    def goes_through_several(self) -> bool:
        """Whether the reply discusses several options, each at the start of a line or sentence."""
        found = {match[1] for match in _ENUMERATED.finditer(self.text)}
        return len(found & set(self.options.letters)) > 1
