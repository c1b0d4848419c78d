"""Finds a number stated as the answer: after ``####``, in a box, or after "the answer is"."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.scoring.boxed import last_boxed
from engine.scoring.compound import is_compound
from engine.scoring.conclusion import Known, choose
from engine.scoring.equation import AMBIGUOUS
from engine.scoring.numerals import in_digits
from engine.scoring.quantity import quantities
from engine.scoring.text import sentence_before, sentence_from, sentences
from engine.scoring.unanswered import ends_early, gives_up, unfinished

if TYPE_CHECKING:
    from engine.scoring.asked_for import AskedFor
    from engine.scoring.quantity import Quantity

_HASH: Final = re.compile(r"####[ :]*")
# What leads to a stated number. A bare "answer" does not ("To answer this, we add 3 and 4").
_CUE: Final = re.compile(
    r"(?<!\bto )\b(?:answer|final result|final total)\b(?:\s?\([^()\n]{1,40}\))?"
    r"(?:(?=\s[$€£]?-?\.?[0-9])|"
    r"(?: [a-z']+){0,5}?(?:\s-(?=\s)|(?:\"?\s?(?::|=|->|>)|"
    r"\s(?:is|was|(?:would|will|should|must)(?:\s[a-z]+)?\sbe|comes to|equals))+))"
    r"(?:\s?:)?\s?",
    re.IGNORECASE,
)
_HEADING: Final = re.compile(r"(?:final )?answer\s?:\s?", re.IGNORECASE)
_REASON: Final = re.compile(
    r",?\s\(?(?:because|since|as|where|given|but|although|though|if|when|assuming|unless)\b",
    re.IGNORECASE,
)
_BETWEEN: Final = re.compile(r"between\s[$€£]?-?[0-9][^\n]{0,20}?\sand\s", re.IGNORECASE)
_DOUBT: Final = re.compile(r"(?:\bnot|n't|\bwrong|\bincorrect)\b[^.,;\n]*$", re.IGNORECASE)
_NOT_BUT: Final = re.compile(r"not\b[^.\n]{1,60}?\bbut\b", re.IGNORECASE)
_NOT: Final = re.compile(r"(?:not\b|n't\b)", re.IGNORECASE)
_OR: Final = re.compile(
    r",?\s?(?:[\w%]{1,12},?\s)?or\s(?:maybe\s|perhaps\s)?[$€£]?-?[0-9]", re.IGNORECASE
)
_COUNTERFACTUAL: Final = re.compile(
    r"\bif\b[^.\n]{0,80}\b(?:were|weren't|had|hadn't|did|didn't|instead|only|forgot|forget)\b",
    re.IGNORECASE,
)
_EXPLAINS: Final = re.compile(
    r"\s?(?:this is because|because|since|explanation|note)\b", re.IGNORECASE
)
# A number alone or with its unit; all there is on its line.
BARE: Final = re.compile(
    r"[^\w\n]{0,4}(?:[a-z]\s?=\s?)?[$€£]?-?[0-9][0-9,./]*%?(?:\s[a-zA-Z]+){0,3}\W{0,3}"
)
_DIGIT: Final = re.compile(r"[0-9]")
_LIST: Final = re.compile(r",[0-9]")  # 125,96: two numbers, or a decimal comma
_BOXES: Final = re.compile(
    r"\\boxed\s?\{([^{}]{1,60})\}\$?[^\\.\n]{0,25}(?:\band\b|\bor\b|,)[^\\.\n]{0,15}"
    r"\\boxed\s?\{([^{}]{1,60})\}"
)
_LISTED: Final = re.compile(r"1[.)]\s")
_WORD: Final = re.compile(r"[A-Za-z]{2}")
_NAMED: Final = re.compile(
    r"(?<![\w.,])([$€£]?-?[0-9][0-9.,]{0,30}%?(?:\s[a-zA-Z]{1,20}){0,2})\s"
    r"(?:is|would be|should be)\s(?:the|my|our)\s(?:final\s|correct\s|right\s)?answer\b"
)
CUES: Final = 12  # statements, from the end, that are tried
NEAR: Final = 600  # characters at the end in which two boxes may stand side by side


def after_hash(text: str, wanted: AskedFor) -> str | None:
    """The number after the last ``####``."""
    marks = list(_HASH.finditer(text))
    return _stated(sentence_from(text, marks[-1].end()), wanted) if marks else None


