from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from engine.queries.doing import doing
from engine.queries.pace import pace_of
from engine.schema import events as ev
from engine.schema.rates import rate_text
from engine.store.phase_log import EMPTY, fold, fold_all


@pytest.mark.parametrize(
    ("per_second", "unit", "said"),
    [
        (412.3, "questions", "412/s"),
        (1234.5, "lines", "1,234/s"),
        (4.13, "questions", "4.1/s"),
        (1.0, "steps", "1.0/s"),
        (1 / 1.26, "steps", "1.3 s/step"),
        (1 / 144, "steps", "2.4 min/step"),
        (1 / 34, "pairs", "34 s/pair"),
        (1 / 9000, "answers", "2.5 h/answer"),
    ],
)
def test_a_rate_is_never_rounded_to_nothing(per_second: float, unit: str, said: str) -> None:
    assert rate_text(per_second, unit) == said


def test_a_rate_that_stands_alone_names_its_unit() -> None:
    assert rate_text(27.4, "tokens", alone=True) == "27 tokens/s"
    assert rate_text(0.4, "tokens", alone=True) == "2.5 s/token"


@pytest.mark.parametrize(
    ("done", "doing", "counting"),
    [
        (0, "loading weights", False),
        (5, "training", True),
        (17, "scoring the pairs", False),  # the steps are over, the phase isn't
        (17, "", False),
        (0, "", True),
    ],
)
def test_a_count_is_shown_while_it_says_more_than_the_words(
    done: int, doing: str, counting: bool
) -> None:
    view = fold(EMPTY, ev.Progress(done=done, total=17, unit="steps"))
    assert fold(view, ev.Activity(text=doing)).counting is counting


def test_what_a_phase_does_now_is_told_wherever_its_count_stands() -> None:
    began = datetime(2026, 1, 1, tzinfo=UTC)
    view = fold(EMPTY, ev.Progress(ts=began, done=0, total=17, unit="steps"))
    assert doing(view) == ["0/17 steps"]
    later = began + timedelta(seconds=20)
    view = fold(view, ev.Progress(ts=later, done=10, total=17, unit="steps"))
    assert doing(view) == ["10/17 steps", "14 s left", "2.0 s/step"]
    view = fold(view, ev.Progress(ts=later, done=17, total=17, unit="steps"))
    assert doing(view) == ["finishing"]
    assert doing(fold(view, ev.Activity(text="scoring the pairs"))) == ["scoring the pairs"]


def test_what_comes_after_the_last_step_has_a_count_of_its_own() -> None:
    view = fold_all(
        [
            ev.Progress(done=17, total=17, unit="steps"),
            ev.Activity(text="scoring the pairs"),
            ev.Progress(done=0, total=300, unit="pairs"),
            ev.Progress(done=64, total=300, unit="pairs"),
        ]
    )
    assert view.counting
    assert view.progress_began is not None
    assert (view.progress_began.done, view.progress_began.unit) == (0, "pairs")


def counted(seconds: float, done: int, under_way: int = 0) -> ev.Progress:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return ev.Progress(ts=at, done=done, total=600, unit="questions", under_way=under_way)


def test_no_time_left_is_told_before_the_rate_is_sure() -> None:
    """Loading a model is in no rate, and the first answers of a batch tell nothing yet."""
    events = [counted(0, 0), counted(20, 0), counted(21, 3)]
    view = fold_all(events)
    assert (view.rate, view.seconds_left) == (3, None)
    pace = pace_of([ev.encode(event) for event in events], None)
    assert pace is not None
    assert pace.ends is None
    events.append(counted(30, 300))
    assert fold_all(events).seconds_left == 10
    pace = pace_of([ev.encode(event) for event in events], pace)
    assert pace is not None
    assert pace.ends == counted(40, 600).ts


def test_the_first_answers_of_a_batch_are_the_short_ones() -> None:
    """Six of fifty after six minutes would be an hour, where all fifty end within ten minutes."""
    events = [counted(0, 0), counted(360, 6, under_way=44)]
    view = fold_all(events)
    assert (view.rate, view.seconds_left) == (6 / 360, None)
    pace = pace_of([ev.encode(event) for event in events], None)
    assert pace is not None
    assert pace.ends is None
    events.append(counted(480, 30, under_way=20))
    assert fold_all(events).seconds_left == 570 * 480 / 30
    pace = pace_of([ev.encode(event) for event in events], pace)
    assert pace is not None
    assert pace.ends == counted(480 + 570 * 480 / 30, 600).ts
