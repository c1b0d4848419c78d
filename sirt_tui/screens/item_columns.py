"""The columns of the list of items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.sanitize import one_line
from sirt_tui.widgets.columns import Column

if TYPE_CHECKING:
    from sirt_tui.screens.item_list import ItemList, ItemRow
    from sirt_tui.screens.item_marks import ItemMarks
    from sirt_tui.screens.item_sources import ItemSources
    from sirt_tui.widgets.columns import Cell

LONGEST = 40  # cells of an id
TELLING = 10  # the same, of what tells it from others, where room is short
VERDICTS = {"right": ("✓", "green"), "wrong": ("✗", "red"), "unparsed": ("?", "yellow")}


def item_columns(
    marks: ItemMarks, sources: ItemSources, items: ItemList, wide: bool
) -> list[Column[ItemRow]]:
    """Return the columns of the file that is shown, if any. Where the terminal is ``wide``, ids are
    whole, and the item stands beside the list; elsewhere ids lose how all of them begin."""
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

    digits = max(3, len(str(items.total)))
    whole = min(LONGEST, max(2, items.ids.longest))
    least = whole if wide else min(whole, items.ids.telling, TELLING)
    return [
        Column("number", "#", digits, lambda r: str(r.number + 1), 4, "right"),
        Column("marks", "mark", 4, marked),
        Column("verdicts", "✓✗", 3, _verdicts),
        Column("label", outcome, 12, _label, 1, narrow=9),
        Column("length", "chars", 9, _length, 3, "right"),
        *([Column("margin", "margin", 7, _margin, 2, "right")] if sources.scored else []),
        Column("id", "id", whole, _id, 7, narrow=least, shorten=items.ids.short),
        Column("text", "question", 24, _text, 6, narrow=16 if wide else 24, grows=True),
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
    return one_line(row.item.id, 200) if row.item else ""


def _text(row: ItemRow) -> Cell:
    return one_line(row.item.question, 300) if row.item else ""
