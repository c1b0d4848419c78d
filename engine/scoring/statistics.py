"""Confidence intervals of accuracies, and tests whether two models differ.

Accuracies and their differences are shares in 0..1; every interval is of 95 %.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import isclose
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from engine.schema.accuracy import Comparison, Estimate, Share

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.schema.evaluation import Evaluation

DRAWS = 20_000
RESAMPLES = 9_999
AT_ONCE = 500  # questions left out of the bootstrap's jackknife: it bounds the memory
LEVEL = 0.95
POWER = 0.8


def share(count: int, total: int) -> Share:
    """A share with Wilson's interval, which is all of 0..1 when total is 0."""
    if total == 0:
        return Share(0, 0, 0.0, 1.0)
    from scipy.stats import binomtest

    found = binomtest(count, total).proportion_ci(confidence_level=LEVEL, method="wilson")
    return Share(count, total, float(found.low), float(found.high))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of McNemar's test of two models on the same questions.

    Counts are the questions that only one of the two got right; 1.0 when there are none.
    """
    if only_first + only_second == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(only_first, only_first + only_second, 0.5).pvalue)


def gained_and_lost(right_a: Mapping[str, bool], right_b: Mapping[str, bool]) -> tuple[int, int]:
    """How many of the questions that both were asked only the second got right, and only the
    first."""
    shared = right_a.keys() & right_b.keys()
    gained = sum(right_b[i] and not right_a[i] for i in shared)
    return gained, sum(right_a[i] and not right_b[i] for i in shared)


def paired_p(right_a: Mapping[str, bool], right_b: Mapping[str, bool]) -> float | None:
    """McNemar's p for two models, given question id -> right or not; None without a question that
    both were asked."""
    gained, lost = gained_and_lost(right_a, right_b)
    return None if right_a.keys().isdisjoint(right_b) else mcnemar(gained, lost)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjustment for several comparisons, in the order given."""
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = running
    return adjusted


# --- two models on the same questions ---


def compared(
    evaluation: Evaluation, right_a: Mapping[str, bool], right_b: Mapping[str, bool]
) -> Comparison | None:
    """Compare two models, given question id -> right or not; ``None`` if they share no question."""
    shared = sorted(right_a.keys() & right_b.keys())
    if not shared:
        return None
    total = len(shared)
    gained, lost = gained_and_lost(right_a, right_b)
    return Comparison(
        evaluation,
        total,
        sum(right_a[i] for i in shared) / total,
        sum(right_b[i] for i in shared) / total,
        paired_difference(gained, lost, total),
        gained,
        lost,
        mcnemar(gained, lost),
        kept=(len(right_a), len(right_b)),
    )


def adjusted(found: Iterable[Comparison]) -> list[Comparison]:
    """The comparisons of one table, each with its p adjusted over all of them."""
    rows = list(found)
    return [replace(c, adjusted=p) for c, p in zip(rows, holm([c.p for c in rows]), strict=True)]


@lru_cache(maxsize=10_000)
def paired_difference(gained: int, lost: int, total: int) -> Estimate:
    """Mean of per-question differences (1, 0, -1) with its bootstrap interval (scipy's BCa).

    Where few questions differ the bootstrap claims more than McNemar's exact test does (three
    that all gained: p = 0.25, yet without 0), so the interval is never narrower than the test's
    own. Questions that all turn out alike can't be resampled: there it is what the share of the
    others may be by Wilson's, whichever way they would fall.
    """
    mean = (gained - lost) / total
    counts = (gained, lost, total - gained - lost)
    if total in counts:
        others = share(0, total).high
        low, high = mean - others * (1 + mean), mean + others * (1 - mean)
        return Estimate(mean, low, high, signed=True)
    low, high = _resampled([((1, -1, 0), counts)])
    exact = _exact_interval(gained, lost)
    low, high = min(low, exact[0] / total), max(high, exact[1] / total)
    return Estimate(mean, low, high, signed=True)


def _exact_interval(gained: int, lost: int) -> tuple[float, float]:
    """Clopper-Pearson interval of gained minus lost, given how many differ; has 0 if p > 0.05."""
    from scipy.stats import binomtest

    differ = gained + lost
    found = binomtest(gained, differ).proportion_ci(confidence_level=LEVEL, method="exact")
    return (2 * float(found.low) - 1) * differ, (2 * float(found.high) - 1) * differ


