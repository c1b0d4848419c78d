"""Estimates and what they rest on. Accuracies are shares in 0..1, from counts of right answers."""

from __future__ import annotations

from dataclasses import dataclass
from math import isclose
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

DRAWS = 20_000
RESAMPLES = 9_999
LEVEL = 0.95
POWER = 0.8


@dataclass(frozen=True, slots=True)
class Count:
    """Right answers of one run to one test set."""

    correct: int
    total: int

    @property
    def share(self) -> float:
        return self.correct / self.total


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval.

    ``seeds``: how many runs it is the mean of. From two seeds on the interval is Student's t over
    the seeds and ``sd`` their spread; of one seed it tells the uncertainty of the questions alone.
    """

    mean: float
    low: float
    high: float
    seeds: int
    sd: float | None = None


def share(found: Count) -> Estimate:
    """One run's accuracy, with Wilson's interval."""
    from engine.scoring.interval import wilson

    return Estimate(found.share, *wilson(found.correct, found.total), seeds=1)


def over_seeds(values: Sequence[float]) -> Estimate:
    """Student's t interval of a mean; ``values`` are of two or more independent seeds."""
    import numpy as np
    from scipy import stats

    mean, sd = float(np.mean(values)), float(np.std(values, ddof=1))
    if len(set(values)) == 1:  # scipy's interval is undefined there
        return Estimate(values[0], values[0], values[0], len(values), 0.0)
    scale = float(stats.sem(values))
    low, high = stats.t.interval(LEVEL, len(values) - 1, loc=mean, scale=scale)
    return Estimate(mean, float(low), float(high), len(values), sd)


def combination(weighted: Sequence[Sequence[tuple[float, Count]]]) -> Estimate:
    """A weighted sum of accuracies, such as a mean over tasks or a gap between two models.

    ``weighted``: for each seed, weight and count of every cell; the same cells for each. With
    one seed the interval is that of Jeffreys' posteriors of the cells, drawn independently;
    :func:`over_questions` knows better where the answers are at hand.
    Seeds that agree to the last question are one: greedy answers don't depend on a seed.
    """
    sums = [sum(weight * count.share for weight, count in cells) for cells in weighted]
    if len(set(sums)) > 1:
        return over_seeds(sums)
    cells = weighted[0]
    if len(cells) == 1 and isclose(cells[0][0], 1):
        return share(cells[0][1])
    return Estimate(sums[0], *_drawn(cells), seeds=1)


def _drawn(cells: Sequence[tuple[float, Count]]) -> tuple[float, float]:
    import numpy as np
    from scipy.stats import beta

    rng = np.random.default_rng(0)
    total = np.zeros(DRAWS)
    for weight, count in cells:
        right, wrong = count.correct + 0.5, count.total - count.correct + 0.5
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
    from scipy.stats import bootstrap

    rng = np.random.default_rng(0)
    drawn, samples = np.zeros(RESAMPLES), []
    for sample in contributions:
        values, counts = np.unique(np.round(sample, 9), return_counts=True)
        if len(values) < 2:
            return None
        total = len(sample)  # drawn with replacement, questions are multinomial counts
        drawn += rng.multinomial(total, counts / total, size=RESAMPLES) @ values / total
        samples.append(np.repeat(values, counts))

    def summed(*parts: Any, axis: int = -1) -> Any:
        return sum(np.mean(part, axis=axis) for part in parts)

    means = SimpleNamespace(bootstrap_distribution=drawn)
    found = bootstrap(
        tuple(samples), summed, n_resamples=0, bootstrap_result=means, vectorized=True, batch=500
    ).confidence_interval
    return float(found.low), float(found.high)


def detectable(total: int, discordant: float) -> float | None:
    """The smallest difference of two accuracies that a paired test finds four times in five.

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
