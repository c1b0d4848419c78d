"""Accuracy by the share of demonstrations: a line per arm, and the figures below."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import ScrollableContainer, Vertical
from textual.widgets import Static

from engine.tables import comparisons
from engine.tables.table import text_of
from sirt_tui.panels.comparison import UNSCORED
from sirt_tui.panels.figures import draw_table
from sirt_tui.widgets.chart import Chart, Series

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from engine.queries.comparison import Fractions
    from engine.tables.table import Cell, Table


class FractionsPanel(Vertical):
    """Shows a table, and a chart if any arm was trained with several shares."""

    DEFAULT_CSS = """
    FractionsPanel ScrollableContainer { height: auto; max-height: 50%; padding: 0 1; }
    FractionsPanel.listed ScrollableContainer { max-height: 100%; }
    FractionsPanel Static { width: auto; }
    """

    def compose(self) -> ComposeResult:
        yield Chart(id="lines")
        with ScrollableContainer(id="points", can_focus=True):
            yield Static()

    def show(self, found: Fractions) -> None:
        """Show a block for each task, with the accuracies of each arm by share."""
        chart = self.query_one(Chart)
        several = len(found) > 1
        lines = {
            f"{task} {name}" if several else name: points
            for task, lines in found.items()
            for name, points in lines.items()
        }
        chart.display = any(len(points) > 1 for points in lines.values())  # else there is no line
        self.set_class(not chart.display, "listed")
        shown = (
            Series(name, [x for x, _ in points], [100 * cell.value for _, cell in points])
            for name, points in lines.items()
        )
        chart.show(shown, most=100.0)
        table = draw_table(blocks(comparisons.fractions(found)))
        self.query_one(Static).update(table if found else Text(UNSCORED, "dim"))


def blocks(table: Table) -> Table:
    """Head each task's rows by its name, in place of the first column."""
    rows: list[tuple[Cell, ...]] = []
    for task, of_task in groupby(table.rows, key=lambda row: row[0]):
        rows += [(), (task,)] if rows else [(task,)]
        rows += [(f"  {text_of(name)}", *cells) for _, name, *cells in of_task]
    return replace(table, headers=table.headers[1:], rows=tuple(rows))
