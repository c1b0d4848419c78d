"""What a phase pays its endpoint: so far, per hour, in total, and at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.schema.events import Cost
    from engine.schema.specs import PhaseSpec
    from engine.store.phase_log import PhaseView


class Paid(NamedTuple):
    """What is paid in one currency, as plain values that an index keeps; see :class:`Spending`."""

    currency: str
    spent: float
    an_hour: float | None = None
    at_end: float | None = None
    cap: float | None = None

    @property
    def text(self) -> str:
        """``0.24 USD``; while it is being spent ``0.24 USD, 3.10/h, about 0.90, cap 20.00``."""
        parts = [money(self.spent, self.currency)]
        parts += [f"{_amount(self.an_hour)}/h"] if self.an_hour is not None else []
        parts += [f"about {_amount(self.at_end)}"] if self.at_end is not None else []
        parts += [f"cap {_amount(self.cap)}"] if self.cap is not None else []
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Spending:
    """A phase's cost, ``cost`` over all attempts. ``an_hour``: rate of this attempt, None once it
    is over. ``at_end``: forecast at this attempt's cost per unit; None before the first. ``cap``:
    the card's ``max_spend``. ``over``: nothing more is spent. All in the cost's currency."""

    cost: Cost
    an_hour: float | None = None
    at_end: float | None = None
    cap: float | None = None
    over: bool = False

    @property
    def paid(self) -> Paid:
        cap = None if self.over else self.cap
        return Paid(self.cost.currency, self.cost.spent, self.an_hour, self.at_end, cap)

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
        return Spending(cost, cap=cap, over=True)
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


def in_all(found: Iterable[Spending]) -> list[Spending]:
    """The total of several phases, one for each currency. Its forecast is for the phases that have
    begun; its rate and cap are those of the ones at work."""
    totals: dict[str, Spending] = {}
    for one in found:
        before = totals.get(one.cost.currency)
        totals[one.cost.currency] = _sum(before, one) if before else one
    return list(totals.values())


def _sum(one: Spending, other: Spending) -> Spending:
    amounts = ("requests", "prompt_tokens", "completion_tokens", "spent", "possible")
    added = {name: getattr(one.cost, name) + getattr(other.cost, name) for name in amounts}
    cost = one.cost.model_copy(update=added)
    at_work = [part for part in (one, other) if not part.over]
    if not at_work:
        return Spending(cost, over=True)
    ends = [part.cost.spent if part.over else part.at_end for part in (one, other)]
    return Spending(
        cost,
        _total(part.an_hour for part in at_work),
        _total(ends),
        _total(part.cap for part in at_work),
    )


def _total(amounts: Iterable[float | None]) -> float | None:
    """The sum; None if one of them is not known."""
    known = list(amounts)
    return None if None in known else sum(filter(None, known))


def money(amount: float, currency: str) -> str:
    """Money with cents, or with two significant digits below a cent.

    >>> money(4.971, "USD"), money(0.00031, "USD")
    ('4.97 USD', '0.00031 USD')
    """
    return f"{_amount(amount)} {currency}"


def _amount(amount: float) -> str:
    return f"{amount:.2f}" if amount >= 0.01 or amount <= 0 else f"{amount:.2g}"
