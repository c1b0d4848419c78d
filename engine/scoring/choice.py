"""Option letters: where a text commits itself to one.

Tiers, most explicit first:

===================  ==============================================================
``boxed``            ``\\boxed{D}``
``statement``        "the answer is D", "D) Venice is correct", "I choose (D)"; the last one
``first_letter``     the text begins "D) Venice ..."
``last_letter``      the text ends in a line or sentence that is only "D" or "(D) Venice"
``conclusion``       "so it must be D"
``mention``          one letter alone is mentioned ("option D fits") and not ruled out
``statement_text``   "the answer is Venice": exactly one option's text, with no letter
``text``             exactly one option's text occurs in the whole answer
===================  ==============================================================

An option whose text equals another's is never told by its text. A letter that is asked about,
ruled out or offered beside another ("A or B") is no answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.scoring.boxed import last_boxed
from engine.scoring.text import LETTERS, plain, sentence_before, sentence_from

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.scoring.text import Asked, Rule

_FLAGS: Final = re.IGNORECASE | re.VERBOSE
_BE: Final = r"(?:is|was|(?:would|will|should|must|could|might|may)\sbe|has\sto\sbe|seems\sto\sbe)"
_ADVERB: Final = (
    r"(?:most\slikely|likely|probably|definitely|clearly|therefore|thus|then|simply|indeed|"
    r"obviously|actually|really|hence|surely|certainly|in\sfact|of\scourse)"
)
_GOOD: Final = (
    r"(?:correct|right|best|final|chosen|appropriate|suitable|logical|accurate|plausible|"
    r"likely|sensible|reasonable|fitting|remaining)"
)
_STARS: Final = str.maketrans("", "", "*_")
# What leads to a letter; the letter itself is read by _LETTER right behind it.
_CUE: Final = re.compile(
    rf"""
    (?: \b(?:answer|letter)(?:'s)?(?:\s(?:choice|option|letter|here))?
      | \b{_GOOD}\s(?:option|choice|solution|response|one|letter|selection)\b
      | \b(?:I|we)(?:'d|'ll|\swould|\swill|\smust)?(?:\s(?!(?:cannot|not|never)\b)\w+)?
        \s(?:choose|chose|pick|select|go\swith|opt\sfor|answer)
      | \#\#\#\#
      | (?:\bactually|\bwait|\bno|\brather|\binstead|\bcorrection),?\s(?:it's|it\sis|it\sshould\sbe)
    )
    (?:\s(?:to|for)\s(?:this|the|that)\s(?:question|problem|riddle|above))?
    ["']?
    (?:\s?(?:[:=>]|->)|,?\s{_BE})*
    (?:\s{_ADVERB},?)*
    (?:\s?:)?
    (?:\sthat\sof)?
    (?:\snot\s\(?[A-J]\b[^.\n]{{0,80}}?\bbut\b(?:\s(?:rather|instead))?)?
    (?:\s(?:the\s)?(?:option|choice|letter|answer))?
    [ \n]?[:#]{{0,4}}[ \n]?
    """,
    _FLAGS,
)
_CONCLUSION: Final = re.compile(
    rf"""
    (?: \b(?:so|therefore|thus|hence|consequently|in\sconclusion|finally|conclude(?:\sthat)?)\b
        [,:]?
        (?:\s(?:it's|it\s{_BE}|that's|this\sis|we\shave|we\sget|that\sleaves|the\sonly\sone\sis))?
      | \b(?:it's|it\s{_BE}|I'd\ssay|I\swould\ssay|I\sthink|my\sguess:?|points\sto)
      | \bleav(?:es|ing)(?:\sus)?(?:\swith)?(?:\sonly)?
      | \b(?:no|rather|instead),
      | \bnot\s\(?[A-J]\)?,?\s(?:but|rather)
    )
    (?:\s{_ADVERB})?(?:\s(?:the\s)?(?:option|choice|letter))?\s
    """,
    _FLAGS,
)
# "D) Venice is the correct answer": what follows a letter and, perhaps, its option's text.
_PRAISE: Final = re.compile(
    rf"""
    [.:]?\s?[-:(]\s?(?:this\sis\s)?(?:the\s)?correct\b
    | ,?\s(?:(?:which|that|it)\s)?
    (?: (?:is|must\sbe|would\sbe|has\sto\sbe|seems|seems\sto\sbe)(?:\s{_ADVERB})*
        (?:\sthe)?(?:\s(?:most|only|single))?\s(?:{_GOOD}|answer)\b(?!\sto\s(?:avoid|rule))
      | best\s(?:answers|fits|matches|completes|describes)
      | (?:fits|matches|answers)(?:\sthe\s\w+)?\sbest
      | makes\s(?:the\smost|more)\ssense
    )
    """,
    _FLAGS,
)
_LETTER: Final = re.compile(
    r"""(?P<open>[(\[{"'<$]{0,3})(?P<letter>[A-Ja-j])(?P<close>[ ]?[)\]}"'>$]{1,3})?"""
    r"(?![\w'+*]|[-/&]\w)"
)
_MARKER: Final = re.compile(
    r"(?P<cue>\b(?:[Oo]ption|[Cc]hoice|[Ll]etter|[Aa]nswer) )?"
    r"(?P<open>[(\[])?(?P<letter>(?<![\w'.°-])[A-J])(?P<close>[)\]])?(?![\w'+]|[-/&]\w)"
)
_ENUMERATED: Final = re.compile(r"(?:^|\n|[.!?;,] )(?:[Oo]ption )?[-•(\[]{0,3}([A-J])[)\].:] ?")
_OTHER: Final = re.compile(
    r"(?:\s?(?:,|/|or\b|and\b|&|,\s?or\b|,\s?and\b)\s?)(?:either |maybe |perhaps )?(?:option )?"
    r"[(\[]?(?P<letter>[A-J])(?:[)\].?!,]|$|\n| (?:or|and|are|is|both|could|might|fit))"
)
_RULED_OUT: Final = re.compile(
    r"""\s?(?:[-:,]\s?)?(?:which\s|that\s)?
    (?: (?:is|are|was|were|would\sbe|seems|looks|sounds)(?:\s\w+){0,2}?\s
        (?:not|wrong|incorrect|false|out|unlikely|irrelevant|impossible|implausible|eliminated|
           excluded|unrelated|too)\b
      | (?:is|was|are|does|do|would|could|ca|can|did|wo)n't
      | cannot | (?:can|does|do|would|could)\snot
      | makes\s(?:no|little)\ssense
    )""",
    _FLAGS,
)
_DISMISSED: Final = re.compile(
    r"""(?:(?:\bnot|\bcannot|\bnever|n't)(?:\s(?:be|choose|pick|select))?
    | \b(?:neither|nor|unlike|than|over|instead\sof|except)
    | \b(?:exclud|eliminat|reject|dismiss|discard)(?:e|es|ed|ing|s)?|\brul(?:e|es|ed|ing)\sout)
    (?:\s(?:option|choice|the|answer|both))*\s$""",
    _FLAGS,
)
_DOUBTED: Final = re.compile(
    r"""(?:n't|\bnot|\bnever|\bcannot)\s(?:\w+\s){0,2}
        (?:think|believe|say|claim|agree|mean|sure|certain|know|true|clear|correct)\b[^.,;:]*$
      | \b(?:if|whether|unless|suppose|assume|assuming|why)\s(?:that\s)?(?:the\s|my\s)?(?:\w+\s)?$
      | \b(?:you|one|people|some|many|students?|someone|others|they|who)\b[^.,;:]{0,30}
        \b(?:think|say|believe|guess|assume|argue|claim|thought|said)\b[^.,;:]*$
      | \b(?:wrong|incorrect|bad|tempting|common|other|another|previous|no|any|his|her|their)\s$""",
    _FLAGS,
)
_NEGATED: Final = re.compile(
    r"\b(?:not|never|no|neither|nor|cannot|wrong|incorrect|unlike)\b|n't\b", re.I
)
_AFTER_ARTICLE: Final = re.compile(
    r"[ ](?:because|since|as|for|is|which|and|but|with|due|given|based|in|on|by|-|\()"
)


class _Reader:
    """One text and its options; every rule is a method that gives a letter or None."""

    def __init__(self, text: str, choices: Sequence[str]) -> None:
        self.text = plain(text).translate(_STARS)
        self.options = [plain(option).translate(_STARS) for option in choices]
        self.letters = LETTERS[: len(choices)]

    # --- reading one letter -----------------------------------------------------------------

    def letter_at(self, position: int, text: str, lower: bool = False) -> re.Match[str] | None:
        """The letter that stands at ``position`` and is no article, word or wrong option."""
        match = _LETTER.match(text, position)
        if match is None or match["letter"].upper() not in self.letters:
            return None
        rest = text[match.end() : match.end() + 2]
        closed = bool(match["close"]) or rest[:1] in (*".:,;?!)\n", "")
        if match["letter"].islower() and not (lower and closed):
            return None
        if self._belongs_to_text(match, text):
            return None
        if match["letter"] in "AI" and not closed and not self._own_text(match, text):
            return match if _AFTER_ARTICLE.match(text, match.end()) else None
        return match

    def _belongs_to_text(self, match: re.Match[str], text: str) -> bool:
        """Whether an option's text begins here: "E. coli" is not option E."""
        ahead = text[match.start("letter") : match.start("letter") + 400].casefold()
        if match["letter"] in self.options:  # an option whose text is "c"
            return match["letter"].islower()
        return any(len(o) > 1 and ahead.startswith(o.casefold()) for o in self.options)

    def _own_text(self, match: re.Match[str], text: str) -> int:
        """Where the option's own text ends that follows its letter; 0 when it doesn't."""
        option = self.options[self.letters.index(match["letter"].upper())].rstrip(".")
        start = match.end()
        while start < len(text) and text[start] in " ):.-,(\n\"'":
            start += 1
        follows = text[start : start + len(option)].casefold() == option.casefold()
        return start + len(option) if follows and option else 0

    def _is_asserted(self, match: re.Match[str], text: str) -> bool:
        """Neither asked, nor ruled out, nor offered beside another letter."""
        end = max(self._own_text(match, text), match.end())
        while text[end : end + 1] in tuple(")]\"'"):
            end += 1
        if _RULED_OUT.match(text, end):
            return False
        other = _OTHER.match(text, end) or _OTHER.match(text, match.end())
        if other and other["letter"] != match["letter"] and other["letter"] in self.letters:
            return False
        rest = sentence_from(text, end, 200)
        return text[end + len(rest) : end + len(rest) + 1] != "?"

    # --- the tiers --------------------------------------------------------------------------

    def boxed(self) -> str | None:
        content = last_boxed(self.text)
        match = self.letter_at(0, content.strip(), lower=True) if content else None
        return match["letter"].upper() if match else None

    def statement(self) -> str | None:
        """The last explicit statement of an answer, before or after its letter."""
        found = [*self._led_to(_CUE, lower=True), *self._praised()]
        return max(found)[1] if found else None

    def conclusion(self) -> str | None:
        found = list(self._led_to(_CONCLUSION, lower=False))
        return max(found)[1] if found else None

    def _led_to(self, cue: re.Pattern[str], lower: bool) -> Iterator[tuple[int, str]]:
        for lead in cue.finditer(self.text):
            match = self.letter_at(lead.end(), self.text, lower)
            if match is None or _DOUBTED.search(sentence_before(self.text, lead.start())):
                continue
            if self._is_asserted(match, self.text):
                yield match.start(), match["letter"].upper()

    def _praised(self) -> Iterator[tuple[int, str]]:
        for marker in _MARKER.finditer(self.text):
            if marker["letter"] not in self.letters or self._shares(marker):
                continue
            end = self._own_text(marker, self.text) or marker.end()
            if _PRAISE.match(self.text, end):
                yield marker.start(), marker["letter"]

    def _shares(self, marker: re.Match[str]) -> bool:
        """It is the second of "both A and B", or ruled out, or the end of an option's text."""
        if any(len(o) > 1 and self.text.endswith(o, 0, marker.end()) for o in self.options):
            return True
        before = self.text[max(0, marker.start() - 30) : marker.start()]
        return bool(
            re.search(r"\b[A-J]\)? (?:and|or|nor|/) (?:option )?$", before)
            or _DISMISSED.search(before)
            or re.search(r"\b(?:why|if|whether|is) (?:option )?$", before, re.IGNORECASE)
        )

    def first_letter(self) -> str | None:
        start = re.match(r"(?:(?:option|choice) )?", self.text, re.IGNORECASE)
        match = self.letter_at(start.end() if start else 0, self.text, lower=True)
        if match is None or not self._is_asserted(match, self.text) or self._enumerates():
            return None
        own = self._own_text(match, self.text)
        rest = self.text[match.end() : match.end() + 2]
        bare = match["close"] is None
        if bare and not own and not re.match(r"$|\n|\.(?:\s|$)|,\s|:\s| [-(]|;", rest):
            return None
        if bare and rest == ": " and match["letter"] == "A" and not own:
            return None  # "Q: ... A: ..."
        return match["letter"].upper()

    def _enumerates(self) -> bool:
        """The text goes through several options, each at the beginning of a line or sentence."""
        return len({m[1] for m in _ENUMERATED.finditer(self.text)} & set(self.letters)) > 1

    def last_letter(self) -> str | None:
        lines = self.text.rsplit("\n", 2)
        last = re.sub(r"^(?:[-•>] ?)?(?:(?:option|choice) )?", "", lines[-1], flags=re.IGNORECASE)
        echoes = len(lines) > 1 and _ENUMERATED.match(lines[-2])
        match = None if echoes else self.letter_at(0, last)
        if match and (self._own_text(match, last) or match.end()) >= len(last.rstrip(" .!)")):
            return match["letter"]
        tail = re.search(r"(?:[.:!?,] ?\(?|\n\(?|\()([A-J])\)?\.?$", self.text)
        listed = tail and _OTHER.search(self.text, max(0, tail.start() - 12))
        return tail[1] if tail and tail[1] in self.letters and not listed else None

    def mention(self) -> str | None:
        standing = set()
        for marker in _MARKER.finditer(self.text):
            marked = marker["close"] or marker["cue"]
            if not marked or marker["letter"] not in self.letters:
                continue
            before = self.text[max(0, marker.start() - 40) : marker.start()]
            end = max(self._own_text(marker, self.text), marker.end())
            if _DISMISSED.search(before) or _RULED_OUT.match(self.text, end):
                continue
            asked = not self._is_asserted(marker, self.text)
            standing |= {marker["letter"], "?"} if asked else {marker["letter"]}
        return standing.pop() if len(standing) == 1 else None

    def statement_text(self) -> str | None:
        cues = [cue for cue in _CUE.finditer(self.text) if cue.end() < len(self.text)]
        for cue in reversed(cues):
            if not _DOUBTED.search(sentence_before(self.text, cue.start())):
                letter = self._only_option(sentence_from(self.text, cue.end()))
                if letter:
                    return letter
        return None

    def whole_text(self) -> str | None:
        return self._only_option(self.text)

    def _only_option(self, text: str) -> str | None:
        """The letter of the one option whose text occurs as whole words; longer texts first."""
        texts = {option.casefold().rstrip(".") for option in self.options if len(option) > 0}
        if not texts:
            return None
        longest_first = sorted(texts, key=len, reverse=True)
        union = "|".join(re.escape(option) for option in longest_first if option)
        standing = set()
        for found in re.finditer(rf"(?<!\w)(?:{union})(?!\w)", text, re.IGNORECASE):
            before = sentence_before(text, found.start(), 60)
            if _NEGATED.search(before) or _RULED_OUT.match(text, found.end()):
                continue
            standing.add(found.group().casefold())
        if len(standing) != 1:
            return None
        same = [
            letter
            for letter, option in zip(self.letters, self.options, strict=True)
            if option.casefold().rstrip(".") in standing
        ]
        return same[0] if len(same) == 1 else None


def tiers(text: str, asked: Asked) -> Iterator[Rule]:
    """The rules in order."""
    reader = _Reader(text, asked.choices)
    yield "boxed", reader.boxed
    yield "statement", reader.statement
    yield "first_letter", reader.first_letter
    yield "last_letter", reader.last_letter
    yield "conclusion", reader.conclusion
    yield "mention", reader.mention
    yield "statement_text", reader.statement_text
    yield "text", reader.whole_text
