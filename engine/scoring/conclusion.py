"""Which of a sentence's numbers is what was asked for.

In this order, until one number is left: the result of the sentence's own equation; a total; what
the question asks how many of; what isn't said by the way ("in 3 hours", "for the 4 friends"); the
result computed last; the first that isn't the sentence's subject. Two numbers on a par ("5 cups and
2 pans") are no answer.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.scoring.asked_for import stem
from engine.scoring.quantity import quantities

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.scoring.asked_for import AskedFor
    from engine.scoring.quantity import Quantity

AMBIGUOUS: Final = ""  # states numbers, and none of them is the answer

# An operator between two terms: such a side of an equation is not worked out.
_OPERATOR: Final = re.compile(
    r"(?:[0-9.,%)]|[0-9][)]?\s?[a-zA-Z]{1,20})\s?(?:[-+*/x×÷·^]|\\times|\\cdot|\\div)\s?[-$€£(]?\s?"
    r"(?:\.?[0-9]|[a-z]\b|\()"
    r"|[a-z0-9)]\s[-+*×÷]\s[$(a-z0-9]"
    r"|[0-9]%?\s(?:[a-z]{1,20}\s)?(?:of\s(?:the\s)?[$€£]?[0-9]|times\s[$€£]?[0-9]|plus\s|minus\s|"
    r"divided\sby\s|multiplied\sby\s|(?:more|less|fewer)\sthan\s|added\sto\s)"
)
_TOTAL: Final = re.compile(
    r"\b(?:a|the)?\s?(?:grand\s)?total\sof\s(?:about\s|\$)?$|\btotal(?:ing|ling|s)?\s$|"
    r"\bfor a (?:combined|total)[\w\s]{0,12}\s$",
    re.IGNORECASE,
)
_IN_TOTAL: Final = re.compile(
    r"(?:\s[\w'-]{1,20}){0,3}\s(?:in total|altogether|in all|combined|all together|total)\b",
    re.IGNORECASE,
)
_GIVEN: Final = (
    r"(?:remaining|other|first|last|next|same|new|original|total|full|whole|entire|extra|past|"
    r"previous|final|initial)"
)
# "It takes her 3 hours": no possessive.
_VERBS: Final = (
    r"(?<!take\s)(?<!takes\s)(?<!took\s)(?<!cost\s)(?<!costs\s)(?<!leave\s)(?<!leaves\s)"
    r"(?<!leaving\s)(?<!give\s)(?<!gives\s)"
)
# Right before a number that is said by the way.
_ASIDE: Final = re.compile(
    rf"\b(?:in|per|each|every|from|over|after|before|at|by|than|if|since|when|between|into|among|"
    rf"through|across|on|under|above|below|until|past|within|during|about|an?|times|"
    rf"(?:all|the|these|those|his|{_VERBS}her|their|its|my|our|last|first|next)(?:\s{_GIVEN})?|"
    rf"(?:the|an?)\sadditional|every\sother|all\s(?:of\s)?(?:the|his|her|their))\s[$€£]?$|"
    r"\bfor\s$|(?<!left\s)(?<!up\s)(?<!remains\s)(?<!remain\s)(?<!leaving\s\w{3}\s)\bwith\s[$€£]?$|"
    r"(?P<of>(?P<whose>\w{1,20})\sof\s[$€£]?)$|\(\s?[^)]{0,40}$",
    re.IGNORECASE,
)
_AMOUNTS: Final = re.compile(
    r"(?:total|sum|profit|average|amount|cost|price|balance|distance|area|perimeter|volume|"
    r"weight|rate|remainder|loss|income|savings|discount|change|bill|score|speed|length|age|"
    r"tip|rent|payment|maximum|minimum|mean|median|difference|product|quotient|result|"
    r"salary|revenue|fee|height|value|width|depth|percentage|population)"
)
# "$5 books", "4 dollar games", "a 3-hour walk": the number is a part of the noun's name.
_NAMES: Final = re.compile(
    r"-[a-z]|\s(?:dollar|cent|page|inch|foot|pound|ounce|mile|minute|hour|day|week|year|gallon|"
    r"gram|liter|person)\s(?!(?:in|for|of|per|to|at|and|or|each|from|on|with|is|left)\b)[a-z]{3}"
)
_LEAD: Final = re.compile(
    r"^(?:(?:so|therefore|thus|hence|then|and|finally|but|now|also|consequently|in conclusion|"
    r"this means(?: that)?|that means(?: that)?|we can (?:say|conclude|see) that|as a result|since)"
    r"\b[,:]?\s?)*",
    re.IGNORECASE,
)
_OPENING: Final = re.compile(
    r"(?:after|when|if|since|with|in|by|for|because|given|once|as|over|at|before|during|until|from|"
    r"on|of|out of|to)\b[^,\n]{0,120}?,\s",
    re.IGNORECASE,
)
_ON_A_PAR: Final = re.compile(
    r"(?:\s[\w'%/-]{1,20}){0,4},?\s(?:and|plus|or|while)(?:\s[\w']{1,20}){0,3}\s[$€£]?"
    r"|,\s(?:and\s|or\s)?[$€£]?|\s[a-z]{1,20}\s[$€£]?"
)
_PASSIVE: Final = re.compile(
    r"(?:\s[\w'-]{1,20}){0,4}\s(?:is|are|was|were|will be|would be|can be|remain|remains|left)\b"
)
_STOP: Final = re.compile(
    r"(?:in|of|for|per|at|to|from|that|which|and|on|if|than|after|before|each|every|when|while|"
    r"so|because|who|is|are|was|were|by|over|with|as|or|but|during|between)"
)
_CONSEQUENCE: Final = re.compile(
    r",?\s(?:and\s)?(?:so|therefore|thus|hence|meaning|which means|that means|or (?:about|roughly|"
    r"approximately|around))\b",
    re.IGNORECASE,
)
_ROUNDED: Final = re.compile(
    r"\bround\w{0,5}\b[^.\n=]{0,30}?\b(?:to|is|gives)\s"
    r"(?=(?:about\s)?[$€£]?[0-9][0-9,.]*(?!\s?decimal)\b)",
    re.IGNORECASE,
)
_CLAUSE: Final = re.compile(r",\s|;\s|\s(?:and|but|while|whereas|leaving)\s")
_RESULT: Final = re.compile(
    r"\b(?:is|are|was|were|be|gives?|gets?|getting|makes|leaves|leaving|left with|totals|yields|"
    r"becomes|that's|(?<=,\s)or|comes to|amounts to|equal to)\s"
    r"(?:(?:us|you|him|her|them|it|a total of|only|about|just|with|approximately|exactly)\s){0,2}"
    r"[$€£]?$",
    re.IGNORECASE,
)
_IN_WORDS: Final = re.compile(
    r"\b(?:plus|minus|times|divided|multipl\w{1,4}|subtract\w{0,4}|add(?:ed|ing)?|sum|difference|"
    r"product|half|twice|[0-9]%\sof)\b",
    re.IGNORECASE,
)
_COMPARED: Final = re.compile(r"%?(?:\s[a-z]{1,20})?\s(?:times|more|less|fewer|\w{2,12}er)\b")
_DENIED: Final = re.compile(r"(?:\bnot|n't)\s(?:the\s|just\s|only\s)?[$€£]?$", re.IGNORECASE)
_PERCENT: Final = re.compile(r"\s?(?:%|percent)")
_DOLLARS: Final = re.compile(r"\s?(?:dollars?|cents?|euros?|pounds?|rupees)\b")
_DIGIT: Final = re.compile(r"[0-9]")
_WORDS: Final = re.compile(r"[A-Za-z]{2}")
# 3x = 18, x - 6 = 18, 5(a + 2) = 18: nothing is said of x yet.
_UNSOLVED: Final = re.compile(
    r"[0-9]\s?(?:[xyznpq]\b(?!\s?[$(0-9])|\(\s?[a-z])|(?<![0-9]\s)\b[xyznpq]\s?[-+*/]\s?[$(0-9]"
    r"|[0-9)]\s?[-+*/]\s?[xyznpq]\b"
)
_OPERATION: Final = r"\s?(?:[a-zA-Z]{1,15}\s)?(?:[-+*×÷/]|x(?=\s?[$(0-9])|\\times|\\cdot|\\div)\s?"
_BEFORE_TERM: Final = re.compile(rf"[0-9)]{_OPERATION}[-$€£(]{{0,3}}$")
_AFTER_TERM: Final = re.compile(rf"{_OPERATION}[-$€£(]{{0,3}}[0-9]")
_WORD: Final = re.compile(r"[^\W\d][\w'-]{0,30}|[.,;:!?()=]|[0-9]")


def value_of(side: str) -> str | None:
    """The number on one side of an equation; None where it is not worked out."""
    if _OPERATOR.search(side):
        return None
    found = next(quantities(side), None)
    return found.value if found else None


def equation_value(sentence: str) -> str:
    """What an equation comes to: ``3 * 4 = 12 + 6 = 18`` is 18; ``""`` for ``x = 85 - 3y``."""
    sides = sentence.split("=")
    while len(sides) > 1 and not _DIGIT.search(sides[-1]):
        sides.pop()
    *before, last = sides
    if _UNSOLVED.search("=".join(before)):
        return AMBIGUOUS
    value = value_of(_main_part(last))
    if value is None and len(before) == 1:
        first = next(quantities(before[0]), None)  # 18 = 9 * 2
        value = value_of(before[0]) if first and first.start <= 2 else None
    return value or AMBIGUOUS


def _main_part(side: str) -> str:
    """Up to the next clause: what follows in the sentence isn't a part of the equation."""
    return re.split(r"[,;]\s|\s\(|\s(?:so|and|which|because|for|in|per)\b", side, maxsplit=1)[0]


