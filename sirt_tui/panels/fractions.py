"""Accuracy by the share of demonstrations: a line per arm, and the figures below."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import ScrollableContainer, Vertical
from textual.widgets import Static

from engine.tables import comparisons
from sirt_tui.panels.figures import draw_table
from sirt_tui.widgets.chart import Chart, Series

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from engine.schema.accuracy import Estimate


class FractionsPanel(Vertical):
    """Shows a table, and a chart if any arm was trained with several shares."""

    DEFAULT_CSS = """
    FractionsPanel ScrollableContainer { height: auto; max-height: 50%; padding: 0 1; }
    FractionsPanel Static { width: auto; }
    """

    def compose(self) -> ComposeResult:
        yield Chart(id="lines")
        with ScrollableContainer(id="points", can_focus=True):
            yield Static()

    def show(self, lines: dict[str, list[tuple[int, Estimate]]]) -> None:
        """Show for each arm the shares in per cent and the accuracies."""
        chart = self.query_one(Chart)
        chart.display = any(len(points) > 1 for points in lines.values())  # else there is no line
        shown = (
            Series(name, [x for x, _ in points], [100 * cell.value for _, cell in points])
            for name, points in lines.items()
        )
        chart.show(shown, most=100.0)
        self.query_one(Static).update(draw_table(comparisons.fractions(lines)))