def in_box(text: str, wanted: AskedFor) -> str | None:
    """The number in the last box; ``""`` if it holds none, or another box is beside it."""
    box = last_boxed(text)
    if not box:
        return None
    beside = list(_BOXES.finditer(text[-NEAR:]))
    if beside and beside[-1][2].strip() == box and beside[-1][1].strip() != box:
        return AMBIGUOUS
    return _stated(box, wanted) or AMBIGUOUS


def statement(text: str, wanted: AskedFor) -> str | None:
    """The last stated number; ``""`` when the last statement hedges, gives up or says nothing."""
    for cue in reversed(list(_CUE.finditer(text))[-CUES:]):
        scope = sentence_from(text, cue.end())
        after = cue.end() + len(scope)
        if _DOUBT.search(text[max(0, cue.start() - 60) : cue.start()].rpartition("\n")[2]):
            continue
        if text[after : after + 1] == "?" or _heads_a_solution(cue, scope):
            continue
        if _COUNTERFACTUAL.search(sentence_before(text, cue.start()) + cue[0] + scope):
            continue
        corrected = _NOT_BUT.match(scope)
        if corrected:
            scope = scope[corrected.end() :]
        elif _NOT.match(scope):
            continue
        if gives_up(scope):
            return AMBIGUOUS
        if "\n" in cue[0] and _another(scope, text[after : after + 30]):
            return AMBIGUOUS
        stated = _stated(scope, wanted)
        if stated is not None:
            return stated
        if _HEADING.fullmatch(cue[0]) and _WORD.search(scope) and not _DIGIT.search(text, after):
            return AMBIGUOUS  # a last word that holds no number
    named = _NAMED.findall(text)
    return _stated(named[-1], wanted) if named else None


def _another(scope: str, after: str) -> bool:
    """Whether the next line, too, is nothing but a number, and a different one."""
    line = after[1:].partition("\n")[0]
    if not (after.startswith("\n") and BARE.fullmatch(scope) and BARE.fullmatch(line)):
        return False
    return {one.value for one in quantities(line)} != {one.value for one in quantities(scope)}


def _stated(scope: str, wanted: AskedFor) -> str | None:
    """The number that a statement gives, all of which says what the answer is."""
    scope = in_digits(_REASON.split(scope, maxsplit=1)[0])
    told = scope if "=" in scope else scope.split(" (")[0]
    found = next(quantities(told), None)
    if found is None:
        return AMBIGUOUS if _DIGIT.search(told) else choose(scope, Known(wanted))
    if _hedges(told, found) or is_compound(told, found.start) or _LIST.match(told, found.end):
        return AMBIGUOUS
    return choose(f"is {told}" if found.start <= 2 and "=" not in told else told, Known(wanted))


def _hedges(scope: str, found: Quantity) -> bool:
    """Whether it names two different values: ``12 or 14``; not ``18/24 or 3/4``."""
    other = _OR.match(scope, found.end)
    if other is None:
        return _BETWEEN.match(scope) is not None
    second = next(quantities(scope[other.end() - 1 :]), None)
    return second is None or second.value != found.value


def _heads_a_solution(cue: re.Match[str], scope: str) -> bool:
    """``Answer: Tom has 5 pens and buys 3. ...`` begins a solution and states nothing yet."""
    text = cue.string
    before, after = text[: cue.start()], text[cue.end() + len(scope) :]
    if "\n" in cue[0] and _LISTED.match(text, cue.end()):
        return True
    if "\n" in cue[0] and not BARE.fullmatch(scope):
        rest = sentences(scope + after)
        if ends_early(rest) or (rest and unfinished(rest[-1])):
            return True
        return _DIGIT.search(after) is not None and not _EXPLAINS.match(after, 1)
    if _HEADING.fullmatch(cue[0]) is None or not _WORD.match(scope) or not _DIGIT.search(after):
        return False
    return not _DIGIT.search(before) or ("=" in after and "=" not in before)
