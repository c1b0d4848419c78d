"""A curve as it is drawn: smoothed, and thinned if it has very many points.

Of a series that grows only what is new is looked at, so a redraw costs the same at any length.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING

from sirt_tui.widgets.chart.series import Series, columns

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sirt_tui.widgets.chart.series import Floats, Spans

MOST = 1_024  # points that are drawn as they are: two and more a dot column of a full screen


class Average:
    """The exponential moving average of a series, without bias at its start and ignoring gaps.

    ``weight`` in [0, 1) is the share of the past: 0 gives the series. A value that is not finite
    stays what it is.
    """

    def __init__(self, of: Series, weight: float) -> None:
        self._of, self._weight = of, weight
        self._total = self._norm = 0.0
        self.series = Series(of.name, of.x, [], of.style) if weight > 0 else of

    def follow(self) -> None:
        """Append the averages of new points."""
        total, norm, weight, found = self._total, self._norm, self._weight, self.series.y
        for value in self._of.y[len(found) :]:
            total, norm = total * weight, norm * weight
            if math.isfinite(value):
                total, norm = total + value, norm + 1.0
                found.append(total / norm)
            else:
                found.append(value)
        self._total, self._norm = total, norm


class Outline:
    """A long series thinned to the lowest and the highest of every few neighbouring points."""

    def __init__(self, of: Series) -> None:
        self._of = of
        self._every = 1  # so many neighbours; a power of two
        self._taken = 0
        self._x: Floats = []
        self._y: Floats = []
        self._asked: tuple[float, float, int, int] | None = None
        self._columns: Spans = ([], [], [])

    def columns(self, low: float, high: float, count: int) -> Spans:
        """Return :func:`sirt_tui.widgets.chart.series.columns`, caching the last answer."""
        asked = (low, high, count, len(self._of.y))
        if asked != self._asked:
            self._asked = asked
            self._columns = columns(self.between(low, high), low, high, count)
        return self._columns

    def between(self, low: float, high: float) -> tuple[Floats, Floats]:
        """Return x and y in a range of x, with one neighbour on each side; all points if they are
        few."""
        there = _between(self._of.x, low, high)
        if there.stop - there.start <= MOST:
            return self._of.x[there], self._of.y[there]
        x, y = self._thinned()
        there = _between(x, low, high)
        return x[there], y[there]

    def _thinned(self) -> tuple[Floats, Floats]:
        x, y = self._of.x, self._of.y
        while len(y) // self._every > MOST // 2:
            self._every *= 2
            self._taken, self._x, self._y = 0, [], []
        for start in range(self._taken, len(y) - self._every + 1, self._every):
            self._taken = start + self._every
            part = y[start : self._taken]
            kept: Iterable[int] = range(len(part))  # gaps stay gaps
            if math.isfinite(sum(part)):
                kept = sorted({part.index(min(part)), part.index(max(part))})
            self._x += [x[start + n] for n in kept]
            self._y += [part[n] for n in kept]
        return self._x + x[self._taken :], self._y + y[self._taken :]


class Curve:
    """A series with its average; ``layers`` are drawn in order, the raw series first."""

    def __init__(self, series: Series, weight: float) -> None:
        self.series, self.weight = series, weight
        self._average = Average(series, weight)
        self.smoothed = self._average.series
        self.layers = [Outline(s) for s in ([series, self.smoothed] if weight else [series])]

    def draws(self, series: Series) -> bool:
        return self.series.x is series.x and self.series.y is series.y

    def follow(self) -> None:
        """Include the points appended to the series."""
        self._average.follow()


def _between(x: Floats, low: float, high: float) -> slice[int, int, None]:
    return slice(max(0, bisect_left(x, low) - 1), bisect_right(x, high) + 1)
