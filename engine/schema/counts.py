"""How many: the one place that writes a count."""

from __future__ import annotations


def count(n: float) -> str:
    """``950``, ``9,999``, ``12.3k``, ``1.2M``."""
    for size, least, unit in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e3, 1e4, "k")):
        if abs(n) >= least:
            return f"{n / size:.1f}{unit}"
    return f"{n:,.0f}"


def counted(number: int, what: str) -> str:
    """``1 run``, ``3 runs``."""
    return f"{count(number)} {what}{'' if number == 1 else 's'}"
