"""Finds where a sentence's main clause begins, and which numbers are mentioned in passing."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from engine.scoring.quantity import Quantity

_GIVEN: Final = (
    r"(?:remaining|other|first|last|next|same|new|original|total|full|whole|entire|extra|past|"
    r"previous|final|initial)"
)
# "It takes her 3 hours": no possessive.
_VERBS: Final = (
    r"(?<!take\s)(?<!takes\s)(?<!took\s)(?<!cost\s)(?<!costs\s)(?<!leave\s)(?<!leaves\s)"
    r"(?<!leaving\s)(?<!give\s)(?<!gives\s)(?<!earn\s)(?<!earns\s)(?<!pay\s)(?<!pays\s)"
)
# Right before a number that is said by the way.
_ASIDE: Final = re.compile(
    rf"\b(?:in|per|each|every|from|over|after|before|at|by|than|if|since|when|between|into|among|"
    rf"through|across|on|under|above|below|until|past|within|during|about|an?|times|another|"
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
    r"(?:(?:so|therefore|thus|hence|then|and|finally|but|now|also|consequently|in conclusion|"
    r"this means(?: that)?|that means(?: that)?|we can (?:say|conclude|see) that|as a result)"
    r"\b[,:]?\s?)*",
    re.IGNORECASE,
)
OPENING: Final = re.compile(
    r"(?:after|when|if|since|with|in|by|for|because|given|once|as|over|at|before|during|until|from|"
    r"on|of|out of|to)\b[^,\n]{0,120}?,\s",
    re.IGNORECASE,
)
_WHICH: Final = re.compile(r",\s(?:which|who|whose|where|with|having)\b[^,]{1,80},")
OPENS: Final = re.compile(r"(?:after|when|once)\s", re.IGNORECASE)
_ON_A_PAR: Final = re.compile(
    r"(?:\s[\w'%/-]{1,20}){0,4},?\s(?:and|plus|or|while)(?:\s[\w']{1,20}){0,3}\s[$€£]?"
    r"|,\s(?:and\s|or\s)?[$€£]?|\s[a-z]{1,20}\s[$€£]?"
)
FINITE: Final = re.compile(
    r"(?:\s(?!(?:to|that|which|who)\b)[\w'-]{1,20}){1,8}?\s(?:will|would|can|could|"
    r"costs?|weighs?|makes?|takes?|needs?|holds?|"
    r"contains?|earns?|equals?|uses?|eats?|gets?|have|has)\b"
)
PASSIVE: Final = re.compile(
    r"(?:\s[\w'-]{1,20}){0,4}\s(?:is|are|was|were|will be|would be|can be|remain|remains|left)\b"
)
_RESULT: Final = re.compile(
    r"\b(?:is|are|was|were|be|gives?|gets?|getting|makes|leaves|leaving|left with|totals|yields|"
    r"becomes|that's|i\.e\.,?|(?<=,\s)or|comes to|amounts to|equal to)\s"
    r"(?:(?:us|you|him|her|them|it|an? (?:total|sum|average) of|only|about|just|with|approximately|"
    r"exactly)\s){0,2}"
    r"[$€£]?$",
    re.IGNORECASE,
)
_TO_GET: Final = re.compile(r"\bto (?:get|find|give|obtain)\b[^().]{0,80}\(\s?[$€£]?$")
COMPARED: Final = re.compile(r"%?(?:\s[a-z]{1,20})?\s(?:times|more|less|fewer|\w{2,12}er)\b")
_SPARE: Final = re.compile(r"(?:\s\w{1,20}){0,2}\s(?:left\s?over|over|unused|extra|to spare)\b")


def lead(sentence: str) -> int:
    """Where the sentence's content begins, after "So" or "Therefore,"."""
    found = _LEAD.match(sentence)
    return found.end() if found else 0


def is_aside(sentence: str, one: Quantity) -> bool:
    """Whether the number is only mentioned in passing."""
    if any(clause.start() < one.start < clause.end() for clause in _WHICH.finditer(sentence)):
        return True
    if _NAMES.match(sentence, one.end):
        return True
    before = _ASIDE.search(sentence[max(0, one.start - 45) : one.start])
    if before is None:
        return False
    return not (before["of"] and _AMOUNTS.fullmatch(before["whose"].lower()))


def resulting(sentence: str, found: list[Quantity]) -> list[Quantity]:
    """The last number that the sentence gives as the result of those before it."""

    def follows(one: Quantity) -> bool:
        return bool(_RESULT.search(sentence[max(0, one.start - 40) : one.start]))

    told = [
        (before, one)
        for before, one in pairwise(found)
        if follows(one)
        and not COMPARED.match(sentence, one.end)
        and not _SPARE.match(sentence, one.end)
    ]
    if told:
        before, one = told[-1]
        alike = follows(before) and re.search(
            r"\b(?:and|while)\b", sentence[before.end : one.start]
        )
        return [] if alike else [one]  # "Ann gets 5 and Bob gets 6"
    bracketed = [one for one in found[1:] if _TO_GET.search(sentence[: one.start])]
    return bracketed[-1:]


def on_a_par(sentence: str, one: Quantity, two: Quantity, subject: bool) -> bool:
    """Whether two numbers rank equally: ``5 cups and 2 pans``; not ``5 books cost $20``."""
    between = sentence[one.end : two.start]
    coordinated = re.search(r"\b(?:and|plus|or|while)\b|,", between)
    return bool(_ON_A_PAR.fullmatch(between) and (coordinated or not subject))
