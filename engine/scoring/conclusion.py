"""Chooses which of a sentence's numbers answers the question.

In this order, until one number is left: what follows "so" or an opening condition; the result of
the sentence's own equation; how many more, if that is asked; a total; what the question asks how
many of, and in whose clause; the result told in words; what isn't said by the way ("in 3 hours",
"for the 4 friends"); the one number that was not told before; the result computed last; the first
that isn't the sentence's subject. Two numbers on a par ("5 cups and 2 pans") are no answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.scoring.asked_for import AskedFor, content, root, stem
from engine.scoring.equation import AMBIGUOUS, equation_value, is_term, main_part, value_of
from engine.scoring.numerals import in_digits
from engine.scoring.quantity import quantities
from engine.scoring.shape import (
    COMPARED,
    FINITE,
    OPENING,
    OPENS,
    PASSIVE,
    is_aside,
    lead,
    on_a_par,
    resulting,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.scoring.quantity import Quantity


class Known(NamedTuple):
    """What is known before a sentence is read.

    ``results``: what was computed up to here, in order; ``seen``: the numbers given before.
    """

    asked: AskedFor
    results: tuple[str, ...] = ()
    seen: frozenset[str] = frozenset()


_TOTAL: Final = re.compile(
    r"\b(?:a|the)?\s?(?:grand\s)?total\sof\s(?:about\s|\$)?$|\btotal(?:ing|ling|s)?\s$|"
    r"\bfor a (?:combined|total)[\w\s]{0,12}\s$|\bat (?:most|least)\s[$€£]?$",
    re.IGNORECASE,
)
_IN_TOTAL: Final = re.compile(
    r"(?:\s[\w'-]{1,20}){0,3}\s(?:in total|altogether|in all|combined|all together|"
    r"total(?=\W*$|[.,;]))",
    re.IGNORECASE,
)
_STOP: Final = re.compile(
    r"(?:in|of|for|per|at|to|from|that|which|and|on|if|than|after|before|each|every|when|while|"
    r"so|because|who|is|are|was|were|by|over|with|as|or|but|during|between|an?|left|"
    r"altogether|now)"
)
_CONSEQUENCE: Final = re.compile(
    r",?\s(?:and\s)?(?:so|therefore|thus|hence|meaning|which (?:means|leaves|makes|gives|costs?)|"
    r"that means|that is(?=,)|or (?:about|roughly|approximately|around))\b",
    re.IGNORECASE,
)
_ROUNDED: Final = re.compile(
    r"\bround\w{0,5}\b[^.\n=]{0,30}?\b(?:to|is|gives)\s"
    r"(?=(?:about\s)?[$€£]?[0-9][0-9,.]*(?!\s?decimal)\b)",
    re.IGNORECASE,
)
# What follows a colon only details the number before it: She has $34: $14 were left, $20 lent.
_DETAILS: Final = re.compile(
    r"([^:=]*\b(?:is|are|was|were|has|have|had|gets?|costs?|needs?|makes?|pays?|earns?|will|would)\b"
    r"[^:=]*[0-9][^:=]*):\s(?=.*[0-9])"
)
_BECAUSE: Final = re.compile(r",?\s(?:because|since)\b|,\sas\b", re.IGNORECASE)
_RANGE: Final = re.compile(
    r"\bbetween\s[$€£]?[0-9][0-9,.]{0,12}(?:\s[a-z]{1,12})?\sand\s[$€£]?[0-9][0-9,.]{0,12}",
    re.IGNORECASE,
)
_IS: Final = re.compile(r"(?:\s[\w'-]{1,20}){1,3}\s(?:is|are|was|were|remains?)\b")
_PURPOSE: Final = re.compile(r"\bto\s[a-z]{2,15}\s(?:all\s|the\s)?[$€£]?$")  # "to clean 45 rooms"
_CLAUSE: Final = re.compile(r",\s|;\s|\s(?:and|but|while|whereas|leaving)\s")
_IN_WORDS: Final = re.compile(
    r"\b(?:plus|minus|times|divid(?:e|ed|ing)|multipl\w{1,4}|subtract\w{0,4}|add(?:ed|ing)?|sum|difference|"
    r"product|half|twice|[0-9]%\sof)\b",
    re.IGNORECASE,
)
_WHOLE: Final = re.compile(
    r"(?:(?<![0-9/.])[0-9][0-9,]{0,9}\s(?:out\s)?of\s(?:(?:the|these|those|his|her|its|their|all|"
    r"all\sthe)\s(?:\w{1,12}\s)?)?|\b(?:start|started|starts|begins|began)\s(?:out\s)?with\s)[$€£]?$"
)
_OF_THEM: Final = re.compile(
    r"\sof\s(?:them|these|those|which|whom|(?:the|his|her|their|these|those)\s(?:[\w,]{1,15}\s){1,3}?)"
    r"\s?(?=(?:are|were|is|was)\s)(?:are|were|is|was)(?=\s[a-z])|"
    r"\s(?:out\s)?of\s(?:(?:the|his|her|their|these|those)\s)?[0-9][0-9,]{0,9}(?=\s[a-z])"
)
_DENIED: Final = re.compile(r"(?:\bnot|n't)\s(?:the\s|just\s|only\s)?[$€£]?$", re.IGNORECASE)
_THAN: Final = re.compile(r"(?:\s[a-z]{1,20})?\s(?:more|less|fewer|\w{2,12}er)\sthan\b")
_OR_SHARE: Final = re.compile(r"[a-zA-Z],?\sor\s(?:about\s)?$")
_HYPHENED: Final = re.compile(r"-[a-z]")
_PERCENT: Final = re.compile(r"\s?(?:%|percent)")
_DOLLARS: Final = re.compile(r"\s?(?:dollars?|cents?|euros?|pounds?|rupees|bucks|USD|EUR)\b")
_WORD: Final = re.compile(r"[^\W\d][\w'-]{0,30}|[.,;:!?()=]|[0-9]")


def choose(sentence: str, known: Known) -> str | None:
    """The number asked for; None if there is no number, ``AMBIGUOUS`` if several fit equally."""
    rounded = _ROUNDED.search(sentence)
    if rounded and (value := _first(sentence[rounded.end() :])):
        return value
    *premises, clause = _CONSEQUENCE.split(sentence)
    if premises and _first(clause):
        return choose(clause, known._replace(results=(*known.results, *results_of(premises))))
    told, *reasons = _BECAUSE.split(sentence, maxsplit=1)
    if reasons and (_first(told) or _counts(in_digits(told), known.asked)):
        return choose(in_digits(told), known)
    details = _DETAILS.match(sentence)
    if details:
        return choose(details[1], known)
    opening = OPENING.match(sentence, lead(sentence))
    if opening and _first(sentence[opening.end() :]):
        return choose(sentence[opening.end() :], known)
    found = list(quantities(sentence))
    shares = {one.value for one in found if _PERCENT.match(sentence, one.end)}
    if known.asked.percent and "=" in sentence and len(shares) == 1:
        return shares.pop()
    if "=" in sentence:
        return equation_value(sentence)
    if not found:
        return None
    ranges = [span.span() for span in _RANGE.finditer(sentence)]
    found = [
        one
        for one in found
        if not is_term(sentence, one) and not any(start <= one.start < end for start, end in ranges)
    ]
    if not found or (ranges and all(is_aside(sentence, one) for one in found)):
        return AMBIGUOUS  # 3 * 4, not worked out; between 3 and 4
    for narrow in NARROWING:
        found = narrow(sentence, found, known) or found
        if len({one.value for one in found}) == 1:
            return found[0].value
    return _contended(sentence, found, known.results)


def _first(text: str) -> str | None:
    return next((one.value for one in quantities(text)), None)


def _counts(sentence: str, asked: AskedFor) -> bool:
    """Whether the sentence's first number counts what is asked for."""
    one = next(quantities(sentence), None)
    return one is not None and bool(_words_after(sentence, one.end) & set(asked.nouns[-1:]))


