"""What a phase pays: so far, an hour, by its end, at most; and what else its log says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from engine.queries.remarks import remarks
from engine.schema import events as ev
from engine.schema.cards import (
    Endpoint,
    LocalWeights,
    ModelCard,
    TaskSource,
)
from engine.schema.settings import AnnotateSettings
from engine.schema.specs import AnnotateSpec, TaskRef
from engine.store.phase_log import fold_all
from engine.store.spending import Spending, in_all, spending

if TYPE_CHECKING:
    from engine.store.phase_log import PhaseView

BEGAN = datetime(2026, 1, 1, 12, tzinfo=UTC)


def spec_of(**source: Any) -> AnnotateSpec:
    endpoint = Endpoint(
        kind="openai_compatible", base_url="http://127.0.0.1:1/v1", model="m", **source
    )
    card = ModelCard(name="t", family="t", source=endpoint)
    task = TaskRef(name="pocket-boxes", source=TaskSource())
    return AnnotateSpec(teacher=card, task=task, settings=AnnotateSettings())


def paid(minutes: float, spent: float, possible: float = 0.0, currency: str = "USD") -> ev.Cost:
    return ev.Cost(
        requests=3, prompt_tokens=1, completion_tokens=1, spent=spent, possible=possible,
        currency=currency, ts=BEGAN + timedelta(minutes=minutes),
    )  # fmt: skip


def done(minutes: float, count: int) -> ev.Progress:
    at = BEGAN + timedelta(minutes=minutes)
    return ev.Progress(done=count, total=100, unit="questions", ts=at)


def view_of(*events: ev.Event) -> PhaseView:
    return fold_all(e.model_copy(update={"seq": n}) for n, e in enumerate(events))


# the second attempt finds 40 answers for which the first has paid 2 USD
GOES_ON = (done(0, 40), paid(0, 2.0), done(30, 60), paid(30, 3.0, 0.25))


def test_rate_and_forecast_are_of_this_attempt_and_the_sum_is_of_all() -> None:
    found = spending(spec_of(max_spend=20.0), view_of(*GOES_ON))
    assert found is not None
    assert (found.an_hour, found.at_end, found.cap) == (2.0, 5.0, 20.0)
    assert found.lines == (
        "3.0000 USD (+0.2500 possibly, for replies cut off)",
        "2.00 USD/h, about 5.00 USD at its end, cap 20.00 USD",
    )


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((ev.PhaseFinished(outcome="failed"),), "3.0000 USD (+0.2500"),
        ((ev.Activity(text="waits", waiting=True),), "about 5.00 USD at its end"),
    ],
)
def test_a_phase_that_is_over_or_waits_has_no_rate(more: tuple[ev.Event, ...], said: str) -> None:
    found = spending(spec_of(), view_of(*GOES_ON, *more))
    assert found is not None
    assert found.an_hour is None
    assert said in found.text


def test_nobody_is_paid_where_nothing_has_a_price() -> None:
    free = view_of(done(0, 0), paid(0, 0.0))
    assert spending(spec_of(), free) is None
    assert spending(spec_of(max_spend=1.0), view_of()) is None
    begun = spending(spec_of(max_spend=1.0), free)
    assert begun is not None
    assert begun.text == "0.0000 USD, cap 1.00 USD"
    local = ModelCard(name="t", family="t", source=LocalWeights(kind="local", path="m"))
    assert spending(spec_of().model_copy(update={"teacher": local}), free) is None


def test_sums_are_by_currency() -> None:
    costs = [paid(0, 1.0), paid(0, 2.0, 0.5), paid(0, 4.0, currency="EUR")]
    totals = in_all(Spending(cost, over=True) for cost in costs)
    assert [(one.cost.spent, one.cost.possible, one.cost.currency) for one in totals] == [
        (3.0, 0.5, "USD"),
        (4.0, 0.0, "EUR"),
    ]


def test_what_else_a_log_says() -> None:
    view = view_of(
        ev.CheckpointSaved(step=50, path="work/checkpoints/checkpoint-50", ts=BEGAN),
        ev.Artefact(path="out/adapter", what="refined adapter"),
        ev.Unknown(kind="telepathy"),
        ev.Unknown(kind="mood"),
    )
    view = fold_all([ev.Activity(text="late", seq=7)], view)
    assert list(remarks(spec_of(), view)) == [
        "last checkpoint: step 50, saved 2026-01-01 12:00:00, work/checkpoints/checkpoint-50",
        "made out/adapter: refined adapter",
        "events that are missing, since the log was damaged: 3",
        "events of kinds that this version doesn't know: 2 (mood, telepathy)",
    ]
    assert list(remarks(spec_of(), view_of(done(0, 1)))) == []
