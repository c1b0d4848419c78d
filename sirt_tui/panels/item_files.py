"""The bar of a run's files of items, and the counts of items and marks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from rich.text import Text
from textual.widgets import Static

from engine.schema.sanitize import one_line
from sirt_tui.format import count
from sirt_tui.widgets.tabs import tabs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.queries.items import Source
    from engine.store.item_notes import Marks
    from sirt_tui.shell import Shell


@dataclass(frozen=True, slots=True)
class SourcesView:
    """The files of items; ``chosen``: the number of the one that is shown."""

    sources: Sequence[Source]
    chosen: int


class SourceBar(Static):
    """Shows the files in one line, scrolled so that the chosen one is visible."""

    DEFAULT_CSS = "SourceBar { height: 1; padding: 0 1; }"

    def show(self, of: SourcesView) -> None:
        names, chosen = [one_line(_name(source), 40) for source in of.sources], of.chosen
        first = 0
        while first < chosen and sum(len(n) + 2 for n in names[first : chosen + 1]) > self._room():
            first += 1
        text = Text()
        keys = f"{cast('Shell', self.app).key('next_tab')} next file  "
        text.append(keys if len(names) > 1 else "", "dim")
        text.append("‹" if first else "", "dim")
        self.update(text.append_text(tabs(names, chosen, "screen.source_at", first)))

    def _room(self) -> int:
        return max(20, self.size.width - 16)


def _name(source: Source) -> str:
    return source.title if source.what == "predictions" else source.what


def items_text(source: Source, shown: int, total: int, filtered: bool) -> Text:
    """Write the number of items, as ``13 of 24 pairs  of wren-1m``."""
    text = Text()
    text.append(f"{count(shown)} of " if filtered else "")
    text.append(f"{count(total)} {source.what}")
    text.append(f"  {one_line(source.title, 60)}", "dim")
    return text


def also_right_text(source: Source) -> Text:
    """Write in how many pairs the rejected answer is right too."""
    which = f"{source.also_right} rejected" if source.also_right else ""
    said = f"  {which} right too: such pairs teach little but style" if which else ""
    return Text(said, "yellow")


def marks_text(marks: Marks, rows: int) -> Text:
    """Write how many items are flagged and left out, and how many rows are ticked."""
    text = Text()
    flagged = sum(mark.flagged for mark in marks.values())
    left_out = sum(mark.excluded for mark in marks.values())
    text.append(f"  {flagged} flagged" if flagged else "", "bold yellow")
    text.append(f"  {left_out} left out" if left_out else "", "bold red")
    text.append(f"  ● {rows} ticked" if rows else "", "bold")
    return text