def choose(sentence: str, asked: AskedFor, results: Sequence[str] = ()) -> str | None:
    """The number asked for; None without any number, ``AMBIGUOUS`` where several contend.

    ``results``: what was computed up to here, in order.
    """
    rounded = _ROUNDED.search(sentence)
    if rounded and (value := _first(sentence[rounded.end() :])):
        return value
    *premises, clause = _CONSEQUENCE.split(sentence)
    if premises and _first(clause):
        return choose(clause, asked, [*results, *results_of(premises)])
    if "=" in sentence:
        return equation_value(sentence)
    found = list(quantities(sentence))
    if not found:
        return None
    found = [one for one in found if not _is_term(sentence, one)]
    if not found:
        return AMBIGUOUS  # 3 * 4, not worked out
    for narrow in (
        _unless_denied,
        _comparing,
        _totals,
        _asked,
        _in_asked_clause,
        _resulting,
        _main,
    ):
        found = narrow(sentence, found, asked) or found
        if len({one.value for one in found}) == 1:
            return found[0].value
    return _contended(sentence, found, results)


def _first(text: str) -> str | None:
    return next((one.value for one in quantities(text)), None)


def _unless_denied(sentence: str, found: list[Quantity], _: AskedFor) -> list[Quantity]:
    return [
        one for one in found if not _DENIED.search(sentence[max(0, one.start - 20) : one.start])
    ]