def _unless_denied(sentence: str, found: list[Quantity], _: Known) -> list[Quantity]:
    return [
        one for one in found if not _DENIED.search(sentence[max(0, one.start - 20) : one.start])
    ]


def _parts(sentence: str, found: list[Quantity], _: Known) -> list[Quantity]:
    """``12`` of "12 of the 30 cups": without the whole, and what one started with.

    Without a name's number ("the 30-page book") and a share told after an amount, too.
    """

    def is_part(one: Quantity) -> bool:
        before = sentence[max(0, one.start - 50) : one.start]
        share = one is not found[0] and _OR_SHARE.search(before)
        whole = _WHOLE.search(before) or _HYPHENED.match(sentence, one.end)
        return not whole and not (share and _PERCENT.match(sentence, one.end))

    return [one for one in found if is_part(one)]


def _comparing(sentence: str, found: list[Quantity], known: Known) -> list[Quantity]:
    """How many more (``9 more than``) if that is asked, and all else if it isn't."""
    if known.asked.more:
        return [one for one in found if COMPARED.match(sentence, one.end)]
    return [one for one in found if known.asked.words and not _THAN.match(sentence, one.end)]


def _totals(sentence: str, found: list[Quantity], _: Known) -> list[Quantity]:
    def is_total(one: Quantity) -> bool:
        before = sentence[max(0, one.start - 40) : one.start]
        return bool(_TOTAL.search(before) or _IN_TOTAL.match(sentence, one.end))

    return [one for one in found if is_total(one)]


