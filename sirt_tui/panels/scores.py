"""The accuracy table of a run's cell: its arms on each task, with intervals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text
from textual.containers import ScrollableContainer
from textual.widgets import Static

from engine.schema.tiers import is_clear, shares
from sirt_tui.format import NOTHING, interval, percent
from sirt_tui.panels.run_panel import RunPanel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import RenderableType
    from textual.app import ComposeResult

    from engine.schema.accuracy import Accuracy
    from engine.store.run_row import RunRow
    from sirt_tui.panels.run_panel import RunView

UNPARSED_SHOWN = 0.05
STYLES = ("plain", "cot")
WORDS = {
    "instruct-only": "instructed",
    "refine-only": "refined only",
    "both": "refined",
}


class ScoresPanel(RunPanel, ScrollableContainer, can_focus=True):
    """One row an arm: the run and its relatives."""

    NAME = "scores"
    BORDER_TITLE = "accuracy, % [95 %]"
    DEFAULT_CSS = "ScoresPanel > Static { width: auto; }"

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
    """Grouped by task, arms down and prompts across: it fits 80 columns. Below it, by which rules
    this run's answers were read."""
    found = {
        (one.evaluation.where, row.arm, one.evaluation.style): one
        for row in rows
        for one in row.accuracies
    }
    if not found:
        return Text("no scores yet", "dim")
    styles = sorted({style for _, _, style in found}, key=_order)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", pad_edge=False)
    table.add_column("task")  # wraps where there is no room: cut off, two splits look the same
    for title in ("arm", *styles):
        table.add_column(title, no_wrap=True)
    for task in sorted({key[0] for key in found}):
        arms = [row for row in rows if any(key[:2] == (task, row.arm) for key in found)]
        for number, row in enumerate(arms):
            cells = (_cell(found.get((task, row.arm, style))) for style in styles)
            name = WORDS.get(row.arm, row.arm)
            shown = Text(f"{name} ◂", "bold") if row.run_id == mine else Text(name)
            table.add_row("" if number else task, shown, *cells)
    read = [one for row in rows if row.run_id == mine for one in row.accuracies if one.tiers]
    return Group(table, *_read_by(read)) if read else table


def _order(style: str) -> tuple[int, str]:
    """plain and cot first."""
    return STYLES.index(style) if style in STYLES else len(STYLES), style


def _read_by(found: Sequence[Accuracy]) -> Iterator[Text]:
    yield Text("\nread by, % of the answers", "bold")
    for one in found:
        text = Text(f"{one.evaluation.label}: ", "dim", no_wrap=True)
        for tier, share in shares(one.tiers, one.total).items():
            style = "not dim" if is_clear(tier) else "not dim yellow"
            text.append(f"{tier} {percent(share)}  ", style)
        yield text


def _cell(one: Accuracy | None) -> Text:
    if one is None:
        return Text(NOTHING, "dim")
    text = Text(f"{percent(one.value):>5}", "bold")
    text.append(f" [{interval(one.right.low, one.right.high)}]", "not bold dim")
    if one.unparsed > UNPARSED_SHOWN:
        text.append(f" {percent(one.unparsed)} unparsed", "not bold yellow")
    return text
