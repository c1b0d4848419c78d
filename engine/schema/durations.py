"""Formats durations for people; all are written here."""

from __future__ import annotations

import math
from typing import Final

DAY: Final = 86_400
UNITS: Final = ((DAY, 3_600, "d", "h"), (3_600, 60, "h", "min"), (60, 1, "min", "s"))


def duration(seconds: float | None) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h``, ``3 d 4 h``: two units at most; ``unknown`` without one.

    Longer ones are ``over a year``, since a figure would only look exact. Negative ones, from a
    clock set back, count as 0.
    """
    if seconds is None or math.isnan(seconds):
        return "unknown"
    if seconds >= 365 * DAY:
        return "over a year"
    whole = max(0, round(seconds))
    for size, smaller, unit, part in UNITS:
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {part}" if rest else "")
    return f"{whole} s"