def _asked(sentence: str, found: list[Quantity], known: Known) -> list[Quantity]:
    """The numbers of what the question asks for."""
    asked = known.asked
    if not asked.percent and (asked.nouns or asked.money or any(one.money for one in found)):
        found = [one for one in found if not _PERCENT.match(sentence, one.end)] or found
    if asked.percent:
        return [one for one in found if _PERCENT.match(sentence, one.end)]
    if asked.money:
        return [one for one in found if one.money or _DOLLARS.match(sentence, one.end)]
    words = [_words_after(sentence, one.end) for one in found]
    bare = [one for one, said in zip(found, words, strict=True) if not said]
    scores = list(_named_as(asked, words))
    best = max(scores)
    pair = asked.together and best < 2 and len(found) > 1
    if pair and on_a_par(sentence, found[0], found[1], subject=False):
        return found
    alike = [one for one, score in zip(found, scores, strict=True) if score == best]
    if asked.units and len(bare) == 1 and all(is_aside(sentence, one) for one in alike):
        return _main(sentence, bare, known)  # "24 in 6 years"
    return alike


def _named_as(asked: AskedFor, words: Iterable[set[str]]) -> Iterator[int]:
    """How well the words after each number name what is asked for.

    In "18 red, 30 blue and 24 green cups" the adjective tells; in "had 9 cups and sold 5" the
    second number is of the first one's kind.
    """
    wanted = set(asked.nouns[-1:]) or asked.units
    named = any(noun[0].isdigit() for noun in asked.nouns)  # how many "8 dollar toys"
    adjectives = set() if named else set(asked.nouns[:-1])
    score = 0
    for said in words:
        if said:
            score = 2 * len(said & adjectives) + bool(said & wanted)
        yield min(score, 1) if not said else score


def _in_asked_clause(sentence: str, found: list[Quantity], known: Known) -> list[Quantity]:
    """Of several numbers, the one in the clause that shares most words with the question."""
    ends = [0, *(match.start() + 1 for match in _CLAUSE.finditer(sentence)), len(sentence)]
    listed = any(
        0 <= one.start - end <= 5 for one in found for end in ends[1:]
    )  # "5 cups and 2 pans"
    shared = listed and not _IS.match(sentence, found[1].end)
    if shared and _ends_in_noun(sentence[found[0].end : found[1].start], known.asked):
        return found  # "5 red cups and 2 blue cups left"
    scores = []
    for one in found:
        begin = one.end if listed else max(end for end in ends if end <= one.start)
        end = min(end for end in ends if end > one.start)
        clause = sentence[begin:end]
        beside = says_of(clause, known.asked, beside=known.asked.nouns)
        scores.append((says_of(clause, known.asked), beside))
    best = max(scores)
    return [one for one, score in zip(found, scores, strict=True) if score == best]


