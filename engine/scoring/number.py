"""Numbers: where a text states one, and when two are equal.

Tiers, most explicit first:

================  ===============================================================
``hash``          ``#### 42``
``boxed``         ``\\boxed{42}``
``statement``     "the answer is 42", "Answer: He needs 42 boxes"; the last one
``equation``      the last sentence with a number ends in ``= 42``
``conclusion``    "So he needs 42 boxes for 84 pens": the last sentence concludes
``last_number``   the last sentence's number
================  ===============================================================

Which of several numbers in a sentence counts: :mod:`engine.scoring.conclusion`. A statement that
hedges between two, is empty or gives up stops the weaker rules; so does a text that was cut off,
unless its last words give what it computed last.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING, Final

from engine.scoring.asked_for import asked_for
from engine.scoring.boxed import last_boxed
from engine.scoring.compound import in_one_unit, is_compound
from engine.scoring.conclusion import Known, choose, results_of, says_of
from engine.scoring.equation import AMBIGUOUS
from engine.scoring.numerals import with_digits, words_as_digits
from engine.scoring.quantity import figures, quantities
from engine.scoring.text import plain, sentence_before, sentence_from
from engine.scoring.unanswered import ends_early, gives_up, lacks_an_end, unfinished

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.scoring.asked_for import AskedFor
    from engine.scoring.quantity import Quantity
    from engine.scoring.text import Asked, Rule

_CALCULATOR: Final = re.compile(r"<<[^<>\n]{0,200}>>")  # GSM8K's worked answers hold these
_EQUALS: Final = re.compile(r"≈|≃|\\approx\b|\b(?:equals|is equal to)\b")
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
_IF: Final = re.compile(r"\b(?:if|had|unless|were)\b[^.\n]{0,100}$", re.IGNORECASE)
_SENTENCE: Final = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]s\.)(?<!\b[MD][rs]\.)(?<!\bMrs\.)(?<!\bi\.e\.)(?<!\be\.g\.)\s|\n"
)
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
_CHAT: Final = re.compile(
    r"(?:note\b|i hope\b|given\s?:|let me\b|feel free\b|please\b|remember\b|"
    r"if you(?:'d| have| need| want| would)\b)",
    re.IGNORECASE,
)
_COUNTERFACTUAL: Final = re.compile(
    r"\bif\b[^.\n]{0,80}\b(?:were|weren't|had|hadn't|did|didn't|instead|only|forgot|forget)\b",
    re.IGNORECASE,
)
_EXPLAINS: Final = re.compile(
    r"\s?(?:this is because|because|since|explanation|note)\b", re.IGNORECASE
)
# A number alone or with its unit; all there is on its line.
_BARE: Final = re.compile(
    r"[^\w\n]{0,4}(?:[a-z]\s?=\s?)?[$€£]?-?[0-9][0-9,./]*%?(?:\s[a-zA-Z]+){0,3}\W{0,3}"
)
_SILENT: Final = re.compile(r"\banswer\b(?:[^.\n]{0,40}\b(?:is|be))?\s?:?[\s.$*]*$", re.IGNORECASE)
_DIGIT: Final = re.compile(r"[0-9]")
_LIST: Final = re.compile(r",[0-9]")  # 125,96: two numbers, or a decimal comma
_BOXES: Final = re.compile(
    r"\\boxed\s?\{([^{}]{1,60})\}\$?[^\\.\n]{0,25}(?:\band\b|\bor\b|,)[^\\.\n]{0,15}"
    r"\\boxed\s?\{([^{}]{1,60})\}"
)
_SAYS: Final = re.compile(r"\w")
_WORD: Final = re.compile(r"[A-Za-z]{2}")
_ONE: Final = re.compile(r"one\b(?!\sof\b)", re.IGNORECASE)
_HALF: Final = re.compile(r"^(?:an?\s|one[\s-])?half\b", re.IGNORECASE)
CUES: Final = 12  # statements, from the end, that are tried
LINES: Final = 60  # sentences, from the end, in which a conclusion may stand
LONG: Final = 600  # characters of a sentence, from its end, that are read
_ASKS: Final = re.compile(r"(?:so,? )?(?:how|what)\b[^?]*\?$", re.IGNORECASE)
_ITEM: Final = re.compile(
    r"(?!total|answer|result|sum|final|in all|profit|remain|left|difference)"
    r"[A-Za-z][\w ']{0,25}:\s?"
    r"[$€£]?[0-9.,]+(?:\s\w+){0,2}\W*$",
    re.IGNORECASE,
)
BACK: Final = 4  # sentences with numbers, from the end, among which a conclusion is looked for


def tiers(text: str, asked: Asked) -> Iterator[Rule]:
    """The rules in order; each gives plain decimal text or a fraction like ``1/3``."""
    wanted = asked_for(asked.question)
    words = with_digits(plain(_EQUALS.sub("=", _CALCULATOR.sub("", text))), wanted.unit)
    words = in_one_unit(words, wanted.unit)
    for tier, find in (("hash", _after_hash), ("boxed", _in_box), ("statement", _statement)):
        value = find(words, wanted)
        yield tier, partial({AMBIGUOUS: None}.get, value, value)
        if value == AMBIGUOUS:
            return  # it states two numbers, or none: no weaker rule may pick one
    concluded = dict([_concluded(words, wanted, asked.cut_off)])
    for tier in ("equation", "conclusion", "last_number"):
        yield tier, partial(concluded.get, tier)


def _after_hash(text: str, wanted: AskedFor) -> str | None:
    marks = list(_HASH.finditer(text))
    return _stated(sentence_from(text, marks[-1].end()), wanted) if marks else None


def _in_box(text: str, wanted: AskedFor) -> str | None:
    """The last box's number; ``""`` when it holds none, or another box stands beside it."""
    box = last_boxed(text)
    if not box:
        return None
    beside = list(_BOXES.finditer(text[-LONG:]))
    if beside and beside[-1][2].strip() == box and beside[-1][1].strip() != box:
        return AMBIGUOUS
    return _stated(box, wanted) or AMBIGUOUS


