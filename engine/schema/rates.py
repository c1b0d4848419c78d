"""Formats rates for people; all are written here."""

from __future__ import annotations

from typing import Final

RATE_AFTER_S: Final = 0.4  # a shorter time tells no rate of tokens
SURE_AFTER_S: Final = 5.0
SURE_PARTS: Final = 10
SLOW: Final = ((60.0, 1.0, "s"), (3600.0, 60.0, "min"), (float("inf"), 3600.0, "h"))


def rate_text(per_second: float, unit: str, *, alone: bool = False) -> str:
    """A rate as text: ``4.1/s``, or ``4.1 tokens/s`` with its unit if ``alone``; ``34 s/step``
    where one takes longer than a second, ``2.5 min/step`` than a minute."""
    if per_second >= 1:
        return f"{_figure(per_second)} {unit}/s" if alone else f"{_figure(per_second)}/s"
    seconds = 1 / per_second
    size, name = next((size, name) for limit, size, name in SLOW if seconds < limit)
    return f"{_figure(seconds / size)} {name}/{unit.removesuffix('s')}"


def is_sure(done: int, to_do: int, seconds: float, under_way: int = 0) -> bool:
    """Whether a rate tells how long the rest takes: some seconds were counted, or a tenth of
    all that was to do; and no more are ``under_way`` than were done, which were the short ones."""
    counted = seconds >= SURE_AFTER_S or done * SURE_PARTS >= to_do
    return done > 0 and done >= under_way and counted


def _figure(value: float) -> str:
    """At least two digits."""
    return f"{value:.1f}" if value < 9.95 else f"{value:,.0f}"
