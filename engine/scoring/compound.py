"""Rewrites quantities in two units ("3 hours and 30 minutes") in the unit that is asked for."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Final

from engine.scoring.asked_for import stem
from engine.scoring.quantity import as_text

_PARTS: Final = {
    ("dollar", "cent"): 100,
    ("day", "hour"): 24,
    ("hour", "minute"): 60,
    ("minute", "second"): 60,
    ("year", "month"): 12,
    ("year", "week"): 52,
    ("week", "day"): 7,
    ("foot", "inch"): 12,
    ("yard", "foot"): 3,
    ("pound", "ounce"): 16,
    ("gallon", "quart"): 4,
    ("kilogram", "gram"): 1_000,
    ("kilometer", "meter"): 1_000,
    ("meter", "centimeter"): 100,
}
_FULL: Final = {"hr": "hour", "min": "minute", "sec": "second", "ft": "foot", "lb": "pound"}
_UNIT: Final = r"[a-zA-Z]{2,11}"
_COMPOUND: Final = re.compile(
    rf"(?<![\w.,/])(?P<large>[0-9]{{1,9}})\s?(?P<unit>{_UNIT}),?\s(?:and\s)?"
    rf"(?P<small>[0-9]{{1,9}}(?:\.[0-9]{{1,6}})?)\s?(?P<part>{_UNIT})\b"
)


_AGAIN: Final = re.compile(
    rf"(?<![\w.,/])(?P<told>(?P<amount>[0-9]{{1,9}})\s{_UNIT})"
    rf"(?:,?\s(?:i\.e\.,?|or|that\sis,?|which\sis|equivalent\sto|=)\s|\s\(){_COMPOUND.pattern}\)?"
)


def in_one_unit(text: str, wanted: str) -> str:
    """Rewrite two units as the ``wanted`` one (in the singular), or as dollars if none is wanted.

    "90 minutes, i.e. 1 hour and 30 minutes" gives one amount twice: the second is left out.
    """
    return _COMPOUND.sub(lambda found: _joined(found, wanted), _AGAIN.sub(_once, text))


def _once(found: re.Match[str]) -> str:
    parts = _PARTS.get(_units(found))
    if parts is None:
        return found[0]
    amount = int(found["large"]) * parts + Fraction(found["small"])
    return found["told"] if amount == int(found["amount"]) else found[0]


def is_compound(text: str, start: int) -> bool:
    """Whether a quantity in two units begins there."""
    found = _COMPOUND.match(text, start)
    return found is not None and _units(found) in _PARTS


def _units(found: re.Match[str]) -> tuple[str, str]:
    large, part = stem(found["unit"]), stem(found["part"])
    return _FULL.get(large, large), _FULL.get(part, part)


def _joined(found: re.Match[str], wanted: str) -> str:
    large, part = _units(found)
    parts = _PARTS.get((large, part))
    if parts is None:
        return found[0]
    if wanted == part:
        return f"{as_text(int(found['large']) * parts + Fraction(found['small']))} {part}s"
    if wanted == large or (large == "dollar" and wanted not in (large, part)):
        return f"{as_text(int(found['large']) + Fraction(found['small']) / parts)} {large}s"
    return found[0]
