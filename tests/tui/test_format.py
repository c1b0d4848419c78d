"""Figures as short text, as tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from engine.commands.experiments import plan_experiment
from engine.store.layout import RunsFolder
from engine.store.phase_log import State
from sirt_tui import format as fmt
from sirt_tui.panels.planned import facts

STATES = get_args(State)
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(None, "–"), (float("nan"), "–"), (-3, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min"),
     (187, "3 min 7 s"), (3_599.6, "1 h"), (7_140, "1 h 59 min"), (7_500, "2 h 5 min"),
     (86_400 * 3 + 4 * 3_600, "3 d 4 h"), (86_400 * 364, "364 d"), (float("inf"), "–"),
     (86_400 * 365, "over a year"), (1.7e11, "over a year")],
)  # fmt: skip
def test_durations(seconds, said):
    assert fmt.duration(seconds) == said


def test_an_estimate_is_rough_until_it_is_only_called_long():
    assert fmt.roughly(7_500) == "about 2 h 5 min"
    assert fmt.roughly(7.7e9) == "over a year"


def test_a_plan_of_years_says_what_that_rests_on(tmp_path):
    planned = plan_experiment(RunsFolder(tmp_path), "main-in-family", on_gpu=False)
    said = [value.plain for _, value in facts(planned, (24.0,), "on the CPU")]
    assert said[0] == "over a year on the CPU"
    assert "70 GFLOP/s a core when generating, 120 in training" in said
    assert any("are checked when a phase reads them" in line for line in said)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5, "now"),
        (30, "now"),
        (60, "1 min"),
        (7_199, "119 min"),
        (7_200, "2 h"),
        (172_799, "47 h"),
        (86_400 * 12, "12 d"),
    ],
)
def test_ages(seconds, said):
    assert fmt.age(NOW - timedelta(seconds=seconds), NOW) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "–"), (float("nan"), "NaN"), (float("-inf"), "-∞"), (0, "0"), (0.69314718, "0.6931"),
     (1e-6, "1.00e-6"), (123456.0, "1.23e5"), (99999.4, "99999"), (-0.00012, "-1.20e-4")],
)  # fmt: skip
def test_numbers(value, said):
    assert fmt.number(value) == said


@pytest.mark.parametrize(
    ("n", "said"),
    [(950, "950"), (9_999, "9,999"), (12_345, "12.3k"), (1_200_000, "1.2M"), (None, "–")],
)
def test_counts(n, said):
    assert fmt.count(n) == said


def test_every_state_has_a_mark_of_its_own_and_a_style():
    assert len(set(fmt.STATE_MARKS.values())) == len(STATES) == len(fmt.STATE_MARKS)
    assert set(fmt.STATE_STYLES) == set(STATES)
    assert fmt.ladder(("done", "running", "waiting")) == "✓▶·"


def test_figures_beside_each_other_have_the_same_digits():
    said = ["0.381", "0.3809", "12.5", "600", "1.2e-5", "0.05", "–"]
    even = ["0.3810", "0.3809", "12.50", "600", "1.2e-5", "0.05000", "–"]
    assert [fmt.four_digits(one) for one in said] == even
