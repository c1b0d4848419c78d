"""Finds units after a number: ``12\\text{ cm}^2``, ``90^\\circ``, ``\\$18``, ``5 hours``."""

from __future__ import annotations

import re
from typing import Final

_NAMES: Final = {
    "cm": "cm centimeter centimetre",
    "m": "meter metre",
    "mm": "mm millimeter millimetre",
    "km": "km kilometer kilometre",
    "in": "in inch inche",
    "ft": "ft foot feet",
    "yd": "yd yard",
    "mi": "mi mile",
    "s": "s sec second",
    "min": "min minute",
    "h": "h hr hour",
    "g": "g gram",
    "kg": "kg kilogram",
    "lb": "lb pound",
    "degree": "degree deg",
    "percent": "percent percentage",
    "dollar": "dollar usd",
    "cent": "cent",
    "unit": "unit",
}
_CANONICAL: Final = {alias: name for name, all_ in _NAMES.items() for alias in all_.split()}
_POWERS: Final = {"square": "^2", "squared": "^2", "sq": "^2", "cubic": "^3", "cubed": "^3"}
_KNOWN: Final = "|".join(sorted((a for a in _CANONICAL if len(a) > 1), key=len, reverse=True))

_MARK: Final = re.compile(r"(?<=.)\s?(\\degree|\\?%|\\\$|\\text\{\s?\\?[%$]\s?\})\s*$")
_TEXT: Final = re.compile(
    r"(?<=[^\s+*/^_(\[{=-])\s*(?P<words>(?:\\text\s?\{[^{}()0-9]*\}\s?(?:\^\{?[0-9]\}?)?\s?/?\s?){1,3})$"
)
_BARE: Final = re.compile(
    rf"(?<=[0-9}})])\s*(?P<words>(?:(?:square|sq\.?|cubic)\s)?(?:{_KNOWN})s?(?:\^\{{[23]\}})?)\.?$"
    r"|(?<=[0-9}])\s(?P<other>(?=[a-z ]{0,30}[aeiou])[a-z]{4,20}(?:\s[a-z]{2,20}){0,3})$",
    re.IGNORECASE,
)
_ANGLE: Final = re.compile(r"\\(?:sin|cos|tan|cot|sec|csc)(?![a-z])")  # its degrees are a number
_CURRENCY: Final = re.compile(r"(-?)\s?(?:\\\$|\$|\\text\{\s?\\?\$\s?\}|£|€)\s?(?=[-0-9.\\(])")


def split_unit(text: str) -> tuple[str, str]:
    """Split a scalar from its unit; gives the unit's canonical name, or ``""``."""
    if money := _CURRENCY.match(text):
        return money[1] + text[money.end() :], "dollar"
    if (mark := _MARK.search(text)) and not _ANGLE.search(text):
        name = "degree" if "degree" in mark[1] else "percent" if "%" in mark[1] else "dollar"
        return text[: mark.start()].strip(), name
    found = _TEXT.search(text) or _BARE.search(text)
    if not found:
        return text, ""
    said = found.groupdict()
    name = canonical(said.get("words") or said.get("other") or "")
    return text[: found.start()].strip(), name


def canonical(words: str) -> str:
    """A unit's canonical name: ``cm^2`` for both ``square centimeters`` and ``cm}^2``."""
    plain = re.sub(r"\\text|[{}\s.]+", " ", words.casefold().replace("per ", "/ "))
    names, power = [], ""
    for word in re.findall(r"[a-z%$]+|\^\s?[0-9]|/", plain):
        if word.startswith("^"):
            names.append(word.replace(" ", ""))
        elif word in _POWERS:
            power = _POWERS[word]
        else:
            single = word if word in _CANONICAL else re.sub(r"(?<=[a-z]{2})s$", "", word)
            names.append(_CANONICAL.get(single, single))
    return "".join(names) + power