def _statement(text: str, wanted: AskedFor) -> str | None:
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
    return None


def _another(scope: str, after: str) -> bool:
    """Whether the next line, too, is a number and nothing else, and another one."""
    line = after[1:].partition("\n")[0]
    if not (after.startswith("\n") and _BARE.fullmatch(scope) and _BARE.fullmatch(line)):
        return False
    return {one.value for one in quantities(line)} != {one.value for one in quantities(scope)}


def _stated(scope: str, wanted: AskedFor) -> str | None:
    """The number that a statement gives: all of it says what the answer is."""
    scope = _digits(_REASON.split(scope, maxsplit=1)[0])
    told = scope if "=" in scope else scope.split(" (")[0]
    found = next(quantities(told), None)
    if found is None:
        return AMBIGUOUS if _DIGIT.search(told) else choose(scope, Known(wanted))
    if _hedges(told, found) or is_compound(told, found.start) or _LIST.match(told, found.end):
        return AMBIGUOUS
    return choose(f"is {told}" if found.start <= 2 and "=" not in told else told, Known(wanted))


def _hedges(scope: str, found: Quantity) -> bool:
    """``12 or 14``; not ``18/24 or 3/4``."""
    other = _OR.match(scope, found.end)
    if other is None:
        return _BETWEEN.match(scope) is not None
    second = next(quantities(scope[other.end() - 1 :]), None)
    return second is None or second.value != found.value


def _digits(sentence: str) -> str:
    """Number words in digits where there are no others."""
    if _DIGIT.search(sentence):
        return sentence
    return _HALF.sub("1/2", words_as_digits(sentence, one=_ONE.match(sentence) is not None))


