"""A table of texts whose headers and first columns stay in place while the rest scrolls."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.scrollbar import ScrollBarRender
from textual.strip import Strip

from sirt_tui.widgets.columns import pieces
from sirt_tui.widgets.names import middle_cut
from sirt_tui.widgets.painted_lines import PaintedLines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.scrollbar import ScrollBar

GAP = 2
FROZEN = 32  # cells of a frozen column at most: the others must have room


class Cells(NamedTuple):
    """The texts of a table, of which some may have several lines; the first ``frozen`` columns
    stay in place."""

    headers: Sequence[Text]
    rows: Sequence[Sequence[Text]]
    frozen: int = 1


class Line(NamedTuple):
    """A line of a table: its cells with the widths of its table's columns."""

    texts: Sequence[Text]
    widths: Sequence[int]
    frozen: int
    bold: bool = False


class WholeCells(ScrollBarRender):
    """A bar without the parts of cells that look like stray marks where colours are few."""

    HORIZONTAL_BARS: ClassVar[list[str]] = [" "] * 8


class FrozenTable(PaintedLines):
    """Shows tables and texts below each other; arrows and the mouse's wheel scroll them. The
    headers of the first one stay in place."""

    DEFAULT_CSS = "FrozenTable { height: 1fr; scrollbar-size: 1 1; }"

    def __init__(self, id: str | None = None, text: Text | None = None) -> None:
        super().__init__(id=id)
        self._head = Line((), (), 0)
        self._body: list[Line] = []
        if text is not None:
            self.put(text)

    @property
    def horizontal_scrollbar(self) -> ScrollBar:
        bar = super().horizontal_scrollbar
        bar.renderer = WholeCells  # type: ignore[misc]  # as Textual documents it
        return bar

    def put(self, *content: Cells | Text) -> None:
        """Show these in place of what was shown."""
        lines = [line for part in content for line in _drawn(part)]
        first = bool(lines) and lines[0].bold
        self._head = lines[0] if first else Line((), (), 0)
        self._body = lines[1:] if first else lines
        self.take_room()
        self.repaint_all()

    @property
    def longest(self) -> int:
        lines = (self._head, *self._body)
        return max(sum(line.widths) + GAP * len(line.widths) for line in lines)

    def watch_scroll_x(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_x(old_value, new_value)
        self.repaint_all()

    @property
    def count(self) -> int:
        return len(self._body)

    def heading(self) -> Strip:
        return self._strip(self._head)

    def line(self, at: int) -> Strip:
        return self._strip(self._body[at])

    def _strip(self, line: Line) -> Strip:
        room = self.scrollable_content_region.width
        style = self.rich_style + Style(bold=True) if line.bold else self.rich_style
        cells = [_cell(*cell, style) for cell in zip(line.texts, line.widths, strict=True)]
        frozen = Strip.join(cells[: line.frozen])
        rest = Strip.join(cells[line.frozen :])
        left = self.scroll_offset.x
        whole = Strip.join([frozen, rest.crop(left, left + max(0, room - frozen.cell_length))])
        return whole.adjust_cell_length(self.size.width, self.rich_style)


def _drawn(content: Cells | Text) -> list[Line]:
    if isinstance(content, Text):
        texts = content.split("\n", allow_blank=True)
        return [Line((text,), (text.cell_len,), 0) for text in texts]
    frozen, count = content.frozen, len(content.headers)
    found = [line for row in content.rows for line in _lines(row, count, frozen)]
    widths = [
        max(text.cell_len for text in column)
        for column in zip(content.headers, *found, strict=True)
    ]
    head = Line(content.headers, widths, frozen, bold=True)
    return [head, *(Line(texts, widths, frozen) for texts in found)]


def _lines(row: Sequence[Text], count: int, frozen: int) -> list[list[Text]]:
    """The lines of a row, each with a text for every column."""
    parts = [
        [
            Text(middle_cut(part.plain, FROZEN), part.style) if at < frozen else part
            for part in split
        ]
        for at, split in enumerate(text.split("\n", allow_blank=True) for text in row)
    ]
    blank = [[Text()]] * (count - len(parts))
    return [list(line) for line in zip_longest(*parts, *blank, fillvalue=Text())]


def _cell(text: Text, width: int, style: Style) -> Strip:
    found = [Segment(part, style + Style.parse(name)) for part, name in pieces(text, width, "left")]
    return Strip([*found, Segment(" " * GAP, style)])
