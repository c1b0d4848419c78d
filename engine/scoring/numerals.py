"""Rewrites numbers as people write them in plain digits.

Groups of digits ("352 000", "1,00,000"), scales ("2.5 million"), fractions ("5½") and, apart from
these, number words ("twenty-five", "two dozen"). A decimal comma is not guessed at.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

_UNITS: Final = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS: Final = {
    word: 10 * number
    for number, word in enumerate(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], start=2
    )
}
_SCALES: Final = {
    "dozen": 12,
    "hundred": 100,
    "thousand": 1_000,
    "million": 1_000_000,
    "billion": 1_000_000_000,
}
_TENS_RE: Final = "|".join(_TENS)
_SMALL: Final = rf"(?:(?:{_TENS_RE})(?:[-\s](?:{'|'.join([*_UNITS][1:10])}))?|{'|'.join(_UNITS)})\b"
_SCALE: Final = rf"(?:{'|'.join(_SCALES)})\b"
WORDS: Final = re.compile(
    rf"(?<![\w-])(?:{_SMALL}|an?(?=\s{_SCALE}))"
    rf"(?:[-\s]{_SCALE}(?:(?:,?\s|-|\sand\s){_SMALL})?){{0,6}}"
    r"(?P<half>\sand\sa\shalf\b)?(?!-)(?:\s?\([0-9]{1,9}\))?",
    re.IGNORECASE,
)
_DIGIT: Final = re.compile(r"[0-9]")
_ONE: Final = re.compile(r"one\b(?!\sof\b)", re.IGNORECASE)
_HALF: Final = re.compile(r"^(?:an?\s|one[\s-])?half\b", re.IGNORECASE)
_NONE_LEFT: Final = re.compile(
    r"\bno\s(?=(?:more\s)?(?:\w{1,20}\s){0,2}(?:left|remaining|remain)\b)", re.IGNORECASE
)
_MEASURE: Final = (
    r"(?:dollar|cent|gram|pound|ounce|foot|inch|mile|page|piece|gallon|liter|litre|meter|metre|"
    r"calorie|minute|hour|day|week|year|watt|square|cubic)\b"
)
_SPACED: Final = re.compile(
    rf"(?<![\w.,/])[1-9][0-9]{{0,2}}(?:\s[0-9]{{3}}){{1,4}}(?![\w/]|[.,]?[0-9]|[-\s]{_MEASURE})"
)
_LOOSE_COMMA: Final = re.compile(r"(?<![\w.,])([0-9]{1,3}),\s(?=000\b)")
_INDIAN: Final = re.compile(r"(?<![\w.,])[0-9]{1,2}(?:,[0-9]{2}){1,4},[0-9]{3}(?![,0-9])")
_APOSTROPHE: Final = re.compile(r"(?<=[0-9])'(?=[0-9]{3}(?![0-9\"]))")
_SCALED: Final = re.compile(
    r"(?<![\w.,])(?P<number>[0-9]{1,9}(?:,[0-9]{3}){0,4}(?:\.[0-9]{1,9})?)"
    r"\s?(?P<scale>hundred|thousand|million|billion|dozen)\b",
    re.IGNORECASE,
)
_THOUSANDS: Final = re.compile(
    r"(?<=[$€£])(?P<number>[0-9]{1,6}(?:\.[0-9]{1,6})?)(?P<scale>[kK])\b"
)
_PERCENT_WORDS: Final = re.compile(rf"{WORDS.pattern}(?=\s(?:percent|per cent)\b)", re.IGNORECASE)
_PART: Final = {
    **{"half": 2, "halve": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6},
    **{"seventh": 7, "eighth": 8, "ninth": 9, "tenth": 10, "twelfth": 12, "hundredth": 100},
}
_PARTS: Final = re.compile(
    rf"\b([2-9]|[1-9][0-9])[-\s]({'|'.join(_PART)})s\b", re.IGNORECASE
)  # "3 eighths", where the words are digits already
_AND_A_HALF: Final = re.compile(r"(?<=[0-9]) and a half\b", re.IGNORECASE)
_AND_FRACTION: Final = re.compile(r"(?<=[0-9]) and (?=[0-9]{1,2}/[0-9]{1,3}(?![0-9/]))")
_VULGAR: Final = {"½": "1/2", "¼": "1/4", "¾": "3/4", "⅓": "1/3", "⅔": "2/3", "⅛": "1/8"}
_FRAC: Final = re.compile(r"\\[dtc]?frac\s?\{\s?(-?[0-9]+)\s?\}\s?\{\s?([0-9]+)\s?\}")


def with_digits(text: str, unit: str = "") -> str:
    """Rewrite digit groups, scales and fractions in one form: ``352000``, ``5 1/2``.

    A scale that is itself the ``unit`` asked for ("how many dozens") stays.
    """
    for sign, fraction in _VULGAR.items():
        text = text.replace(sign, f" {fraction}")
    text = _FRAC.sub(r" \1/\2", text)
    text = _AND_FRACTION.sub(" ", _AND_A_HALF.sub(" 1/2", text))
    text = _INDIAN.sub(lambda found: found[0].replace(",", ""), text)
    text = _LOOSE_COMMA.sub(r"\1,", text)
    text = _APOSTROPHE.sub("", text)
    text = _SPACED.sub(lambda found: found[0].replace(" ", ""), text)
    text = _PERCENT_WORDS.sub(lambda found: words_as_digits(found[0], one=True), text)
    text = _THOUSANDS.sub(_multiplied, text)
    return text if unit in _SCALES else _SCALED.sub(_multiplied, text)


def _multiplied(found: re.Match[str]) -> str:
    if found["scale"].lower() == "dozen" and found.string[
        max(0, found.start() - 2) : found.start()
    ].strip().endswith("="):
        return found[0]  # 96/12 = 8 dozen: it counts in dozens
    scale = _SCALES.get(found["scale"].lower(), 1_000)  # $8k
    value = Fraction(found["number"].replace(",", "")) * scale
    return str(value) if value.denominator == 1 else found[0]


def words_as_digits(text: str, one: bool = False) -> str:
    """Rewrite number words in digits; ``one`` alone only if asked for: it is a pronoun too."""

    def digits(found: re.Match[str]) -> str:
        words = [word for word in re.split(r"[^a-z]+", found[0].lower()) if word]
        if words == ["one"] and not one:
            return found[0]
        return f"{_value(words)}.5" if found["half"] else str(_value(words))

    return WORDS.sub(digits, _NONE_LEFT.sub("0 ", text))


def in_digits(sentence: str) -> str:
    """Rewrite number words in a sentence without digits; "half" alone is ``1/2``."""
    if _DIGIT.search(sentence):
        return sentence
    digits = words_as_digits(sentence, one=_ONE.match(sentence) is not None)
    return _HALF.sub(
        "1/2", _PARTS.sub(lambda found: f"{found[1]}/{_PART[found[2].lower()]}", digits)
    )


def _value(words: list[str]) -> int:
    """The value of number words: ``["three", "hundred", "and", "six"]`` is 306; "a" is one."""
    total = group = 0
    for word in words:
        if word in _SCALES and _SCALES[word] >= 1_000:
            total, group = total + max(group, 1) * _SCALES[word], 0
        elif word in _SCALES:
            group = max(group, 1) * _SCALES[word]
        else:
            group += _UNITS.get(word, _TENS.get(word, 0))
    return total + group