def _ends_in_noun(text: str, asked: AskedFor) -> bool:
    """Whether the last word before "and" is the noun that is asked for."""
    words = text.replace(",", " ").split()
    return len(words) > 1 and stem(words[-2]) in asked.nouns[-1:]


def says_of(text: str, asked: AskedFor, beside: Iterable[str] = ()) -> int:
    """How many of the question's words the text contains, not counting those of ``beside``."""
    return len((asked.words - set(map(root, beside))) & content(text))


def _result(sentence: str, found: list[Quantity], _: Known) -> list[Quantity]:
    return resulting(sentence, found)


def _words_after(sentence: str, end: int) -> set[str]:
    """The stems of the words that name what is counted."""
    words: set[str] = set()
    if sentence[end : end + 2].strip().isdigit():  # 4 2 dollar games
        end += next((one.end for one in quantities(sentence[end : end + 30])), 0)
    of_them = _OF_THEM.match(sentence, end)
    end = of_them.end() if of_them else end
    for match in _WORD.finditer(sentence, end, end + 60):
        if _STOP.fullmatch(match[0].lower()) or not match[0][0].isalpha():
            break
        words.add(stem(match[0]))
        if len(words) == 5:
            break
    return words


def _after_opening(sentence: str, found: list[Quantity], _: Known) -> list[Quantity]:
    """The numbers after an opening condition: the 4 of "After she gives 3 away she has 4"."""
    return found[1:] if OPENS.match(sentence, lead(sentence)) else found


def _main(sentence: str, found: list[Quantity], _: Known) -> list[Quantity]:
    """The numbers without those that are only mentioned in passing."""
    return [one for one in found if not is_aside(sentence, one)]


def _novel(sentence: str, found: list[Quantity], known: Known) -> list[Quantity]:
    """The one number not given before; in "So ..." rather what was computed right before."""
    novel = [one for one in found if known.seen and one.value not in known.seen]
    purpose = bool(novel) and _PURPOSE.search(sentence[: novel[0].start])
    if (lead(sentence) or purpose) and found[0].value in known.results[-1:]:
        return found[:1]
    return novel if len({one.value for one in novel}) == 1 else found


def _contended(sentence: str, found: list[Quantity], results: Sequence[str]) -> str:
    """The number computed last, or the first that isn't the subject; none of two on a par."""
    one, two = found[0], next(two for two in found if two.value != found[0].value)
    subject = one.start - lead(sentence) <= 1
    if sentence.startswith("is ") and one.start <= 5:
        subject = FINITE.match(sentence[one.end : two.start]) is not None
    rivals = {one.value, two.value} if on_a_par(sentence, one, two, subject) else set()
    for result in reversed(results[-3:]):
        if result in {number.value for number in found} - rivals:
            return result
    if rivals:
        return AMBIGUOUS
    return (two if subject and not PASSIVE.match(sentence, one.end) else one).value


def results_of(sentences: Iterable[str]) -> list[str]:
    """The results of the equations in these sentences, in order."""
    values: list[str] = []
    for sentence in sentences:
        sides = sentence.split("=")
        if len(sides) == 1 and _IN_WORDS.search(sentence):
            values += [one.value for one in resulting(sentence, list(quantities(sentence)))]
        for side in sides[1:]:
            value = value_of(main_part(side))
            if value is not None:
                values.append(value)
    return values


NARROWING: Final = (
    _unless_denied,
    _parts,
    _comparing,
    _after_opening,
    _totals,
    _asked,
    _in_asked_clause,
    _result,
    _main,
    _novel,
)
