"""The range of x and y that a chart shows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sirt_tui.widgets.chart.series import Spans


@dataclass(frozen=True, slots=True)
class Window:
    """The bounds of x and y; those of y are exponents of ten on a log scale."""

    left: float
    right: float
    bottom: float
    top: float
    log: bool = False

    @classmethod
    def around(
        cls,
        values: Iterable[Sequence[float]],
        across: tuple[float, float],
        lines: Iterable[float],
        most: float,
        log: bool,
    ) -> Window:
        """Make a window that holds all curves and the levels near them."""
        if log:
            values = [[math.log10(v) for v in part if v > 0] for part in values]
        known = [part for part in values if part]
        bottom, top = (min(map(min, known)), max(map(max, known))) if known else (0.0, 1.0)
        if not log:
            near = [y for y in lines if abs(y - bottom) < 2 * (top - bottom) + 1e-12]
            bottom, top = min([bottom, *near]), max([top, *near])
        if top - bottom <= 1e-12 * max(abs(top), abs(bottom), 1e-300):  # constant
            margin = abs(top) * 0.05 or 1.0
            bottom, top = bottom - margin, top + margin
        return cls(*across, bottom, top if log else min(top, most), log)

    def heights(self, spans: Spans) -> Spans:
        """Scale to 0 at the bottom and 1 at the top; values that no log scale has are left out."""
        numbers, lowest, highest = spans
        if self.log:
            there = [n for n, low in enumerate(lowest) if low > 0]
            numbers = [numbers[n] for n in there]
            lowest, highest = ([math.log10(y[n]) for n in there] for y in (lowest, highest))
        bottom, span = self.bottom, self.top - self.bottom
        return (
            numbers,
            [(y - bottom) / span for y in lowest],
            [(y - bottom) / span for y in highest],
        )

    def row_of(self, y: float, rows: int) -> int:
        """Return the plot's row at a height; -1 if it isn't shown."""
        _, heights, _ = self.heights(([0], [y], [y]))
        inside = self.log or self.bottom <= y <= self.top
        return round((1 - heights[0]) * (rows - 1)) if heights and inside else -1

    def cell_of(self, x: float, width: int) -> int:
        share = (x - self.left) / (self.right - self.left)
        return min(max(int(share * width), 0), width - 1)
