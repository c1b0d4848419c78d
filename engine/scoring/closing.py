"""Finds the number that a text concludes with, if it doesn't state it as the answer."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.scoring.asked_for import content, counted, root
from engine.scoring.conclusion import Known, choose, results_of, says_of
from engine.scoring.equation import AMBIGUOUS
from engine.scoring.numerals import in_digits
from engine.scoring.quantity import figures, quantities
from engine.scoring.shape import is_aside
from engine.scoring.statement import BARE
from engine.scoring.text import sentences
from engine.scoring.unanswered import ends_early, gives_up, lacks_an_end, unfinished

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.scoring.asked_for import AskedFor

_LABEL: Final = re.compile(
    r"^\(?(?:step\s|note\s)?[0-9]{1,2}\s?[.):]\)?(?:\s|$)|^step [0-9]{1,2}\s?[-.:]\s?",
    re.IGNORECASE,
)
_CONCLUDES: Final = re.compile(
    r"^(?:so|therefore|thus|hence|then|finally|consequently|in (?:total|all|conclusion|summary)|"
    r"altogether|this means|that means|as a result|overall)\b|^(?:a|ans|result|total)\s?[:=]",
    re.IGNORECASE,
)
# What is to be done, and not what comes of it.
_PLAN: Final = re.compile(
    r"(?:(?:to|in order to)\s(?:find|calculate|get|determine|solve|figure|do|know)\b|let's|let us|"
    r"first\b|next\b|now,?\s(?:we|let|I)\s(?:need|can|must|have to|should|know)\b|"
    r"we (?:need|have) to\b|we know\b)",
    re.IGNORECASE,
)
_TO_DO: Final = re.compile(
    r",?\sso\s(?:we|I|you)\s(?:[a-z]{2,8}\s){0,3}(?:multiply|divide|subtract|add|find|calculate)\b"
    r"[^0-9]*$"
)
_CHAT: Final = re.compile(
    r"(?:let's (?:confirm|check|verify|double[- ]check)\b(?!.*[0-9])|this is because\b|"
    r"because\b|explanation\b|note\b|i hope\b|given\s?:|let me\b|"
    r"if (?:there|it|they|he|she|we) (?:were|had been)\b|"
    r"if [^.\n]{1,60}\binstead\b|feel free\b|please\b|remember\b|"
    r"(?:\w+ )?(?:check|verification|verify|proof)\s?:|"
    r"if you(?:'d| have| need| want| would)\b)",
    re.IGNORECASE,
)
_SILENT: Final = re.compile(r"\banswer\b(?:[^.\n]{0,40}\b(?:is|be))?\s?:?[\s.$*]*$", re.IGNORECASE)
_ASKS: Final = re.compile(r"(?:so,? )?(?:how|what)\b[^?]*\?$", re.IGNORECASE)
_ITEM: Final = re.compile(
    r"(?!.{0,25}\b(?:total|answer|result|sum|final|all|profit|remain\w*|left|difference|now)\b)"
    r"[A-Za-z][\w ']{0,25}:\s?[$€£]?[0-9.,]+(?:\s\w+){0,2}\W*$|[A-E][.)]\s",
    re.IGNORECASE,
)
_OPERATOR: Final = re.compile(r"(?:[-+*/=×÷]|[0-9]\s?x|\\times|\\cdot)\s?[$€£]?$")
_DIGIT: Final = re.compile(r"[0-9]")
_WORD: Final = re.compile(r"[A-Za-z]{2}")
LINES: Final = 60  # sentences, from the end, in which a conclusion may stand
LONG: Final = 600  # characters of a sentence, from its end, that are read
PROSE: Final = 3  # words that an explanation has at least
BACK: Final = 4  # sentences with numbers, from the end, among which a conclusion is looked for


class _Told(NamedTuple):
    """A sentence with its number; ``""`` if several of its numbers could be the answer."""

    sentence: str
    value: str

    @property
    def tier(self) -> str:
        if "=" in self.sentence:
            return "equation"
        return "conclusion" if _CONCLUDES.match(self.sentence) else "last_number"

    @property
    def says_it(self) -> bool:
        """Whether the sentence is about the number: not "Of the 12 pens, ..."."""
        found = [one for one in quantities(self.sentence) if one.value == self.value]
        by_the_way = [is_aside(self.sentence, one) for one in found]
        return bool(_WORD.search(self.sentence)) and not (found and all(by_the_way))


def concluded(text: str, wanted: AskedFor, cut_off: bool | None) -> tuple[str, str] | None:
    """The tier and the number of the text's conclusion, if it has one.

    A number alone on the first line counts if the explanation below it concludes nothing.
    """
    found = _at_end(text, wanted, cut_off)
    line, _, below = text.partition("\n")
    if (found and found[0] != "last_number") or not BARE.fullmatch(line):
        return found
    second = below.partition("\n")[0]
    if len(_WORD.findall(below)) < PROSE or BARE.fullmatch(second) or _ITEM.match(second):
        return found
    if any(map(gives_up, sentences(below))):
        return found
    value = choose(line, Known(wanted))
    return ("first_line", value) if value else found


def _at_end(text: str, wanted: AskedFor, cut_off: bool | None) -> tuple[str, str] | None:
    all_said = [sentence[-LONG:] for sentence in sentences(text)][-LINES:]
    while len(all_said) > 1 and _CHAT.match(all_said[-1]) and not _DIGIT.search(all_said[-1]):
        all_said.pop()
    said = [sentence for sentence in all_said if not _SILENT.search(sentence)]
    open_end = lacks_an_end(said) if cut_off is None else False
    ended = ends_early(all_said) if cut_off is None else cut_off
    cut_off = ended or said[-1:] != all_said[-1:]
    if len(said) < len(all_said):  # "The answer is" and a break: replies of few tokens end so
        cut_off = cut_off or open_end or bool(said and unfinished(said[-1]))
    told = _told(said, wanted, first=max(0, len(said) - 1) if cut_off or open_end else 0)
    if not told or _OPERATOR.search(said[-1]):
        return None
    known = _known(said[:-1], wanted)
    if told[0].value in known.results[-1:]:
        chosen = told[0] if told[0].says_it or not cut_off else None
    else:
        chosen = None if cut_off else _weighed(told, known, open_end)
    return (chosen.tier, chosen.value) if chosen and chosen.value else None


def _weighed(told: Sequence[_Told], known: Known, open_end: bool) -> _Told | None:
    """The last sentence with a number, unless an earlier one fits the question better.

    None if it only repeats what is known, or lists what was found.
    """
    wanted, last = known.asked, told[0]
    if not last.value:
        before = _asked_first(told, known)
        if last.tier != "last_number" or before.value in {AMBIGUOUS, *wanted.figures}:
            return None
        told = [before]
    elif len(told) > 1 and all(_ITEM.match(one.sentence) for one in told[:2]):
        told = _asked_item(told, wanted)
        if not told:
            return None
    last = told[0]
    given = last.value in known.seen
    if open_end and (given or last.tier == "last_number"):
        return None
    labelled = len(told) > 1 and _ITEM.match(last.sentence)
    retold = last.value in wanted.figures and last.tier == "conclusion"
    if labelled or retold or (given and last.tier == "last_number"):
        last = _asked_first(told, known)
    return None if not known.results and _retells(last, wanted) else last


def _told(said: list[str], wanted: AskedFor, first: int) -> list[_Told]:
    """The last sentences with a number, last first; none if the text gives up at its end.

    None before the ``first`` is looked at.
    """
    told: list[_Told] = []
    in_words = not any(map(_DIGIT.search, said))
    for index in range(len(said) - 1, first - 1, -1):
        sentence = _LABEL.sub("", said[index]) or said[index]
        if in_words or _CONCLUDES.match(sentence):
            sentence = in_digits(sentence)
        if gives_up(sentence) and len(told) < 2 and not (told and told[0].tier == "conclusion"):
            return []
        planned = _TO_DO.search(sentence) or ("=" not in sentence and _PLAN.match(sentence))
        if not told and (planned or _ASKS.match(sentence)):
            return []
        if not (sentence.endswith("?") or planned or _CHAT.match(sentence)):
            value = choose(sentence, _known(said[:index], wanted))
            if sentence.startswith("or ") or (value is None and _DIGIT.search(sentence)):
                value = AMBIGUOUS  # 2:1, 8:30
            told += [] if value is None else [_Told(sentence, value)]
        if len(told) == BACK:
            break
    return told


def _asked_first(told: Sequence[_Told], known: Known) -> _Told:
    """An earlier sentence that shares words with the question, if the last one shares none.

    Of several, one that isn't an item of a list, and gives what was computed last.
    """
    wanted = known.asked
    if says_of(told[0].sentence, wanted, beside=wanted.nouns):
        return told[0]

    def rank(one: _Told) -> tuple[bool, int, bool, bool]:
        counts = {(one.value, noun) for noun in wanted.nouns[-1:]} & counted(one.sentence)
        listed = _ITEM.match(one.sentence) is not None
        computed = one.value in known.results[-1:]
        return bool(counts - wanted.counted), says_of(one.sentence, wanted), not listed, computed

    return max(told, key=rank)


def _asked_item(told: Sequence[_Told], wanted: AskedFor) -> list[_Told]:
    """The one item of a list that shares most words with the question, if there is one."""
    said = [says_of(one.sentence, wanted) for one in told]
    best = max(said)
    return [told[said.index(best)]] if best and said.count(best) == 1 else []


def _retells(told: _Told, wanted: AskedFor) -> bool:
    """Whether it repeats the question's facts and is not about what the question asks."""
    again = {number for number, _ in counted(told.sentence) & wanted.counted}
    if told.value not in again or told.tier != "last_number":
        return False
    asked = wanted.words - set(map(root, wanted.nouns))
    said = content(told.sentence)
    return bool(asked) and not asked & said and bool(said - wanted.words)


def _known(before: list[str], wanted: AskedFor) -> Known:
    results = tuple(results_of(before[-12:]))
    return Known(wanted, results, wanted.figures.union(*map(figures, before)))
