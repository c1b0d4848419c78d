"""How reliable each rule (tier) for extracting an answer is.

A *clear* tier reads an explicit statement of the answer. All others infer the answer from its
position and are right less often; reports show the share of answers that rest on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

CLEAR: Final = frozenset(
    {
        "boxed",
        "boxed_text",
        "hash",
        "statement",
        "statement_text",
        "first_letter",
        "first_line",
        "logprob",
    }
)


def is_clear(tier: str | None) -> bool:
    return tier in CLEAR


def shares(tiers: Iterable[tuple[str, int]], total: int) -> dict[str, float]:
    """Tier -> share of the ``total`` answers in 0..1, most common first; ``none``: no rule found
    an answer."""
    ordered = dict(sorted(tiers, key=lambda one: (-one[1], one[0])))
    if none := total - sum(ordered.values()):
        ordered["none"] = none
    return {name: count / total for name, count in ordered.items()} if total else {}


def shares_text(tiers: Iterable[tuple[str, int]], total: int) -> str:
    """``statement 91.0, last_number 6.5, none 2.5``, in per cent."""
    return ", ".join(f"{name} {100 * share:.1f}" for name, share in shares(tiers, total).items())


def unclear(tiers: Iterable[tuple[str, int]], total: int) -> float:
    """The share of answers without a clear tier."""
    clear = sum(count for name, count in tiers if is_clear(name))
    return 1 - clear / total if total else 0.0
