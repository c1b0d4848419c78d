"""Points of curves, and their heights in each dot column, as plain lists: an array library would
take a seventh of the program's memory."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import groupby, islice
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from engine.store.phase_log import Tail

Floats: TypeAlias = list[float]
Spans: TypeAlias = tuple[list[int], Floats, Floats]  # dot columns; from where; to where


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """A named curve. ``x`` is sorted; ``y`` may hold NaN (a gap) and infinities (left out)."""

    name: str
    x: Floats
    y: Floats
    style: str = ""

    def at(self, x: float) -> tuple[float, float] | None:
        """Return the finite point nearest to ``x``."""
        place = bisect_left(self.x, x)
        right = next((n for n in range(place, len(self.y)) if math.isfinite(self.y[n])), None)
        left = next((n for n in range(place - 1, -1, -1) if math.isfinite(self.y[n])), None)
        near = [n for n in (left, right) if n is not None]
        if not near:
            return None
        found = min(near, key=lambda n: abs(self.x[n] - x))
        return self.x[found], self.y[found]


@dataclass(frozen=True, slots=True)
class Threshold:
    """A labelled horizontal line."""

    label: str
    y: float


class GrowingSeries:
    """Lists that grow with a view's points, copying only new ones."""

    def __init__(self) -> None:
        self._x: Floats = []
        self._y: Floats = []
        self._last: tuple[int, float] | None = None

    def take(
        self, points: Tail[tuple[int, float]], places: Mapping[int, float] | None = None
    ) -> tuple[Floats, Floats]:
        """Return x and y of all points, in the same lists each time, but in new lists where some
        were measured again. ``places``: the steps' positions on the x axis, if they are not their
        numbers."""
        known = len(self._x)
        if known and (len(points) < known or points[known - 1] != self._last):
            self._x, self._y = [], []
        new = points.last(len(points) - len(self._x))
        self._last = new[-1] if new else self._last
        self._x += [x if places is None else places[x] for x, _ in new]
        self._y += [y for _, y in new]
        return self._x, self._y


def finite(values: Floats) -> Floats:
    """Remove NaN and infinities, if the sum shows that there are any."""
    return values if math.isfinite(sum(values)) else [v for v in values if math.isfinite(v)]


def columns(points: tuple[Floats, Floats], low: float, high: float, count: int) -> Spans:
    """Return the lowest and highest y of a curve in each of ``count`` equal columns of x.

    The curve's values at the columns' borders count on both sides, so neighbours touch, and a
    spike of a single point is never lost. Nothing where the curve is not; on both sides of a gap
    one column may come twice.
    """
    width = (high - low) / count
    numbers: list[int] = []
    lowest: Floats = []
    highest: Floats = []
    for x, y in _stretches(*points):
        if width <= 0 or x[-1] < low or x[0] > high:
            continue
        first, last = (min(max(0, int((end - low) / width)), count - 1) for end in (x[0], x[-1]))
        inner = [low + n * width for n in range(first + 1, last + 1)]
        edges = [max(low, x[0]), *inner, min(high, x[-1])]
        places = [bisect_left(x, edge, 0, len(x) - 1) for edge in edges]
        borders = [
            y[p - 1] + (e - x[p - 1]) / (x[p] - x[p - 1]) * (y[p] - y[p - 1]) if p else y[0]
            for e, p in zip(edges, places, strict=True)
        ]
        places[-1] = bisect_right(x, edges[-1])
        for left, right, start, end in zip(
            borders, islice(borders, 1, None), places, islice(places, 1, None), strict=False
        ):
            values = (left, right, *y[start:end])
            lowest.append(min(values))
            highest.append(max(values))
        numbers += range(first, last + 1)
    return numbers, lowest, highest


def _stretches(x: Floats, y: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield the curve's parts between its gaps."""
    if y and math.isfinite(sum(y)):
        yield x, y
        return
    start = 0
    for there, values in groupby(y, math.isfinite):
        end = start + len(list(values))
        if there:
            yield x[start:end], y[start:end]
        start = end
