"""Points of a curve, smoothed and decimated to dot columns. Everything is numpy arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from engine.contract.view import Tail

Floats: TypeAlias = NDArray[np.float64]
SMALLEST_POWER = 1e-9  # of the weight within a block, so that dividing by it keeps precision


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A named curve. ``x`` is sorted; ``y`` may hold NaN (a gap) and infinities (left out)."""

    name: str
    x: Floats
    y: Floats
    style: str = ""

    def between(self, low: float, high: float) -> Floats:
        """The finite values in a range of x, with one neighbour on each side."""
        first = max(0, int(np.searchsorted(self.x, low)) - 1)
        last = int(np.searchsorted(self.x, high, side="right")) + 1
        found = self.y[first:last]
        return found[np.isfinite(found)]

    def at(self, x: float) -> tuple[float, float] | None:
        """The finite point nearest to ``x``."""
        finite = np.flatnonzero(np.isfinite(self.y))
        if finite.size == 0:
            return None
        place = int(finite[np.argmin(np.abs(self.x[finite] - x))])
        return float(self.x[place]), float(self.y[place])

    def smoothed(self, weight: float) -> Series:
        return Series(self.name, self.x, smooth(self.y, weight), self.style)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A labelled horizontal line."""

    label: str
    y: float


class GrowingSeries:
    """Arrays that follow a view's points; only what is new is converted."""

    def __init__(self) -> None:
        self._points = np.empty((64, 2))
        self._length = 0

    def take(self, points: Tail[tuple[int, float]]) -> tuple[Floats, Floats]:
        """x and y of all points. A shorter list is another attempt's: all is read again."""
        if len(points) < self._length:
            self._length = 0
        new = len(points) - self._length
        if new:
            while len(points) > len(self._points):
                self._points = np.concatenate([self._points, np.empty_like(self._points)])
            self._points[self._length : len(points)] = points.last(new)
            self._length = len(points)
        return self._points[: self._length, 0], self._points[: self._length, 1]


def smooth(y: Floats, weight: float) -> Floats:
    """Exponential moving average without bias at the start; gaps neither count nor spread.

    ``weight`` in [0, 1) is the share of the past: 0 gives ``y``. A value that is not finite
    stays what it is.
    """
    if weight <= 0 or y.size == 0:
        return y
    counts = np.isfinite(y)
    total = _decayed_sum(np.where(counts, y, 0.0), weight)
    norm = _decayed_sum(counts.astype(np.float64), weight)
    result: Floats = np.where(counts, total / np.where(norm > 0, norm, 1.0), y)
    return result


def _decayed_sum(values: Floats, weight: float) -> Floats:
    """s[t] = values[t] + weight * s[t-1], in blocks: one cumulative sum for all of them, then
    what each hands to the next."""
    length = min(values.size, max(1, int(math.log(SMALLEST_POWER) / math.log(weight))))
    blocks = -(-values.size // length)
    padded = np.zeros(blocks * length)
    padded[: values.size] = values
    powers = weight ** np.arange(length)
    inner: Floats = np.cumsum(padded.reshape(blocks, length) / powers, axis=1) * powers
    carried = np.zeros(blocks)
    for block in range(1, blocks):
        carried[block] = inner[block - 1, -1] + weight**length * carried[block - 1]
    inner += carried[:, None] * (weight * powers)
    return inner.reshape(-1)[: values.size]


def columns(series: Series, low: float, high: float, count: int) -> tuple[Floats, Floats]:
    """Lowest and highest y of the curve in each of ``count`` equal columns of x.

    The curve's values at the columns' borders count on both sides, so neighbours touch, and a
    spike of a single point is never lost. NaN where the curve is not.
    """
    edges = np.linspace(low, high, count + 1)
    y = np.where(np.isfinite(series.y), series.y, np.nan)
    if y.size == 0 or high <= low:
        return np.full(count, np.nan), np.full(count, np.nan)
    border = np.interp(edges, series.x, y, left=np.nan, right=np.nan)
    lowest = np.fmin(border[:-1], border[1:])
    highest = np.fmax(border[:-1], border[1:])
    bounds = np.searchsorted(series.x, edges)
    bounds[-1] = np.searchsorted(series.x, high, side="right")
    filled = np.flatnonzero(bounds[1:] > bounds[:-1])
    if filled.size:
        inside = slice(int(bounds[0]), int(bounds[-1]))
        starts = bounds[:-1][filled] - bounds[0]
        lowest[filled] = np.fmin(lowest[filled], np.fmin.reduceat(y[inside], starts))
        highest[filled] = np.fmax(highest[filled], np.fmax.reduceat(y[inside], starts))
    return lowest, highest
