"""The accuracy table of a run and its siblings: the arms on each task, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text
from textual.containers import ScrollableContainer
from textual.widgets import Static

from engine.schema.tiers import is_clear, shares
from engine.tables import accuracies
from sirt_tui.format import percent
from sirt_tui.panels.figures import draw_table, figure
from sirt_tui.panels.run_panel import RunPanel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType
    from textual.app import ComposeResult

    from engine.schema.accuracy import Accuracy
    from engine.store.run_row import RunRow
    from engine.tables.table import Cell
    from sirt_tui.panels.run_panel import RunView


class ScoresPanel(RunPanel, ScrollableContainer, can_focus=True):
    """Shows the accuracies of the run and its relatives, a row per arm."""

    NAME = "scores"
    BORDER_TITLE = "accuracy, % [95 %]"
    DEFAULT_CSS = """
    ScoresPanel { overflow: auto; }
    ScoresPanel > Static { width: auto; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._drawn: Sequence[RunRow] | None = None

    def compose(self) -> ComposeResult:
        yield Static(Text("no scores yet", "dim"))

    def draw(self, of: RunView) -> None:
        if of.relatives is not self._drawn:
            self._drawn = of.relatives
            mine = of.status.file.run_id
            self.query_one(Static).update(scores_table(of.relatives, mine))


def scores_table(rows: Sequence[RunRow], mine: str) -> RenderableType:
    """Make the table with a row per arm and a column per prompt, which fits 80 columns. Below it
    stand the rules by which this run's answers were read."""
    if not any(row.accuracies for row in rows):
        return Text("no scores yet", "dim")
    table = draw_table(accuracies.of_siblings(rows, mine), _cell)
    table.columns[0].no_wrap = False  # cut off, two splits would look the same
    read = [one for row in rows if row.run_id == mine for one in row.accuracies if one.tiers]
    return Group(table, *_read_by(read)) if read else table


def _cell(cell: Cell) -> Text:
    text = figure(cell)
    if isinstance(cell, str) and cell.endswith(accuracies.MINE):
        text.style = "bold"
    return text


def _read_by(found: Sequence[Accuracy]) -> Iterator[Text]:
    yield Text("\nread by, % of the answers", "bold")
    for one in found:
        text = Text(f"{one.evaluation.label}: ", "dim", no_wrap=True)
        for tier, share in shares(one.tiers, one.total).items():
            style = "not dim" if is_clear(tier) else "not dim yellow"
            text.append(f"{tier} {percent(share)}  ", style)
        yield text
