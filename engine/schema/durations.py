"""How long something took or will take: the one place that writes a time."""

from __future__ import annotations

import math
from typing import Final

DAY: Final = 86_400
UNITS: Final = ((DAY, 3_600, "d", "h"), (3_600, 60, "h", "min"), (60, 1, "min", "s"))


def duration(seconds: float | None) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h``, ``3 d 4 h``: two units at most; ``unknown`` without one.

    At last ``over a year``: nobody waits longer, and a figure would only look exact. A clock that
    was set back makes it 0.
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
