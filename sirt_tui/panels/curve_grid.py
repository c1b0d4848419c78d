"""All curves of one or several runs as small charts side by side, one of which can be enlarged."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.containers import VerticalScroll

from sirt_tui.panels import comparison, x_axis
from sirt_tui.panels.titles import entitle
from sirt_tui.places import bindings
from sirt_tui.widgets.chart import Chart, Series

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual import events
    from textual.binding import BindingType

    from sirt_tui.panels.plots import Plot

ACROSS, DOWN = 38, 7  # the fewest cells of a chart that can be read
MOMENT_S = 0.04  # of drawing: a key that is pressed meanwhile is painted after it
FRAME_S = 1 / 60  # Textual paints so often


class SmallChart(Chart, can_focus=False):
    """A chart of the grid, with its title in the line above it; the grid has the keys."""

    ALLOW_MAXIMIZE = False
    DEFAULT_CSS = """
    SmallChart { height: 1fr; border-top: solid $border; border-title-color: $text; }
    SmallChart.chosen { border-top: heavy $primary; border-title-style: bold reverse; }
    """

    def __init__(self, title: str) -> None:
        super().__init__()
        self._drawn: tuple[object, ...] = ()
        self.title = title
        entitle(self, f" {title} ")

    def draw(self, plot: Plot, points: x_axis.Points, over: x_axis.Over, several: bool) -> None:
        """Draw the plot unless it stands there already; ``several`` runs are told by their
        letters."""
        there = (over, several, plot.levels, [line.extent for line in plot.lines])
        if there == self._drawn:
            return
        self._drawn = there
        offered = x_axis.offered(line.phase.view for line in plot.lines)
        over = over if over in offered else "steps"
        series = [
            Series(
                comparison.letter(line.run) if several else line.legend,
                *points.of(line.phase, line.name, over),
                comparison.colour(line.run) if several else "",
            )
            for line in plot.lines
        ]
        self.show(series, plot.levels, x_axis.AXES[over], most=plot.most)


class CurveGrid(VerticalScroll, can_focus=True):
    """The charts, as many beside each other as can be read, and a cursor on one of them.

    Its keys change all charts, or the enlarged one alone.
    """

    DEFAULT_CSS = """
    CurveGrid { layout: grid; grid-gutter: 0 2; padding: 0 1; height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("curve grid"),
        *(
            replace(key, action=f"charts('{key.action}')")
            for key in Chart.KEYS
            if key.id not in {"cursor_right", "cursor_left"}
        ),
    ]

    def __init__(self) -> None:
        super().__init__()
        self._plots: dict[str, Plot] = {}
        self._words: list[str] = []
        self._several = False
        self._points = x_axis.Points()
        self._over: x_axis.Over = "steps"
        self._chosen = ""  # its title
        self.enlarged = False

    @property
    def over(self) -> x_axis.Over:
        return self._over

    @property
    def titles(self) -> list[str]:
        """The titles of all charts that the search finds, in order."""
        return [t for t, plot in self._plots.items() if all(w in plot.names for w in self._words)]

    def show(self, plots: Sequence[Plot], several: bool) -> None:
        """Draw these plots; charts that were there keep their zoom and smoothing."""
        before, self._several = self._plots.keys(), several
        self._plots = {plot.title: plot for plot in plots}
        if self._plots.keys() == before:
            self._draw()
            return
        for at, title in enumerate(self._plots):
            if title not in before:
                there = list(self.query(SmallChart))
                self.mount(SmallChart(title), before=there[at] if at < len(there) else None)
        self._arrange()

    def search(self, words: str) -> None:
        """Show only the charts in whose names all these words are."""
        self._words = words.lower().split()
        self._arrange()

    def go_to(self, title: str) -> None:
        """Put the cursor on the chart with this title."""
        self._put_cursor(title)

    # --- keys ---

    def action_enlarge(self) -> None:
        """Show the chosen chart alone, or all of them again."""
        self.enlarged = not self.enlarged and bool(self.titles)
        self._arrange()
        self.screen.refresh_bindings()

    def action_across(self, step: int) -> None:
        if self.enlarged:
            self._cell().action_cursor(step)
        else:
            self._choose(step)

    def action_down(self, step: int) -> None:
        """Go to the chart above or below; enlarged, to the next or the one before."""
        self._choose(step if self.enlarged else step * self._columns)

    def action_step(self, step: int) -> None:
        """Go to the next chart, or the one before."""
        self._choose(step)

    def action_end(self, which: int) -> None:
        if titles := self.titles:
            self._put_cursor(titles[which])

    async def action_charts(self, action: str) -> None:
        for cell in [self._cell()] if self.enlarged else self._shown():
            await cell.run_action(action)

    def action_x_axis(self) -> None:
        views = [line.phase.view for plot in self._plots.values() for line in plot.lines]
        if views:
            self._over = x_axis.following(self._over, views)
            self._draw()

    def on_click(self, event: events.Click) -> None:
        """Choose the chart under the mouse; a click on the chosen one enlarges it."""
        cell = event.widget
        if isinstance(cell, SmallChart):
            if cell.title == self._chosen:
                self.action_enlarge()
            else:
                self._put_cursor(cell.title)

    def _choose(self, step: int) -> None:
        titles = self.titles
        if titles:
            at = titles.index(self._chosen) + step
            if 0 <= at < len(titles):
                self._put_cursor(titles[at])

    def _put_cursor(self, title: str) -> None:
        """Choose this chart; the others stay as they are drawn, unless it is the only one shown."""
        self._chosen = title
        if self.enlarged:
            self._arrange()
        else:
            self._mark()
            self._reveal()

    # --- drawing ---

    @property
    def _columns(self) -> int:
        return 1 if self.enlarged else max(1, self.size.width // ACROSS)

    def _cell(self) -> SmallChart:
        return next(cell for cell in self.query(SmallChart) if cell.title == self._chosen)

    def _shown(self) -> list[SmallChart]:
        return [cell for cell in self.query(SmallChart) if cell.display]

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        """Lay the found charts out, as high as leaves all of them on the page if they can be."""
        titles = self.titles
        if self._chosen not in titles:
            self._chosen = titles[0] if titles else ""
        self.enlarged = self.enlarged and bool(titles)
        for cell in self.query(SmallChart):
            alone = self.enlarged and cell.title != self._chosen
            cell.display = cell.title in titles and not alone
        self._mark()
        rows = 1 if self.enlarged else -(-len(titles) // self._columns)
        height = max(DOWN, self.size.height // max(1, rows))
        self.styles.grid_size_columns = self._columns
        self.styles.grid_rows = str(min(height, max(1, self.size.height)))
        self._draw()
        if titles:
            self.call_after_refresh(self._reveal)

    def _mark(self) -> None:
        for cell in self.query(SmallChart):
            cell.set_class(cell.title == self._chosen, "chosen")

    def _reveal(self) -> None:
        for cell in self.query(SmallChart):
            if cell.title == self._chosen:
                self.scroll_to_widget(cell, animate=False)

    def _draw(self) -> None:
        draw: Any = partial(self._draw_each, self._shown())
        self.screen.run_worker(draw, group="grid", exclusive=True)

    async def _draw_each(self, cells: Iterable[Any]) -> None:
        """Draw one chart after the other; keys that are pressed meanwhile come between. What was
        drawn within a moment is sent at once, since sending costs as much as several charts."""
        left = [cell for cell in cells if cell.title in self._plots]
        while left:
            until = time.monotonic() + MOMENT_S
            with self.app.batch_update():
                while left and time.monotonic() < until:
                    cell = left.pop(0)
                    cell.draw(self._plots[cell.title], self._points, self._over, self._several)
                    await asyncio.sleep(0)
            await asyncio.sleep(FRAME_S if left else 0)
