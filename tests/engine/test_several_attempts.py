"""Figures of phases that were gone on with, by a next attempt or in a cluster's next allocation."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from engine.queries.effort import effort_of
from engine.queries.evaluations import finished
from engine.queries.pace import pace_of
from engine.schema import events as ev
from engine.store.eventlog import EventWriter
from engine.store.phase_log import fold_all
from engine.store.spending import spending
from tests.contract.test_spending import spec_of
from tests.tui.conftest import measured, run_of  # noqa: F401

if TYPE_CHECKING:
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder
    from engine.store.phase_log import PhaseView

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def begun() -> ev.PhaseStarted:
    return ev.PhaseStarted(phase="p", attempt=1, host="n1", pid=1, devices=("cpu",))


def count(done: int, total: int = 600, unit: str = "questions") -> ev.Progress:
    return ev.Progress(done=done, total=total, unit=unit)


def paid(requests: int, spent: float) -> ev.Cost:
    return ev.Cost(
        requests=requests, prompt_tokens=1, completion_tokens=1, spent=spent, currency="USD"
    )


def ended(outcome: str = "done") -> ev.PhaseFinished:
    return ev.PhaseFinished(outcome=outcome)


def write(attempt: AttemptDir, *told: tuple[float, ev.Event]) -> AttemptDir:
    """Go on with an attempt's log: so many seconds after noon, so it said."""
    with EventWriter(attempt.events, attempt.alive) as writer:
        for seconds, event in told:
            writer.emit(event.model_copy(update={"ts": NOON + timedelta(seconds=seconds)}))
    return attempt


def folded(*told: tuple[float, ev.Event]) -> PhaseView:
    dated = (event.model_copy(update={"ts": NOON + timedelta(seconds=s)}) for s, event in told)
    return fold_all(event.model_copy(update={"seq": n}) for n, event in enumerate(dated))


def emptied(phase: PhaseDir) -> PhaseDir:
    """A phase without its attempts."""
    for attempt in phase.attempts():
        shutil.rmtree(attempt.path)
    return phase


def test_what_1000_questions_took_and_cost_is_of_all_attempts_and_of_questions_alone(
    measured: RunsFolder,  # noqa: F811
) -> None:
    """Conclusions of unclear answers are counted anew, from 0."""
    one = next(iter(finished(measured, run_of(measured, "teacher", "served")).values()))
    emptied(one.folder)
    first = [(0.0, begun()), (1, count(0)), (1, paid(0, 0.0)), (4001, count(400)), (4002, begun())]
    write(one.folder.new_attempt(), *first, (9_000, count(400)), (9_500, count(450)))
    conclusions = [(n, count(n - 30_000, 5, "conclusions")) for n in range(30_000, 30_006)]
    write(
        one.folder.new_attempt(),
        *((20_000, begun()), (20_010, count(450)), (20_010, paid(450, 4.5))),
        *((21_510, count(600)), (21_510, paid(600, 6.0)), *conclusions),
        *((30_005, paid(605, 6.05)), (30_006, ended())),
    )
    found = effort_of(measured, one)
    assert found is not None
    assert found.seconds == pytest.approx(10_000)  # 4,000 s, 500 s and 1,500 s, of 600 questions
    assert found.cost == pytest.approx(1000 * 6.05 / 600)


def test_the_time_left_counts_no_time_in_a_clusters_queue() -> None:
    """10 questions a second before it and after it, and an hour between."""
    told = [(0.0, begun()), (0.0, count(0)), (10.0, count(100)), (3_610.0, begun())]
    view = folded(*told, (3_610.0, count(100)), (3_620.0, count(200)))
    assert view.rate == 10
    assert view.seconds_left == 40
    log = [ev.encode(e.model_copy(update={"ts": NOON + timedelta(seconds=s)})) for s, e in told]
    before = pace_of(log[:3], None)
    more = [(3_610.0, count(100)), (3_620.0, count(200))]
    log += [ev.encode(e.model_copy(update={"ts": NOON + timedelta(seconds=s)})) for s, e in more]
    for known in (before, None):
        pace = pace_of(log, known)
        assert pace is not None
        assert pace.ends == NOON + timedelta(seconds=3_660)
        assert pace_of(log[4:], pace) == pace  # its beginning is not among the last lines


def test_the_cost_at_the_end_is_not_forecast_from_other_things_than_are_left() -> None:
    """600 answers have cost 4 USD, and the first of 5 conclusions 0.01."""
    asked = [(0.0, begun()), (1.0, count(0)), (1.0, paid(0, 0.0))]
    asked += [(600.0, count(600)), (600.0, paid(600, 4.0))]
    more = [(700.0, count(0, 5, "conclusions")), (700.0, paid(600, 4.0))]
    more += [(701.0, count(1, 5, "conclusions")), (701.0, paid(601, 4.01))]
    found = spending(spec_of(), folded(*asked, *more))
    assert found is not None
    assert found.at_end == pytest.approx(4.05)