def detectable(total: int, discordant: float) -> float | None:
    """The smallest difference of two accuracies that a paired test detects with 80 % power.

    ``discordant``: share of the questions that exactly one of the two models gets right. McNemar's
    test, two-sided at 5 %, by the normal approximation of Connor (Biometrics 43, 1987). None
    where even all discordant questions on one side would not be enough.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    if total == 0 or discordant <= 0:
        return None
    alpha, beta = norm.ppf(1 - (1 - LEVEL) / 2), norm.ppf(POWER)

    def short(difference: float) -> float:
        noise: float = alpha * discordant**0.5 + beta * (discordant - difference**2) ** 0.5
        return float(difference * total**0.5 - noise)

    return float(brentq(short, 0.0, discordant)) if short(discordant) > 0 else None


# --- over seeds, tasks and models ---


def over_seeds(values: Sequence[float], signed: bool = False) -> Estimate:
    """Student's t interval of a mean of accuracies, or of differences if ``signed``, within what
    these can be; ``values`` are of two or more independent seeds."""
    import numpy as np
    from scipy import stats

    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    if len(set(values)) == 1:  # scipy's interval is undefined there
        return Estimate(values[0], values[0], values[0], len(values), 0.0, signed, len(values))
    scale = float(stats.sem(values))
    low, high = stats.t.interval(LEVEL, len(values) - 1, loc=mean, scale=scale)
    low, high = max(float(low), -1.0 if signed else 0.0), min(float(high), 1.0)
    return Estimate(mean, low, high, len(values), sd, signed, len(values))


def combination(weighted: Sequence[Sequence[tuple[float, Share]]]) -> Estimate:
    """A weighted sum of accuracies, such as a mean over tasks or a gap between two models.

    ``weighted``: for each seed, weight and accuracy of every cell; the same cells for each. With
    one seed the interval is that of Jeffreys' posteriors of the cells, drawn independently;
    :func:`over_questions` knows better where the answers are at hand.
    Seeds that agree to the last question are one: greedy answers don't depend on a seed.
    """
    sums = [
        sum(weight * found.count / found.total for weight, found in cells) for cells in weighted
    ]
    cells = weighted[0]
    signed = any(weight < 0 for weight, _ in cells)
    if len(set(sums)) > 1:
        return over_seeds(sums, signed)
    if len(cells) == 1 and isclose(cells[0][0], 1):
        return Estimate(sums[0], cells[0][1].low, cells[0][1].high)
    return Estimate(sums[0], *_drawn(cells), signed=signed)


def _drawn(cells: Sequence[tuple[float, Share]]) -> tuple[float, float]:
    import numpy as np
    from scipy.stats import beta

    rng = np.random.default_rng(0)
    total = np.zeros(DRAWS)
    for weight, found in cells:
        right, wrong = found.count + 0.5, found.total - found.count + 0.5
        total += weight * beta.rvs(right, wrong, size=DRAWS, random_state=rng)
    low, high = np.quantile(total, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def over_questions(contributions: Sequence[Sequence[float]]) -> tuple[float, float] | None:
    """The interval of a sum of means, by resampling each test set's questions (scipy's BCa).

    ``contributions``: for each test set, what each of its questions adds, over all models that
    answered it: what they get right or wrong together is not counted as independent. None where
    a test set's questions are all alike, which can't be resampled.
    """
    import numpy as np

    counted = [np.unique(np.round(one, 9), return_counts=True) for one in contributions]
    return None if any(len(values) < 2 for values, _ in counted) else _resampled(counted)


def _resampled(counted: Sequence[tuple[Any, Any]]) -> tuple[float, float]:
    """Resample a sum of means from each test set's values and counts. Drawing questions with
    replacement is drawing multinomial counts, in a fraction of the time; scipy makes the interval
    of the means."""
    import numpy as np
    from scipy.stats import bootstrap

    rng = np.random.default_rng(0)
    drawn = np.zeros(RESAMPLES)
    for values, counts in counted:
        total = sum(counts)
        drawn += rng.multinomial(total, np.divide(counts, total), size=RESAMPLES) @ values / total

    def summed(*parts: Any, axis: int = -1) -> Any:
        return sum(np.mean(part, axis=axis) for part in parts)

    samples = tuple(np.repeat(values, counts) for values, counts in counted)
    means = SimpleNamespace(bootstrap_distribution=drawn)
    found = bootstrap(
        samples, summed, n_resamples=0, bootstrap_result=means, vectorized=True, batch=AT_ONCE
    ).confidence_interval
    return float(found.low), float(found.high)
