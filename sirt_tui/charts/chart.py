"""The chart widget, on Textual's line API: curves, axes, a bounded legend, a cursor."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from sirt_tui.charts import axes
from sirt_tui.charts.canvas import LETTERS, MODES, Canvas, Mode
from sirt_tui.charts.series import Series, Threshold, columns
from sirt_tui.format import number
from sirt_tui.plain import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sirt_tui.charts.series import Floats

COLOURS = ("cyan", "yellow", "green", "magenta", "red", "blue", "white")
SMOOTHINGS = (0.0, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99)
NAME_CHARS = 24
LEGEND_LINES = 2
MORE_CHARS = 9
LEAST = (12, 4)  # cells across and down below which there is nothing to read


@dataclass(frozen=True, slots=True)
class Window:
    """What is shown: bounds of x, bounds of y (exponents of ten on a log scale)."""

    left: float
    right: float
    bottom: float
    top: float
    log: bool = False

    def height_of(self, y: Floats) -> Floats:
        """0 at the bottom, 1 at the top; NaN where a log scale has no place."""
        if self.log:
            y = np.where(y > 0, y, np.nan)
            y = np.log10(y, where=np.isfinite(y), out=np.full_like(y, np.nan))
        shown: Floats = np.clip((y - self.bottom) / (self.top - self.bottom), 0.0, 1.0)
        return shown


class Chart(Widget, can_focus=True):
    """``show`` gives it curves; the rest is the reader's: cursor, zoom, smoothing, log scale.

    ``whole_x``: x are counts (steps), so ticks are whole numbers.
    """

    ALLOW_MAXIMIZE = True
    DEFAULT_CSS = "Chart { height: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("right", "cursor(1)", "Cursor right", show=False),
        Binding("left", "cursor(-1)", "Cursor left", show=False),
        Binding("shift+right", "cursor(10)", "Cursor far right", show=False),
        Binding("shift+left", "cursor(-10)", "Cursor far left", show=False),
        Binding("plus,equals_sign", "smooth(1)", "Smoother", show=False),
        Binding("minus", "smooth(-1)", "Less smooth", show=False),
        Binding("0", "reset", "As it was: no smoothing, no zoom, no cursor", show=False),
        Binding("y", "log", "Log scale", show=False),
        Binding("greater_than_sign", "zoom(0.5)", "Zoom in at the cursor", show=False),
        Binding("less_than_sign", "zoom(2)", "Zoom out", show=False),
        Binding("full_stop", "pan(0.25)", "Move right", show=False),
        Binding("comma", "pan(-0.25)", "Move left", show=False),
        Binding("m", "mode", "Braille, blocks or letters", show=False),
    ]

    def __init__(self, whole_x: bool = True, id: str | None = None) -> None:
        super().__init__(id=id)
        self._whole_x = whole_x
        self._series: tuple[Series, ...] = ()
        self._thresholds: tuple[Threshold, ...] = ()
        self._smoothing = 0
        self._log = False
        self._mode: Mode = "braille"
        self._view: tuple[float, float] | None = None  # zoomed x; None: all of it
        self._cursor: float | None = None
        self._frame: list[Strip] | None = None
        self._smoothed: list[Series] = []  # both as they were drawn last
        self._rows = 0  # of the plot

    def show(self, series: Iterable[Series], thresholds: Iterable[Threshold] = ()) -> None:
        """Draw these instead; zoom, cursor and smoothing stay."""
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

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._frame = None

    def _redraw(self) -> None:
        """Paint the lines that look different now: over SSH, bytes are dear."""
        before = self._frame
        if before is None or not self.is_mounted or not self.content_size:
            self.refresh()
            return
        after = self._frame = self._drawn()
        for y in range(max(len(before), len(after))):
            if before[y : y + 1] != after[y : y + 1]:
                self.refresh(Region(0, y, self.size.width, 1))

    def render_line(self, y: int) -> Strip:
        if self._frame is None:
            self._frame = self._drawn()
        if y >= len(self._frame):
            return Strip.blank(self.content_size.width, self.rich_style)
        return self._frame[y]

    def _drawn(self) -> list[Strip]:
        base = self.rich_style
        lines = self._draw(self.content_size.width, self.content_size.height)
        return [line.apply_style(base) for line in lines]

    def _draw(self, width: int, height: int) -> list[Strip]:
        self._smoothed = [s.smoothed(SMOOTHINGS[self._smoothing]) for s in self._series]
        legend = self._legend(width)
        rows = self._rows = height - len(legend) - 1
        if not any(np.isfinite(s.y).any() for s in self._series):
            return [Strip([Segment("no points yet", Style.parse("dim"))])]
        if width < LEAST[0] or rows < 1:
            return legend
        window = self._window()
        labels = self._y_labels(window, rows)
        margin = max(map(len, labels.values()), default=0)
        canvas = Canvas(max(1, width - margin - 1), rows, self._mode)
        self._draw_curves(canvas, window)
        lines = canvas.lines()
        styles = self._styles()
        strips = [
            self._row(row, lines[row], labels.get(row, ""), margin, window, styles)
            for row in range(rows)
        ]
        return [*legend, *strips, self._x_axis(window, margin, canvas.width)]

    def _draw_curves(self, canvas: Canvas, window: Window) -> None:
        colourless = bool(os.environ.get("NO_COLOR"))
        count = len(self._series)
        weight = SMOOTHINGS[self._smoothing]
        for n, series in enumerate(self._series):
            layers = [(n, self._smoothed[n])]
            if weight:  # the raw curve, faint under the smoothed one
                layers.insert(0, (count + n, series))
            for owner, curve in layers:
                low, high = columns(curve, window.left, window.right, canvas.columns)
                dash = n if colourless else None
                canvas.draw(owner, window.height_of(low), window.height_of(high), dash)

    def _extent(self) -> tuple[float, float]:
        ends = [(s.x[0], s.x[-1]) for s in self._series if s.x.size]
        left = float(min((e[0] for e in ends), default=0.0))
        right = float(max((e[1] for e in ends), default=1.0))
        return (left, right) if right > left else (left, left + 1.0)

    def _x_range(self) -> tuple[float, float]:
        return self._view or self._extent()

    def _window(self) -> Window:
        left, right = self._x_range()
        parts = [s.between(left, right) for s in self._series]
        if self._log:
            parts = [np.log10(part[part > 0]) for part in parts]
        values = np.concatenate(parts)
        bottom, top = (values.min(), values.max()) if values.size else (0.0, 1.0)
        if not self._log:
            near = [t.y for t in self._thresholds if abs(t.y - bottom) < 2 * (top - bottom) + 1e-12]
            bottom, top = min([bottom, *near]), max([top, *near])
        if top - bottom <= 1e-12 * max(abs(top), abs(bottom), 1e-300):  # constant
            margin = abs(top) * 0.05 or 1.0
            bottom, top = bottom - margin, top + margin
        return Window(left, right, float(bottom), float(top), self._log)

    def _y_labels(self, window: Window, rows: int) -> dict[int, str]:
        """Row of the plot -> label."""
        most = max(1, min(8, rows // 2))
        if window.log:
            found = [
                (t, axes.log_label(t)) for t in axes.log_ticks(window.bottom, window.top, most)
            ]
        else:
            step = axes.step_of(window.top - window.bottom, most)
            ticks = axes.ticks(window.bottom, window.top, most)
            found = [(t, axes.label(t, step)) for t in ticks]
        span = window.top - window.bottom
        return {round((window.top - t) / span * (rows - 1)): text for t, text in found}

    def _row(
        self,
        row: int,
        runs: list[tuple[str, int]],
        label: str,
        margin: int,
        window: Window,
        styles: list[Style],
    ) -> Strip:
        axis = Segment(f"{label:>{margin}}{'┤' if label else '│'}", Style.parse("dim"))
        cells = [Segment(text, styles[owner]) for text, owner in runs]
        for threshold in self._thresholds:
            if row == self._threshold_row(threshold, window):
                cells = _over(cells, threshold.label)
        strip = Strip([axis, *_joined(cells)])
        if self._cursor is not None:
            at = margin + 1 + self._cursor_cell(window, strip.cell_length - margin - 1)
            parts = strip.divide([at, at + 1, strip.cell_length])
            mark = parts[1].text if parts[1].text.strip() else "│"
            strip = Strip.join([parts[0], Strip([Segment(mark, Style(reverse=True))]), *parts[2:]])
        return strip

    def _threshold_row(self, threshold: Threshold, window: Window) -> int:
        rows = self._rows
        height = float(window.height_of(np.array([threshold.y]))[0])
        inside = math.isfinite(height) and (
            window.log or window.bottom <= threshold.y <= window.top
        )
        return round((1 - height) * (rows - 1)) if inside else -1

    def _cursor_cell(self, window: Window, width: int) -> int:
        assert self._cursor is not None
        share = (self._cursor - window.left) / (window.right - window.left)
        return min(max(int(share * width), 0), width - 1)

    def _styles(self) -> list[Style]:
        """By owner: the curves, the same faint, and last (-1) nobody's."""
        curves = [Style.parse(self._colour(n)) for n in range(len(self._series))]
        return [*curves, *(style + Style(dim=True) for style in curves), Style.null()]

    def _colour(self, number: int) -> str:
        return self._series[number].style or COLOURS[number % len(COLOURS)]

    def _x_axis(self, window: Window, margin: int, width: int) -> Strip:
        most = max(1, width // 12)
        whole = self._whole_x
        step = axes.step_of(window.right - window.left, most, whole)
        line = [" "] * (margin + 1 + width)
        free = 0
        for tick in axes.ticks(window.left, window.right, most, whole):
            text = axes.label(tick, step)
            share = (tick - window.left) / (window.right - window.left)
            start = margin + 1 + round(share * (width - 1)) - len(text) // 2
            start = min(max(start, 0), len(line) - len(text))
            if start >= free:
                line[start : start + len(text)] = text
                free = start + len(text) + 1
        return Strip([Segment("".join(line), Style.parse("dim"))])

    def _legend(self, width: int) -> list[Strip]:
        """Name and value of each curve (the last, or at the cursor), in two lines at most."""
        entries = [self._legend_entry(n, s) for n, s in enumerate(self._series)]
        state = self._state()
        lines: list[list[Segment]] = [[]]
        room = width - len(state)
        shown = 0
        for entry in entries:
            needed = sum(len(part.text) for part in entry)
            rest = MORE_CHARS if entry is not entries[-1] and len(lines) == LEGEND_LINES else 0
            if needed > room - rest:
                if len(lines) == LEGEND_LINES or needed > width:
                    break
                lines.append([])
                room = width
            lines[-1] += entry
            room -= needed
            shown += 1
        if shown < len(entries):
            lines[-1].append(Segment(f"+{len(entries) - shown} more", Style.parse("dim")))
        if state:
            used = sum(len(part.text) for part in lines[0])
            pad = " " * max(0, width - used - len(state))
            lines[0].append(Segment(pad + state, Style.parse("dim")))
        return [Strip(line).crop(0, width) for line in lines]

    def _legend_entry(self, number_: int, series: Series) -> list[Segment]:
        found = self._smoothed[number_]
        point = found.at(self._cursor if self._cursor is not None else math.inf)
        if self._cursor is None and point is not None:
            finite = found.y[np.isfinite(found.y)]
            point = (0.0, float(finite[-1]))
        letter = f"{LETTERS[number_ % len(LETTERS)]} " if self._mode == "ascii" else "━ "
        value = number(point[1] if point else None)
        return [
            Segment(letter, Style.parse(self._colour(number_))),
            Segment(f"{one_line(series.name, NAME_CHARS)} "),
            Segment(f"{value}  ", Style(bold=True)),
        ]

    def _state(self) -> str:
        parts = []
        if self._cursor is not None:
            parts.append(f"at {number(round(self._cursor) if self._whole_x else self._cursor)}")
        if self._smoothing:
            parts.append(f"smooth {SMOOTHINGS[self._smoothing]}")
        if self._log:
            parts.append("log")
        if self._view:
            parts.append("zoomed")
        return "  ".join(parts)


def _joined(cells: Iterable[Segment]) -> list[Segment]:
    """Blanks have no colour: they go with what is before them, and less is sent."""
    found: list[Segment] = []
    for cell in cells:
        if found and (cell.text.isspace() or cell.style == found[-1].style):
            found[-1] = Segment(found[-1].text + cell.text, found[-1].style)
        else:
            found.append(cell)
    return found


def _over(cells: Sequence[Segment], label: str) -> list[Segment]:
    """A dashed line through what is empty, with its label at the end."""
    total = sum(len(cell.text) for cell in cells)
    dim = Style.parse("dim")
    drawn = [cell if cell.text.strip() else Segment("╌" * len(cell.text), dim) for cell in cells]
    text = f" {label} "
    if len(text) >= total:
        return drawn
    head = Strip(drawn).crop(0, total - len(text))
    return [*head, Segment(text, dim)]
