"""The columns of the list of items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.sanitize import one_line
from sirt_tui.widgets.columns import Column
from sirt_tui.widgets.names import middle_cut

if TYPE_CHECKING:
    from sirt_tui.screens.item_list import ItemRow
    from sirt_tui.screens.item_marks import ItemMarks
    from sirt_tui.screens.item_sources import ItemSources
    from sirt_tui.widgets.columns import Cell

VERDICTS = {"right": ("✓", "green"), "wrong": ("✗", "red"), "unparsed": ("?", "yellow")}


def item_columns(marks: ItemMarks, sources: ItemSources) -> list[Column[ItemRow]]:
    """Return the columns of the file that is shown, if any."""
    outcome = "chosen by" if sources.all and sources.one.what == "pairs" else "outcome"

    def marked(row: ItemRow) -> Cell:
        if row.item is None:
            return ""
        mark, left_out = marks.of(row.item.id), marks.left_out(row.item.id)
        text = Text()
        text.append("!" if mark.flagged else " ", "bold yellow")
        text.append("x" if mark.excluded else "-" if left_out else " ", "bold red")
        text.append("n" if mark.note else " ", "cyan")
        return text

    return [
        Column("number", "#", 7, lambda r: str(r.number + 1), 4, "right"),
        Column("marks", "mark", 4, marked),
        Column("verdicts", "✓✗", 3, _verdicts),
        Column("label", outcome, 12, _label, 1, narrow=9),
        Column("length", "chars", 9, _length, 3, "right"),
        *([Column("margin", "margin", 7, _margin, 2, "right")] if sources.scored else []),
        Column("id", "id", 14, _id, 7, narrow=10, shorten=middle_cut),
        Column("text", "question", 40, _text, 6, narrow=24, grows=True),
    ]


def _verdicts(row: ItemRow) -> Cell:
    text = Text()
    for side in row.item.sides if row.item else ():
        text.append(*VERDICTS[side.verdict])
    return text


def _label(row: ItemRow) -> Cell:
    if row.item is None:
        return "…", "dim"
    if row.item.problem:
        return "unreadable", "bold red"
    return one_line(row.item.label, 40)


def _length(row: ItemRow) -> Cell:
    """Write the length of each text: ``49/62``."""
    return "/".join(str(len(side.text)) for side in row.item.sides) if row.item else ""


def _margin(row: ItemRow) -> Cell:
    margin = row.item.margin if row.item else None
    return "" if margin is None else f"{margin:+.2f}"


def _id(row: ItemRow) -> Cell:
    return one_line(row.item.id, 60) if row.item else ""


def _text(row: ItemRow) -> Cell:
    return one_line(row.item.question, 300) if row.item else ""
