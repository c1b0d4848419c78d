"""Numbers: where a text states one, and when two are equal.

Tiers, most explicit first: ``hash`` (``#### 42``), ``boxed``, ``statement`` ("the answer is
42"), ``equation`` (the last sentence with a number ends in ``= 42``), ``last_number``.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Final

from engine.scoring.boxed import last_boxed
from engine.scoring.text import plain, sentence_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.scoring.text import Asked, Rule

LONGEST: Final = 60  # digits; longer "numbers" are noise and slow to compare

_DIGITS: Final = r"(?:[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])|[0-9]+)"
_NUMBER: Final = re.compile(
    rf"""
    (?P<sign>(?:(?<![\w)\]%])-|\b(?:minus|negative)\s))?[ ]?
    (?:[$€£¥]\s?(?P<inner>-)?)?
    (?<![\w.])
    (?P<digits>{_DIGITS}(?:\.[0-9]+)?(?:e[+-]?[0-9]{{1,2}}\b)?|\.[0-9]+)
    (?:(?P<mixed>\s[0-9]{{1,4}})?\s?/\s?(?P<below>[0-9]+)(?![0-9.,/]))?
    """,
    re.VERBOSE | re.IGNORECASE,
)
_FRAC: Final = re.compile(r"\\[dtc]?frac\s?\{\s?(-?[0-9]+)\s?\}\s?\{\s?([0-9]+)\s?\}")
_CALCULATOR: Final = re.compile(r"<<[^<>\n]{0,200}>>")  # GSM8K's worked answers hold these
_HASH: Final = re.compile(r"####[ :]*")
# What leads to a stated number. A bare "answer" does not ("To answer this, we add 3 and 4").
_CUE: Final = re.compile(
    r"(?<!\bto )\b(?:answer|final result|final total)\b"
    r"(?:(?=\s[$€£]?-?\.?[0-9])|"
    r"(?:\s[a-z']+){0,5}?(?:\s-(?=\s)|(?:\"?\s?(?::|=|->|>)|"
    r"\s(?:is|was|(?:would|will|should|must)(?:\s[a-z]+)?\sbe|comes to|equals))+))"
    r"\s?",
    re.IGNORECASE,
)
_HEADING: Final = re.compile(r"(?:final )?answer\s?:\s?", re.IGNORECASE)
_REASON: Final = re.compile(r",?\s\(?(?:because|since|as|where|given)\b|\s\(", re.IGNORECASE)
_BETWEEN: Final = re.compile(r"between\s[$€£]?-?[0-9][^\n]{0,20}?\sand\s", re.IGNORECASE)
_DOUBT: Final = re.compile(r"(?:\bnot|n't|\bwrong|\bincorrect)\b[^.,;\n]*$", re.IGNORECASE)
_NOT_BUT: Final = re.compile(r"not\b[^.\n]{1,60}?\bbut\b", re.IGNORECASE)
_NOT: Final = re.compile(r"(?:not\b|n't\b)", re.IGNORECASE)
_OR: Final = re.compile(
    r"\s?(?:[\w%]{1,12}\s)?or\s(?:maybe\s|perhaps\s)?[$€£]?-?[0-9]", re.IGNORECASE
)
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s|\n")


def tiers(text: str, _asked: Asked) -> Iterator[Rule]:
    """The rules in order; each gives plain decimal text or a fraction like ``1/3``."""
    words = _FRAC.sub(r"\1/\2", plain(_CALCULATOR.sub("", text)))
    yield "hash", lambda: _after_hash(words)
    yield "boxed", lambda: _first(last_boxed(words) or "")
    stated = _statement(words)
    yield "statement", lambda: stated or None
    if stated == "":  # it states two numbers: no weaker rule may pick one of them
        return
    sentence = _last_sentence(words)
    yield "equation", lambda: _first(sentence.rpartition("=")[2]) if "=" in sentence else None
    yield "last_number", lambda: _last(sentence)


def _after_hash(text: str) -> str | None:
    marks = list(_HASH.finditer(text))
    return _first(sentence_from(text, marks[-1].end())) if marks else None


def _statement(text: str) -> str | None:
    """The last stated number; ``""`` when the last statement hedges between two."""
    for cue in reversed(list(_CUE.finditer(text))):
        scope = sentence_from(text, cue.end())
        if _DOUBT.search(text[max(0, cue.start() - 60) : cue.start()].rpartition("\n")[2]):
            continue
        if _heads_a_solution(cue, scope):
            continue
        corrected = _NOT_BUT.match(scope)
        if corrected:
            scope = scope[corrected.end() :]
        elif _NOT.match(scope):
            continue
        told = _REASON.split(scope, maxsplit=1)[0]
        scope = told if _first(told) else scope
        if "=" in scope and _first(scope.rpartition("=")[2]):
            scope = scope.rpartition("=")[2]
        found = next(_numbers(scope), None)
        if found is not None:
            hedges = _OR.match(scope, found.end()) or _BETWEEN.match(scope)
            return "" if hedges else canonical(found)
    return None


def _heads_a_solution(cue: re.Match[str], scope: str) -> bool:
    """``Answer: Tom has 5 pens and buys 3. ...`` begins a solution and states nothing yet."""
    after = cue.string[cue.end() + len(scope) :]
    return (
        _HEADING.fullmatch(cue[0]) is not None
        and len({canonical(number) for number in _numbers(scope)}) > 1
        and next(_numbers(scope)).start() > 0
        and _first(after) is not None
    )


def _last_sentence(text: str) -> str:
    """The last sentence that holds a digit."""
    end = len(text)
    for cut in reversed([0, *(m.end() for m in _SENTENCE.finditer(text))]):
        if _first(text[cut:end]) is not None:
            return text[cut:end]
        end = cut
    return ""


def _numbers(text: str) -> Iterator[re.Match[str]]:
    return (m for m in _NUMBER.finditer(text) if canonical(m) is not None)


def _first(text: str) -> str | None:
    found = next(_numbers(text), None)
    return canonical(found) if found else None


def _last(text: str) -> str | None:
    found = list(_numbers(text))
    return canonical(found[-1]) if found else None


def canonical(match: re.Match[str]) -> str | None:
    """Plain text of a matched number; None when it is too long to be one."""
    if len(match["digits"]) > LONGEST or len(match["below"] or "") > LONGEST:
        return None
    value = Fraction(match["digits"].replace(",", ""))
    below = int(match["below"] or 1)
    if match["mixed"]:
        value += Fraction(int(match["mixed"]), below) if below else 0
    elif below:
        value /= below
    return as_text(-value if match["sign"] or match["inner"] else value)


def as_text(value: Fraction) -> str:
    """``18``, ``0.5``; a fraction where no short decimal is exact."""
    if value.denominator == 1:
        return str(value.numerator)
    scaled = value * 10**LONGEST
    if scaled.denominator != 1:
        return f"{value.numerator}/{value.denominator}"
    sign, digits = "-" if value < 0 else "", str(abs(scaled.numerator)).zfill(LONGEST + 1)
    return f"{sign}{digits[:-LONGEST]}.{digits[-LONGEST:].rstrip('0')}"


def same_number(left: str, right: str) -> bool:
    """Equal as exact rational numbers: ``18.00`` is ``18``, ``0.5`` is ``1/2``."""
    try:
        return Fraction(left.replace(",", "")) == Fraction(right.replace(",", ""))
    except (ValueError, ZeroDivisionError):
        return False
