"""The chart widget: curves, axes, a legend and a cursor, drawn line by line."""

from __future__ import annotations

import math
from itertools import chain
from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from sirt_tui.format import duration, four_digits, number
from sirt_tui.places import bindings
from sirt_tui.widgets.chart import axes
from sirt_tui.widgets.chart.canvas import MODES, Canvas, usual_mode
from sirt_tui.widgets.chart.cells import over
from sirt_tui.widgets.chart.curve import Curve
from sirt_tui.widgets.chart.legend import LEGEND_LINES, Entry, colourless, legend, mark_of
from sirt_tui.widgets.chart.series import Series, Threshold, finite
from sirt_tui.widgets.chart.window import Window

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.binding import Binding, BindingType

COLOURS = ("cyan", "yellow", "green", "magenta", "red", "blue", "white")
SMOOTHINGS = (0.0, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99)
LEAST = (12, 4)  # cells across and down below which there is nothing to read
LOW = 10  # cells down, below which a legend takes one line


class Chart(Widget, can_focus=True):
    """A chart of the curves given to ``show``; keys control cursor, zoom, smoothing, log scale.

    ``x``: what its axis is of, until ``show`` says another.
    """

    ALLOW_MAXIMIZE = True
    DEFAULT_CSS = "Chart { height: 1fr; }"
    KEYS: ClassVar[tuple[Binding, ...]] = bindings("chart")
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self, x: axes.X = "counts", id: str | None = None) -> None:
        super().__init__(id=id)
        self._x = x
        self._empty, self._most = "", math.inf
        self._series: tuple[Series, ...] = ()
        self._thresholds: tuple[Threshold, ...] = ()
        self._smoothing = 0
        self._log = False
        self._mode = usual_mode()
        self._view: tuple[float, float] | None = None  # zoomed x; None: all of it
        self._cursor: float | None = None
        self._frame: list[Strip] | None = None
        self._curves: list[Curve] = []  # both as they were drawn last
        self._rows = 0  # of the plot
        self._base = Style.null()  # the widget's own

    def show(
        self,
        series: Iterable[Series],
        thresholds: Iterable[Threshold] = (),
        x: axes.X | None = None,
        empty: str = "no points yet",
        most: float = math.inf,
    ) -> None:
        """Draw these curves; smoothing stays, and on the same axis zoom and cursor too. ``empty``:
        the text without points; ``most``: the highest possible value on the axis."""
        self._empty, self._most = empty, most
        if x not in (None, self._x):
            self._x, self._view, self._cursor = x, None, None
        self._series = tuple(series)
        self._thresholds = tuple(thresholds)
        self._redraw()

    # --- what the reader does ---

    def action_cursor(self, cells: int) -> None:
        left, right = self._x_range()
        step = (right - left) / max(1, self.content_size.width)
        at = right if self._cursor is None else self._cursor + cells * step
        self._cursor = min(max(at, left), right)
        self._redraw()

    def action_smooth(self, step: int) -> None:
        self._smoothing = min(max(self._smoothing + step, 0), len(SMOOTHINGS) - 1)
        self._redraw()

    def action_reset(self) -> None:
        self._smoothing, self._view, self._cursor = 0, None, None
        self._redraw()

    def action_log(self) -> None:
        self._log = not self._log
        self._redraw()

    def action_mode(self) -> None:
        self._mode = MODES[(MODES.index(self._mode) + 1) % len(MODES)]
        self._redraw()

    def action_zoom(self, factor: float) -> None:
        left, right = self._x_range()
        centre = self._cursor if self._cursor is not None else (left + right) / 2
        self._look(centre - (centre - left) * factor, centre + (right - centre) * factor)

    def action_pan(self, share: float) -> None:
        left, right = self._x_range()
        move = (right - left) * share
        first, last = self._extent()
        move = min(max(move, first - left), last - right)
        self._look(left + move, right + move)

    def _look(self, left: float, right: float) -> None:
        first, last = self._extent()
        left, right = max(left, first), min(right, last)
        self._view = None if (left, right) == (first, last) else (left, right)
        self._redraw()

    # --- drawing ---

    def on_resize(self) -> None:
        self._frame = None
        self.refresh()  # of another height alone, Textual would show the lines it has

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._frame = None

    def _redraw(self) -> None:
        """Paint only the lines that have changed, to send little over SSH."""
        before = self._frame
        if before is None or not self.is_mounted or not self.content_size:
            self.refresh()
            return
        after = self._frame = self._draw(*self.content_size)
        for y in range(max(len(before), len(after))):
            if before[y : y + 1] != after[y : y + 1]:
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        if self._frame is None:
            self._frame = self._draw(*self.content_size)
        if y >= len(self._frame):
            return Strip.blank(self.content_size.width, self.rich_style)
        return self._frame[y]

    def _draw(self, width: int, height: int) -> list[Strip]:
        self._base = self.rich_style
        self._curves = self._follow()
        above = self._legend(width, height)
        rows = self._rows = height - len(above) - 1
        if not any(map(math.isfinite, chain.from_iterable(s.y for s in self._series))):
            return [Strip([Segment(self._empty, self._style("dim"))])]
        if width < LEAST[0] or rows < 1:
            return above
        left, right = self._x_range()
        window = self._window(left, right)
        labels = axes.y_labels(window, rows)
        margin = max(map(len, labels.values()), default=0)
        canvas = Canvas(max(1, width - margin - 1), rows, self._mode)
        self._draw_curves(canvas, window)
        lines = canvas.lines()
        styles = self._styles()
        strips = [
            self._row(row, lines[row], labels.get(row, ""), margin, window, styles)
            for row in range(rows)
        ]
        below = axes.x_line(window, self._x, margin + 1, canvas.width)
        return [*above, *strips, Strip([Segment(below, self._style("dim"))])]

    def _follow(self) -> list[Curve]:
        """Return the curves, updating those that were drawn before."""
        weight = SMOOTHINGS[self._smoothing]
        before = [curve for curve in self._curves if curve.weight == weight]
        found = []
        for series in self._series:
            known = next((curve for curve in before if curve.draws(series)), None)
            found.append(known or Curve(series, weight))
            found[-1].follow()
        return found

    def _draw_curves(self, canvas: Canvas, window: Window) -> None:
        dashed = colourless()
        for n, curve in enumerate(self._curves):
            owners = (len(self._curves) + n, n)[-len(curve.layers) :]  # raw is faint under smoothed
            for owner, layer in zip(owners, curve.layers, strict=True):
                spans = layer.columns(window.left, window.right, canvas.columns)
                canvas.draw(owner, window.heights(spans), n if dashed else None)

    def _extent(self) -> tuple[float, float]:
        ends = [(s.x[0], s.x[-1]) for s in self._series if s.x]
        left = min((e[0] for e in ends), default=0.0)
        right = max((e[1] for e in ends), default=1.0)
        return (left, right) if right > left else (left, left + 1.0)

    def _x_range(self) -> tuple[float, float]:
        return self._view or self._extent()

    def _window(self, left: float, right: float) -> Window:
        values = [finite(curve.layers[0].between(left, right)[1]) for curve in self._curves]
        lines = [threshold.y for threshold in self._thresholds]
        return Window.around(values, (left, right), lines, self._most, self._log)

    def _row(
        self,
        row: int,
        runs: list[tuple[str, int]],
        label: str,
        margin: int,
        window: Window,
        styles: list[Style],
    ) -> Strip:
        dim = self._style("dim")
        axis = Segment(f"{label:>{margin}}{'┤' if label else '│'}", dim)
        cells = [Segment(text, styles[owner]) for text, owner in runs]
        for threshold in self._thresholds:
            if row == window.row_of(threshold.y, self._rows):
                cells = over(cells, threshold.label, dim)
        strip = Strip([axis, *cells])
        if self._cursor is not None:
            at = margin + 1 + window.cell_of(self._cursor, strip.cell_length - margin - 1)
            parts = strip.divide([at, at + 1, strip.cell_length])
            mark = parts[1].text if parts[1].text.strip() else "│"
            strip = Strip.join(
                [parts[0], Strip([Segment(mark, self._style("reverse"))]), *parts[2:]]
            )
        return strip

    def _styles(self) -> list[Style]:
        """Return the styles by owner: the curves, the curves faint, and last (-1) no curve."""
        series = enumerate(self._series)
        curves = [self._style(s.style or COLOURS[n % len(COLOURS)]) for n, s in series]
        return [*curves, *(style + Style(dim=True) for style in curves), self._style("")]

    def _style(self, words: str) -> Style:
        """Add a style to the widget's own."""
        return self._base + Style.parse(words)

    def _legend(self, width: int, height: int) -> list[Strip]:
        """Draw each curve's name and value, the last one or that at the cursor."""
        at = math.inf if self._cursor is None else self._cursor
        entries, styles = [], self._styles()
        for n, series in enumerate(self._series):
            point = self._curves[n].smoothed.at(at)
            value = four_digits(number(point[1] if point else None))
            entries.append(Entry(mark_of(n, self._mode), styles[n], series.name, value))
        most = LEGEND_LINES if height >= LOW else 1
        return legend(entries, self._state(), width, self._style(""), most)

    def _state(self) -> str:
        parts = []
        if self._cursor is not None:
            at = round(self._cursor) if self._x == "counts" else self._cursor
            parts.append(f"at {duration(at) if self._x == 'seconds' else number(at)}")
        if self._smoothing:
            parts.append(f"smooth {SMOOTHINGS[self._smoothing]}")
        if self._log:
            parts.append("log")
        if self._view:
            parts.append("zoomed")
        return "  ".join(parts)
