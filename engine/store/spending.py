"""What a phase pays its endpoint: so far, per hour, in total, and at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.schema.events import Cost
    from engine.schema.specs import PhaseSpec
    from engine.store.phase_log import PhaseView


@dataclass(frozen=True, slots=True)
class Spending:
    """A phase's cost, ``cost`` over all attempts. ``an_hour``: rate of this attempt, None once it
    is over. ``at_end``: forecast at this attempt's cost per unit; None before the first. ``cap``:
    the card's ``max_spend``. All in the cost's currency."""

    cost: Cost
    an_hour: float | None = None
    at_end: float | None = None
    cap: float | None = None

    @property
    def lines(self) -> tuple[str, ...]:
        """``1.2400 USD (+0.1000 possibly, …)`` and ``3.10 USD/h, about 4.80 USD at its end, cap
        20.00 USD``, each short enough for a narrow panel."""
        of = self.cost.currency
        parts = [f"{money(self.an_hour, of)}/h"] if self.an_hour is not None else []
        parts += [f"about {money(self.at_end, of)} at its end"] if self.at_end is not None else []
        parts += [f"cap {money(self.cap, of)}"] if self.cap is not None else []
        return (self.cost.text, ", ".join(parts)) if parts else (self.cost.text,)

    @property
    def text(self) -> str:
        return ", ".join(self.lines)


def spending(spec: PhaseSpec, view: PhaseView) -> Spending | None:
    """A phase's cost; None where it is free or not yet reported."""
    cap = spec.card.source.cap if spec.card else None
    cost = view.cost
    over = view.outcome is not None
    if cost is None or not (cost.spent or cost.possible or (cap is not None and not over)):
        return None
    if over:
        return Spending(cost, cap=cap)
    return Spending(cost, _an_hour(view), _at_end(view), cap)


def _an_hour(view: PhaseView) -> float | None:
    first, now = view.cost_began, view.cost
    if view.waiting or first is None or now is None:
        return None
    seconds = (now.ts - first.ts).total_seconds()
    return 3600 * (now.spent - first.spent) / seconds if seconds > 0 else None


def _at_end(view: PhaseView) -> float | None:
    first, now, begun, done = view.cost_began, view.cost, view.progress_began, view.progress
    if first is None or now is None or begun is None or done is None or done.done <= begun.done:
        return None
    each = (now.spent - first.spent) / (done.done - begun.done)
    return now.spent + each * max(0, done.total - done.done)


def in_all(costs: Iterable[Cost]) -> list[str]:
    """The total cost of several phases, one text per currency."""
    totals: dict[str, Cost] = {}
    for cost in costs:
        before = totals.get(cost.currency)
        totals[cost.currency] = _sum(before, cost) if before else cost
    return [total.text for total in totals.values()]


def _sum(one: Cost, other: Cost) -> Cost:
    amounts = ("requests", "prompt_tokens", "completion_tokens", "spent", "possible")
    added = {name: getattr(one, name) + getattr(other, name) for name in amounts}
    return one.model_copy(update=added)


def money(amount: float, currency: str) -> str:
    """Money with cents, or with two significant digits below a cent.

    >>> money(4.971, "USD"), money(0.00031, "USD")
    ('4.97 USD', '0.00031 USD')
    """
    return (
        f"{amount:.2f} {currency}" if amount >= 0.01 or amount <= 0 else f"{amount:.2g} {currency}"
    )
