"""Shows how long an experiment would take on so many cards."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from engine.cli.output import print_table, say
from engine.commands.simulating import RULES, USED, Simulated
from engine.schema.durations import DAY, duration
from engine.schema.errors import UserError
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADERS = ("GPUs", "order", "all done", "longer", "busy", "half the runs", "servers")


def cards_of(text: str) -> tuple[int, ...]:
    """The numbers in ``1,4,16``; ``UserError`` when they are none."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and 0 < int(part) <= 10_000 for part in parts):
        raise UserError(f"--gpu-counts {text}: numbers of GPUs from 1 to 10000, such as 1,4,16,64")
    return tuple(dict.fromkeys(map(int, parts)))


def print_simulations(found: Iterable[Simulated]) -> None:
    """Print a line for each number of GPUs and each order; 0.0 % longer is the best one."""
    by_cards: dict[int, list[Simulated]] = defaultdict(list)
    for one in found:
        by_cards[one.cards].append(one)
    rows = [
        (
            str(cards),
            RULES[one.rule],
            long(one.seconds),
            f"{100 * (one.seconds / best - 1) if best else 0:.1f} %",
            f"{100 * one.busy:.0f} %",
            long(one.half),
            str(one.loads),
        )
        for cards, tried in by_cards.items()
        for best in [min(one.seconds for one in tried)]
        for one in tried
    ]
    print_table(Table(HEADERS, tuple(rows)))
    say(
        "simulated, each phase as long as estimated above. longer: than by the best order; busy: "
        "the GPUs; half the runs: are finished after; servers: are started. The scheduler's order: "
        f"{RULES[USED]}"
    )


def long(seconds: float) -> str:
    """A duration, years too, which are compared here."""
    return duration(seconds) if seconds < 365 * DAY else f"{seconds / DAY:,.0f} d"
