"""Figures of phases that were gone on with, by a next attempt or in a cluster's next allocation."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from engine.queries.effort import effort_of
from engine.queries.evaluations import finished
from engine.schema import events as ev
from engine.store.eventlog import EventWriter
from tests.tui.conftest import measured, run_of  # noqa: F401

if TYPE_CHECKING:
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder

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