def _is_term(sentence: str, one: Quantity) -> bool:
    """Whether it is part of an expression that is not worked out."""
    before = sentence[max(0, one.start - 24) : one.start]
    return bool(_BEFORE_TERM.search(before) or _AFTER_TERM.match(sentence, one.end))


def _comparing(sentence: str, found: list[Quantity], asked: AskedFor) -> list[Quantity]:
    """How many more: ``9 more than``."""
    return [one for one in found if asked.more and _COMPARED.match(sentence, one.end)]


def _totals(sentence: str, found: list[Quantity], _: AskedFor) -> list[Quantity]:
    def is_total(one: Quantity) -> bool:
        before = sentence[max(0, one.start - 40) : one.start]
        return bool(_TOTAL.search(before) or _IN_TOTAL.match(sentence, one.end))

    return [one for one in found if is_total(one)]


def _asked(sentence: str, found: list[Quantity], asked: AskedFor) -> list[Quantity]:
    """The numbers of what the question asks for."""
    if asked.percent:
        return [one for one in found if _PERCENT.match(sentence, one.end)]
    if asked.money:
        return [one for one in found if one.money or _DOLLARS.match(sentence, one.end)]
    wanted = set(asked.nouns[-1:]) or asked.units
    scores = [
        len(words & set(asked.nouns)) + 1 if wanted & words else 0
        for words in (_words_after(sentence, one.end) for one in found)
    ]
    best = max(scores)
    return [one for one, score in zip(found, scores, strict=True) if score == best]


