"""The accuracy table of a run's cell: arms down, tasks and prompts across, intervals beside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text
from textual.containers import ScrollableContainer
from textual.widgets import Static

from sirt_tui.format import NOTHING, interval, percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from engine.contract.run import Cellmark, RunRow

UNPARSED_SHOWN = 0.05
WORDS = {
    "instruct-only": "instructed",
    "refine-only": "refined only",
    "both": "refined",
}


class ScoresPanel(ScrollableContainer, can_focus=True):
    """``show`` takes the run's relatives: one row an arm."""

    BORDER_TITLE = "accuracy, % [95 %]"
    DEFAULT_CSS = "ScoresPanel > Static { width: auto; }"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, classes="panel")

    def compose(self) -> ComposeResult:
        yield Static(Text("no scores yet", "dim"))

    def show(self, rows: Sequence[RunRow], mine: str) -> None:
        if self.is_mounted:
            self.query_one(Static).update(scores_table(rows, mine))


def scores_table(rows: Sequence[RunRow], mine: str) -> Table | Text:
    """Tasks and prompts down, since there are more of them than arms."""
    scored = [row for row in rows if row.marks]
    if not scored:
        return Text("no scores yet", "dim")
    table = Table(box=None, padding=(0, 1), header_style="bold", pad_edge=False)
    table.add_column("task", no_wrap=True)
    table.add_column("prompt", no_wrap=True)
    for row in scored:
        name = WORDS.get(row.arm, row.arm)
        table.add_column(f"{name} ◂" if row.run_id == mine else name, no_wrap=True)
    for task, prompt in sorted({_key(mark) for row in scored for mark in row.marks}):
        found = ({_key(m): m for m in row.marks}.get((task, prompt)) for row in scored)
        table.add_row(task, prompt, *(_cell(mark) for mark in found))
    return table


def _key(mark: Cellmark) -> tuple[str, str]:
    return mark.task, mark.prompt if mark.method == "match" else "options"


def _cell(mark: Cellmark | None) -> Text:
    if mark is None:
        return Text(NOTHING, "dim")
    text = Text(f"{percent(mark.accuracy):>5}", "bold")
    text.append(f" [{interval(mark.low, mark.high)}]", "not bold dim")
    if mark.unparsed > UNPARSED_SHOWN:
        text.append(f" {percent(mark.unparsed)} unparsed", "not bold yellow")
    return text
