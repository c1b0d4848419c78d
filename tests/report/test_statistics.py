"""Against textbook values, and the normal approximation against the exact test's own power."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom, bootstrap

from engine.scoring.statistics import (
    combination,
    detectable,
    holm,
    mcnemar,
    over_questions,
    over_seeds,
    paired_difference,
    share,
)


def test_wilson_as_newcombe_has_it() -> None:
    """Newcombe (1998), table I: 81 of 263."""
    found = share(81, 263)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_students_t_over_seeds() -> None:
    found = over_seeds([0.4, 0.5, 0.6])
    assert (found.value, found.sd, found.runs) == (pytest.approx(0.5), pytest.approx(0.1), 3)
    assert found.high - 0.5 == pytest.approx(0.43027 / 3**0.5, abs=1e-5)
    assert 0.5 - found.low == pytest.approx(0.43027 / 3**0.5, abs=1e-5)


def test_no_interval_leaves_what_a_share_can_be_and_two_seeds_have_none() -> None:
    assert over_seeds([0.98, 0.99, 1.0]).text == "99.0 ± 1.0 [96.5, 100.0] n 3"
    assert over_seeds([0.0, 0.1, 0.9]).text == "33.3 ± 49.3 [0.0, 100.0] n 3"
    assert over_seeds([0.4, 1.0]).text == "70.0 ± 42.4 n 2"
    assert over_seeds([-0.9, 0.1, 0.2], signed=True).low == -1.0
    assert over_seeds([0.1, 0.2], signed=True).text == "+15.0 ± 7.1 n 2"


def test_seeds_that_agree_have_no_spread() -> None:
    found = over_seeds([0.5, 0.5])
    assert (found.low, found.high, found.sd) == (0.5, 0.5, 0.0)


def test_holm_as_in_the_textbook() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_mcnemar_is_exact() -> None:
    """12 against 4: twice the binomial tail."""
    assert mcnemar(4, 12) == pytest.approx(2 * binom.cdf(4, 16, 0.5))


def test_one_seeds_gap_has_the_uncertainty_of_both_sides() -> None:
    found = combination([[(1.0, share(90, 100)), (-1.0, share(80, 100))]])
    assert found.value == pytest.approx(0.1)
    se = (0.9 * 0.1 / 100 + 0.8 * 0.2 / 100) ** 0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * se, rel=0.06)


def test_all_right_is_not_certain() -> None:
    found = combination([[(0.5, share(100, 100)), (0.5, share(100, 100))]])
    assert 0.95 < found.low < 0.999


def test_a_mean_over_tasks_is_taken_within_each_seed() -> None:
    seeds = [[(0.5, share(80, 100)), (0.5, share(60, 100))]] * 2 + [
        [(0.5, share(86, 100)), (0.5, share(66, 100))]
    ]
    found = combination(seeds)
    assert (found.value, found.runs) == (pytest.approx(0.72), 3)


@pytest.mark.parametrize(("total", "discordant"), [(200, 0.3), (500, 0.2), (1221, 0.3)])
def test_the_detectable_difference_has_the_power_it_claims(total: int, discordant: float) -> None:
    least = detectable(total, discordant)
    assert least is not None
    assert power(total, discordant, least) == pytest.approx(0.8, abs=0.05)


def power(total: int, discordant: float, difference: float) -> float:
    """Of the exact test: over the number of discordant questions, and which way they fall."""
    up = (discordant + difference) / (2 * discordant)
    found = 0.0
    for count in range(1, total + 1):
        weight = binom.pmf(count, total, discordant)
        if weight > 1e-6:
            edge = binom.ppf(0.025, count, 0.5) - 1  # so many on one side and the test says no
            found += weight * (binom.cdf(edge, count, up) + binom.sf(count - edge - 1, count, up))
    return float(found)


def test_too_few_questions_can_tell_nothing() -> None:
    assert detectable(5, 0.2) is None
    assert detectable(100, 0.0) is None


@pytest.mark.parametrize("all_alike", [0, 1, -1])
def test_questions_that_all_turn_out_alike_are_not_certain(all_alike: int) -> None:
    """The others are 3.7 % at most, by Wilson's: 1.96^2 / (100 + 1.96^2)."""
    found = paired_difference(100 * (all_alike == 1), 100 * (all_alike == -1), 100)
    assert found.value == all_alike
    assert found.low == pytest.approx(max(-1, all_alike - 0.03699 * (1 + all_alike)), abs=1e-4)
    assert found.high == pytest.approx(min(1, all_alike + 0.03699 * (1 - all_alike)), abs=1e-4)


def test_the_paired_interval_is_the_normal_ones_where_there_is_much_data() -> None:
    found = paired_difference(300, 100, 2000)
    mean = found.value
    se = ((400 / 2000 - mean**2) / 2000) ** 0.5
    normal = (mean - 1.96 * se, mean + 1.96 * se)
    assert (found.low, found.high) == pytest.approx(normal, abs=1e-3)


@pytest.mark.parametrize(
    ("gained", "lost", "total"),
    [(1, 0, 600), (3, 0, 600), (5, 0, 48), (6, 0, 48), (12, 4, 180), (10, 3, 600), (30, 12, 600)],
)
def test_an_interval_is_without_zero_only_where_the_test_agrees(
    gained: int, lost: int, total: int
) -> None:
    found, turned = paired_difference(gained, lost, total), paired_difference(lost, gained, total)
    assert found.low <= found.value <= found.high
    assert (found.low > 0) == (mcnemar(gained, lost) < 0.05)
    mirrored = (-found.value, -found.high, -found.low)
    assert (turned.value, turned.low, turned.high) == pytest.approx(mirrored, abs=1e-2)


def test_models_that_agree_on_the_questions_are_less_apart_than_two_samples() -> None:
    """A mean over two test sets of the gap of two models, against the normal interval."""
    gaps = [[1.0] * 60 + [-1.0] * 20 + [0.0] * 920, [1.0] * 100 + [0.0] * 900]
    halves = [[gap / 2 for gap in one] for one in gaps]
    found = over_questions(halves)
    assert found is not None
    se = sum(np.var(one) / len(one) for one in halves) ** 0.5
    mean = sum(map(np.mean, halves))
    assert found == pytest.approx((mean - 1.96 * se, mean + 1.96 * se), abs=1e-3)
    assert over_questions([gaps[0], [1.0] * 100]) is None


@pytest.mark.parametrize(("gained", "lost", "total"), [(30, 10, 600), (300, 100, 2000)])
def test_drawing_counts_is_drawing_questions(gained: int, lost: int, total: int) -> None:
    sample = [1] * gained + [-1] * lost + [0] * (total - gained - lost)
    found = paired_difference(gained, lost, total)
    drawn = bootstrap((sample,), np.mean, rng=np.random.default_rng(1), batch=500)
    assert (found.low, found.high) == pytest.approx(tuple(drawn.confidence_interval), abs=0.003)
