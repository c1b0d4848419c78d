"""What several phases pay together: spent, per hour, in the end and at most."""

from __future__ import annotations

from engine.schema.events import Cost
from engine.store.spending import Paid, Spending, in_all


def cost(spent: float, currency: str = "USD") -> Cost:
    return Cost(requests=1, prompt_tokens=10, completion_tokens=5, spent=spent, currency=currency)


def test_what_is_over_counts_as_spent_and_what_is_at_work_says_where_it_goes() -> None:
    over = Spending(cost(1.0), cap=9.0, over=True)
    one = Spending(cost(0.5), an_hour=2.0, at_end=3.0, cap=10.0)
    other = Spending(cost(0.25), an_hour=1.0, at_end=0.5, cap=5.0)
    (total,) = in_all([over, one, other])
    assert total.cost.requests == 3
    assert total.paid == Paid("USD", 1.75, an_hour=3.0, at_end=4.5, cap=15.0)
    assert total.paid.text == "1.75 USD, 3.00/h, about 4.50, cap 15.00"
    assert in_all([over, over])[0].paid.text == "2.00 USD"  # nothing more is spent


def test_a_forecast_that_lacks_a_part_is_none_and_currencies_stay_apart() -> None:
    known = Spending(cost(1.0), an_hour=2.0, at_end=3.0)
    begun = Spending(cost(0.002), cap=4.0)
    (total,) = in_all([known, begun])
    assert total.paid == Paid("USD", 1.002)
    assert [one.paid.text for one in in_all([begun, Spending(cost(2.0, "EUR"))])] == [
        "0.002 USD, cap 4.00",
        "2.00 EUR",
    ]
