from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.schema import events as ev
from engine.store.phase_log import (
    EMPTY,
    Tail,
    attempt_state,
    fold,
    fold_all,
)

START = datetime(2030, 1, 1, tzinfo=UTC)


def at(seconds: float, seq: int) -> dict[str, object]:
    return {"ts": START + timedelta(seconds=seconds), "seq": seq}


def test_progress_gives_rate_and_time_left() -> None:
    view = fold_all(
        [
            ev.Progress(done=100, total=500, unit="answers", resumed=100, **at(0, 0)),  # type: ignore[arg-type]
            ev.Progress(done=200, total=500, unit="answers", resumed=100, **at(10, 1)),  # type: ignore[arg-type]
        ]
    )
    assert view.rate == pytest.approx(10)
    assert view.seconds_left == pytest.approx(30)


def test_while_it_waits_there_is_no_rate_and_no_time_left() -> None:
    counted = [
        ev.Progress(done=0, total=50, unit="answers", **at(0, 0)),  # type: ignore[arg-type]
        ev.Progress(done=20, total=50, unit="answers", **at(10, 1)),  # type: ignore[arg-type]
    ]
    waiting = fold(fold_all(counted), ev.Activity(text="waiting for the server", waiting=True))
    assert (waiting.rate, waiting.seconds_left) == (None, None)
    again = fold(waiting, ev.Activity(text="asking"))
    assert again.rate == pytest.approx(2)
    assert not fold(waiting, ev.PhaseFinished(outcome="stopped")).waiting


def test_a_cost_says_what_is_only_possible() -> None:
    paid = ev.Cost(requests=3, prompt_tokens=9, completion_tokens=9, spent=1.25, currency="USD")
    assert paid.text == "1.2500 USD"
    broken = paid.model_copy(update={"possible": 0.5})
    assert broken.text == "1.2500 USD (+0.5000 possibly, for replies cut off)"
    assert ev.decode(ev.encode(broken)) == broken
    old = paid.model_dump_json(exclude={"possible"})
    assert ev.decode(old.encode() + b"\n") == paid


def test_an_old_view_does_not_change() -> None:
    old = fold(EMPTY, ev.Metric(step=1, values={"loss": 1.0}, seq=0))
    one = fold(old, ev.Metric(step=2, values={"loss": 2.0}, seq=1))
    other = fold(old, ev.Metric(step=2, values={"loss": 9.0}, seq=1))
    assert list(old.metrics["loss"]) == [(1, 1.0)]
    assert list(one.metrics["loss"]) == [(1, 1.0), (2, 2.0)]
    assert list(other.metrics["loss"]) == [(1, 1.0), (2, 9.0)]
    assert EMPTY.metrics == {}


def test_a_bounded_tail_keeps_the_newest() -> None:
    tail: Tail[int] = Tail()
    for number in range(1000):
        tail = tail.append(number, keep=10)
    assert len(tail) <= 20
    assert tail.last(10) == list(range(990, 1000))
    assert tail[-1] == 999


def test_missing_numbers_are_gaps() -> None:
    view = fold_all([ev.Activity(text="a", seq=0), ev.Activity(text="b", seq=3)])
    assert view.gaps == 2


def test_unknown_events_are_kept() -> None:
    assert len(fold(EMPTY, ev.Unknown(kind="telepathy", seq=0)).unknown) == 1


def test_the_end() -> None:
    view = fold_all(
        [
            ev.PhaseStarted(phase="p", attempt=1, host="h", pid=1, seq=0),
            ev.Message(level="warning", text="careful", code="c", seq=1),
            ev.PhaseFinished(outcome="failed", error="no disk", seq=2),
        ]
    )
    assert (view.outcome, view.error, view.activity) == ("failed", "no disk", "")
    assert [m.code for m in view.warnings] == ["c"]


@pytest.mark.parametrize(
    ("outcome", "probe", "age", "state"),
    [
        ("done", "exited", None, "done"),
        ("failed", "running", 0.0, "failed"),  # still closing its files
        (None, "exited", 0.0, "lost"),
        (None, "pending", 999.0, "pending"),
        (None, "unknown", 99.0, "unreachable"),
        (None, "unknown", None, "unreachable"),
        (None, "unknown", 3.0, "running"),
        (None, "running", 999.0, "running"),  # a busy machine delays heartbeats
    ],
)
def test_liveness(outcome: str | None, probe: str, age: float | None, state: str) -> None:
    assert attempt_state(outcome, probe, age, 20.0) == state  # type: ignore[arg-type]
