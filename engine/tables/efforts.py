"""Tables of what answering took and cost, per 1,000 questions."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from engine.schema.accuracy import NOTHING
from engine.schema.durations import duration
from engine.store.spending import money
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.queries.effort import Effort
    from engine.schema.evaluation import Evaluation

LOAD = "times count what else the machine did meanwhile"
CAPTION = "time and cost of 1,000 questions, tokens of an answer"


def efforts(found: Mapping[Evaluation, Sequence[Effort | None]], names: Sequence[str]) -> Table:
    """Make a table with a row per evaluation and a column per run: ``1 min 12 s, 0.42 USD, 61
    tokens``, with a dash for what was not recorded of this run but of others."""
    told = {place: _parts(one) for place, one in _places(found)}
    recorded = [any(parts[n] for parts in told.values()) for n in range(3)]
    rows = []
    for key, cells in found.items():
        each = (told.get((key, n)) for n in range(len(cells)))
        rows.append((key.where, key.style, *(_joined(parts, recorded) for parts in each)))
    return Table(("task", "prompt", *names), tuple(rows), "accuracies-efforts")


def _places(
    found: Mapping[Evaluation, Sequence[Effort | None]],
) -> Iterator[tuple[tuple[Evaluation, int], Effort]]:
    for key, cells in found.items():
        yield from (((key, n), one) for n, one in enumerate(cells) if one is not None)


def _parts(one: Effort) -> tuple[str, str, str]:
    return (
        duration(one.seconds) if one.seconds is not None else "",
        money(one.cost, one.currency) if one.cost is not None else "",
        f"{one.tokens:.0f} tokens" if one.tokens is not None else "",
    )


def _joined(parts: Sequence[str] | None, recorded: Sequence[bool]) -> str:
    if parts is None:
        return NOTHING
    return ", ".join(
        part or NOTHING for part, any_has in zip(parts, recorded, strict=True) if any_has
    )


def remarks(
    found: Mapping[Evaluation, Sequence[Effort | None]], names: Sequence[str], reference: int
) -> Iterator[str]:
    """Say what each run saves against the reference, and whether times may be compared."""
    for number, name in enumerate(names):
        both = [(cells[reference], cells[number]) for cells in found.values()]
        pairs = [(a, b) for a, b in both if a is not None and b is not None]
        paid = [(a.cost, b.cost) for a, b in pairs if a.currency == b.currency]
        whose = f"{names[reference]}'s"
        parts = [
            _against("took", f"{whose} time", [(a.seconds, b.seconds) for a, b in pairs]),
            _against("cost", f"{whose} cost", paid),
            "has no endpoint to pay" if any(a.cost and not b.currency for a, b in pairs) else "",
        ]
        if number != reference and any(parts):
            yield f"{name} {' and '.join(part for part in parts if part)}"
    places = dict.fromkeys(e.where for cells in found.values() for e in cells if e and e.seconds)
    if len(places) == 1:
        yield f"{LOAD}; all were measured on the same device: {next(iter(places))}"
    elif places:
        yield f"{LOAD}; they were measured on different devices: {', '.join(places)}"


def _against(did: str, what: str, pairs: Sequence[tuple[float | None, float | None]]) -> str:
    """Write ``took 0.08 times A's time`` (the median of the evaluations that both have)."""
    shares = [b / a for a, b in pairs if a and b is not None]
    return f"{did} {median(shares):.2g} times {what}" if shares else ""