def _heads_a_solution(cue: re.Match[str], scope: str) -> bool:
    """``Answer: Tom has 5 pens and buys 3. ...`` begins a solution and states nothing yet."""
    text = cue.string
    before, after = text[: cue.start()], text[cue.end() + len(scope) :]
    if "\n" in cue[0] and not _BARE.fullmatch(scope):
        rest = [part for part in _SENTENCE.split(scope + after) if _SAYS.search(part)]
        if ends_early(rest) or lacks_an_end(rest) or (len(rest) > 1 and unfinished(rest[-1])):
            return True
        listed = re.match(r"1[.)]\s", text[cue.end() :]) is not None
        return listed or (_DIGIT.search(after) is not None and not _EXPLAINS.match(after, 1))
    if _HEADING.fullmatch(cue[0]) is None or not _WORD.match(scope) or not _DIGIT.search(after):
        return False
    return not _DIGIT.search(before) or ("=" in after and "=" not in before)


def _concluded(text: str, wanted: AskedFor, cut_off: bool) -> tuple[str, str | None]:
    """The tier and the number of the text's conclusion, as far as it has one."""
    sentences = [part[-LONG:] for part in _SENTENCE.split(text) if _SAYS.search(part)][-LINES:]
    answers = [one for one in sentences if _SILENT.search(one)]  # "The answer is", and nothing
    cut_off = cut_off or bool(answers and answers[-1] == sentences[-1]) or ends_early(sentences)
    sentences = [one for one in sentences if not _SILENT.search(one)]
    open_end = lacks_an_end(sentences)
    cut_off = cut_off or (open_end and bool(answers))
    told: list[tuple[str, str]] = []  # sentences with a number, last first
    in_words = _DIGIT.search(text) is None
    for index in range(len(sentences) - 1, -1, -1):
        sentence = _LABEL.sub("", sentences[index]) or sentences[index]
        if in_words or _CONCLUDES.match(sentence):
            sentence = _digits(sentence)
        if gives_up(sentence) and len(told) < 2 and not (told and _CONCLUDES.match(told[0][0])):
            return "", None
        planned = _PLAN.match(sentence) and "=" not in sentence
        if not told and (planned or _ASKS.match(sentence)):
            return "", None
        if not (sentence.endswith("?") or planned or _CHAT.match(sentence)):
            value = choose(sentence, _known(sentences[:index], wanted))
            if value is None and _DIGIT.search(sentence):
                value = AMBIGUOUS  # 2:1, 8:30
            told += [(sentence, value)] if value is not None else []
        if cut_off or len(told) == BACK:
            break
    known = _known(sentences[:-1], wanted)
    computed = known.results[-1:]
    if not told or (cut_off and (told[0][1] not in computed or not _WORD.search(told[0][0]))):
        return "", None
    if open_end and told[0][1] in known.seen.difference(computed):
        return "", None
    if told[0][1] not in computed and all(_ITEM.match(one[0]) for one in told[:2]) and told[1:]:
        return "", None  # Ann: 10, Bob: 12
    sentence, value = told[0]
    given = value in known.seen
    if given and _tier(sentence) == "last_number" and not says_of(sentence, wanted, wanted.nouns):
        sentence, value = max(told, key=lambda one: says_of(one[0], wanted))
    return _tier(sentence), value or None


def _known(before: list[str], wanted: AskedFor) -> Known:
    return Known(
        wanted,
        tuple(results_of(before[-12:])),
        wanted.figures.union(*map(figures, before)),
    )


def _tier(sentence: str) -> str:
    if "=" in sentence:
        return "equation"
    return "conclusion" if _CONCLUDES.match(sentence) else "last_number"


def same_number(left: str, right: str) -> bool:
    """Equal as exact rational numbers: ``18.00`` is ``18``, ``0.5`` is ``1/2``."""
    try:
        return Fraction(left.replace(",", "")) == Fraction(right.replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return False
