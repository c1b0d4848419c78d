"""The part of the plane that a chart shows; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sirt_tui.widgets.chart.series import Spans


@dataclass(frozen=True, slots=True)
class Window:
    """What is shown: bounds of x, bounds of y (exponents of ten on a log scale)."""

    left: float
    right: float
    bottom: float
    top: float
    log: bool = False

    def heights(self, spans: Spans) -> Spans:
        """0 at the bottom, 1 at the top; what has no place on a log scale is left out."""
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
        """In which of the plot's rows a height lies; -1 where it isn't shown."""
        _, heights, _ = self.heights(([0], [y], [y]))
        inside = self.log or self.bottom <= y <= self.top
        return round((1 - heights[0]) * (rows - 1)) if heights and inside else -1

    def cell_of(self, x: float, width: int) -> int:
        share = (x - self.left) / (self.right - self.left)
        return min(max(int(share * width), 0), width - 1)