def _in_asked_clause(sentence: str, found: list[Quantity], asked: AskedFor) -> list[Quantity]:
    """Of several, the one in the clause that says most of the question's words."""
    ends = [0, *(match.end() for match in _CLAUSE.finditer(sentence)), len(sentence)]
    scores = []
    for one in found:
        begin = max(end for end in ends if end <= one.start)
        end = min(end for end in ends if end > one.start)
        words = {stem(word) for word in re.findall(r"[^\W\d]{3,30}", sentence[begin:end])}
        scores.append(len(words & asked.words))
    best = max(scores)
    return [one for one, score in zip(found, scores, strict=True) if score == best]


def _resulting(sentence: str, found: list[Quantity], _: AskedFor | None = None) -> list[Quantity]:
    """The last one that the sentence tells as the result of those before it."""
    told = [
        one
        for one in found[1:]
        if _RESULT.search(sentence[max(0, one.start - 40) : one.start])
        and not _COMPARED.match(sentence, one.end)
    ]
    return told[-1:]


def _words_after(sentence: str, end: int) -> set[str]:
    """Stems of the words that name what is counted."""
    words: set[str] = set()
    if sentence[end : end + 2].strip().isdigit():  # 4 2 dollar games
        end = next(quantities(sentence[end:])).end + end
    for match in _WORD.finditer(sentence, end, end + 60):
        if _STOP.fullmatch(match[0].lower()) or not match[0][0].isalpha():
            break
        words.add(stem(match[0]))
        if len(words) == 5:
            break
    return words


def _main(sentence: str, found: list[Quantity], _: AskedFor) -> list[Quantity]:
    """Without what is said by the way."""
    begin = _LEAD.match(sentence)
    opening = _OPENING.match(sentence, begin.end() if begin else 0)
    after = [one for one in found if opening and one.start >= opening.end()] or found
    return [one for one in after if not _is_aside(sentence, one)] or after


def _is_aside(sentence: str, one: Quantity) -> bool:
    if _NAMES.match(sentence, one.end):
        return True
    before = _ASIDE.search(sentence[max(0, one.start - 45) : one.start])
    if before is None:
        return False
    return not (before["of"] and _AMOUNTS.fullmatch(before["whose"].lower()))


def _contended(sentence: str, found: list[Quantity], results: Sequence[str]) -> str:
    """What was computed last, or the first that isn't the subject; none of two on a par."""
    one, two = found[0], next(two for two in found if two.value != found[0].value)
    begin = _LEAD.match(sentence)
    subject = begin is not None and one.start - begin.end() <= 1
    rivals = {one.value, two.value} if _on_a_par(sentence, one, two, subject) else set()
    for result in reversed(results[-3:]):
        if result in {number.value for number in found} - rivals:
            return result
    if rivals:
        return AMBIGUOUS
    return (two if subject and not _PASSIVE.match(sentence, one.end) else one).value


def _on_a_par(sentence: str, one: Quantity, two: Quantity, subject: bool) -> bool:
    """``5 cups and 2 pans``, ``6 workers 4 days``; not ``5 books cost $20``."""
    between = sentence[one.end : two.start]
    coordinated = re.search(r"\b(?:and|plus|or|while)\b|,", between)
    return bool(_ON_A_PAR.fullmatch(between) and (coordinated or not subject))


def results_of(sentences: Iterable[str]) -> list[str]:
    """What the equations in these sentences come to, in order."""
    values: list[str] = []
    for sentence in sentences:
        sides = sentence.split("=")
        if len(sides) == 1 and _IN_WORDS.search(sentence):
            values += [one.value for one in _resulting(sentence, list(quantities(sentence)))]
        for side in sides[1:]:
            value = value_of(_main_part(side))
            if value is not None:
                values.append(value)
    return values
