"""A table of texts whose headers and first columns stay in place while the rest scrolls."""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.message import Message
from textual.strip import Strip

from sirt_tui.places import bindings
from sirt_tui.widgets.columns import pieces
from sirt_tui.widgets.names import middle_cut
from sirt_tui.widgets.painted_lines import HEADING, PaintedLines

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual import events
    from textual.binding import BindingType

GAP = 2
FROZEN = 32  # cells of a frozen column at most: the others must have room
LETTER = 3  # cells of a header that must be seen
SHARE = 2  # of the width that one may take at most: a half


class Cells(NamedTuple):
    """The texts of a table, of which some may have several lines; the first ``frozen`` columns
    stay in place. ``keys``: what each row is, where the cursor may go to it."""

    headers: Sequence[Text]
    rows: Sequence[Sequence[Text]]
    frozen: int = 1
    keys: Sequence[object] = ()


class Line(NamedTuple):
    """A line of a table: its cells with the widths of its table's columns, and its row's key."""

    texts: Sequence[Text]
    widths: Sequence[int]
    frozen: int
    bold: bool = False
    key: object = None


class FrozenTable(PaintedLines):
    """Shows tables and texts below each other. The headers of the first one stay in place.

    A column is shown whole or not at all; the heading says how many have no room, and arrows go to
    them. Up and down move the cursor from row to row where rows have keys, else they scroll.
    """

    DEFAULT_CSS = """
    FrozenTable { height: 1fr; overflow-x: hidden; scrollbar-size: 1 1; }
    FrozenTable > .table--more { color: $accent; text-style: bold; }
    FrozenTable:light > .table--more { color: $primary; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"table--more"}
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("compared table")]

    class Selected(Message):
        """The person clicked on the row that is under the cursor."""

    def __init__(self, id: str | None = None, text: Text | None = None) -> None:
        super().__init__(id=id)
        self._content: Sequence[Cells | Text] = (text,) if text is not None else ()
        self._head = Line((), (), 0)
        self._body: list[Line] = []
        self._left = 0  # how many columns are scrolled away
        self.key: Any = None  # of the row under the cursor

    def put(self, *content: Cells | Text) -> None:
        """Show these in place of what was shown; the cursor stays on its row."""
        self._content = content
        self._lay_out()

    def _lay_out(self) -> None:
        room = self.scrollable_content_region.width
        if not room:
            return
        most = min(FROZEN, room // SHARE - GAP)
        tables = [_drawn(part, most) for part in self._content if isinstance(part, Cells)]
        _align(tables)
        drawn = iter(tables)
        lines = [
            line
            for part in self._content
            for line in (next(drawn) if isinstance(part, Cells) else self._wrapped(part, room))
        ]
        first = bool(lines) and lines[0].bold
        self._head = lines[0] if first else Line((), (), 0)
        self._body = lines[1:] if first else lines
        keys = self._keys
        if self.key not in keys:
            self.key = keys[0] if keys else None
        self._left = min(self._left, self._furthest())
        self.take_room()
        self.repaint_all()

    def _wrapped(self, text: Text, room: int) -> Iterable[Line]:
        parts = text.split("\n", allow_blank=True)
        texts = [line for part in parts for line in part.wrap(self.app.console, room) or [Text()]]
        return [Line((line,), (line.cell_len,), 0) for line in texts]

    def on_resize(self) -> None:
        self._lay_out()

    def watch_show_vertical_scrollbar(self) -> None:
        self.call_after_refresh(self._lay_out)  # there is a cell more, or less

    # --- rows ---

    @property
    def _keys(self) -> list[object]:
        return list(dict.fromkeys(line.key for line in self._body if line.key is not None))

    def action_move(self, step: int) -> None:
        """Go to the next row; beyond the last one, and where no row has a key, scroll."""
        keys = self._keys
        at = keys.index(self.key) + step if self.key in keys else -1
        if 0 <= at < len(keys):
            self._go(keys[at])
        else:
            self.scroll_relative(y=step, animate=False, immediate=True)

    def action_end(self, which: int) -> None:
        if keys := self._keys:
            self._go(keys[-which])
        self.scroll_to(y=which * self.max_scroll_y, animate=False, immediate=True)

    def _go(self, key: object) -> None:
        self.key = key
        mine = [at for at, line in enumerate(self._body) if line.key == key]
        self.reveal(mine[-1])
        self.reveal(mine[0])
        self.repaint_all()

    def on_click(self, event: events.Click) -> None:
        at = event.y + self.scroll_offset.y - HEADING
        key = self._body[at].key if event.y >= HEADING and at < self.count else None
        if key is not None and key == self.key:
            self.tell(self.Selected())
        elif key is not None:
            self._go(key)

    # --- columns ---

    def action_column(self, step: int) -> None:
        """Show the next column, or the one before."""
        self._left = min(max(0, self._left + step), self._furthest())
        self.repaint_all()

    def on_mouse_scroll_right(self) -> None:
        self.action_column(1)

    def on_mouse_scroll_left(self) -> None:
        self.action_column(-1)

    def _furthest(self) -> int:
        """Return how many columns must be scrolled away for the last one to be shown."""
        count = len(self._head.widths) - self._head.frozen
        return next((n for n in range(count) if not self._beyond(n)), 0)

    def _beyond(self, left: int) -> int:
        """Return how many columns have no room where ``left`` are scrolled away."""
        widths = self._head.widths[self._head.frozen + left :]
        return len(widths) - _fitting(widths, self._room(self._head), left)

    def _room(self, line: Line) -> int:
        taken = sum(width + GAP for width in line.widths[: line.frozen])
        return self.scrollable_content_region.width - taken

    # --- drawing ---

    @property
    def count(self) -> int:
        return len(self._body)

    def heading(self) -> Strip:
        more = _told(self._left, self._beyond(self._left))
        strip = self._strip(self._head)
        if not more:
            return strip
        room = self.scrollable_content_region.width - len(more)
        style = self.rich_style + self.get_component_rich_style("table--more")
        if strip.crop(room).text.strip():  # a header is cut
            room, more = room - 1, f"…{more}"
        return Strip.join([strip.crop(0, room), Strip([Segment(more, style)])])

    def line(self, at: int) -> Strip:
        return self._strip(self._body[at])

    def _strip(self, line: Line) -> Strip:
        style, plain = self.rich_style, False
        if line.key is not None and line.key == self.key:
            style, plain = self.cursor_style, self.has_focus
        elif line.bold:
            style += Style(bold=True)
        cells = list(zip(line.texts, line.widths, strict=True))
        shown, rest = cells[: line.frozen], cells[line.frozen :]
        rest = rest[self._left :] if line.frozen else rest
        room = self._room(line)
        shown += [
            (text, min(width, room - GAP) if line.frozen else width)
            for text, width in rest[: _fitting([width for _, width in rest], room, self._left)]
        ]
        strips = [_cell(text, width, style, plain) for text, width in shown]
        return Strip.join(strips).adjust_cell_length(self.size.width, style)


def _told(left: int, right: int) -> str:
    """Say how many columns are scrolled away, and how many more there are."""
    return (f"  ← {left}" if left else "") + (f"  {right} more →" if right else "")


def _fitting(widths: Sequence[int], room: int, left: int, told: bool = False) -> int:
    """Return how many of the columns fit; the first one is shown, if only in part. ``left``: how
    many are scrolled away. ``told``: whether the heading says that there are more, which must leave
    a part of each header."""
    start, seen = 0, room - len(_told(left, len(widths) * told)) - LETTER
    for n, width in enumerate(widths):
        if n and (start + width > room or start > seen):
            return n if told else _fitting(widths, room, left, told=True)
        start += width + GAP
    return len(widths)


def _drawn(content: Cells, most: int) -> list[Line]:
    """Make a table's lines, first its headers; ``most``: the cells of a frozen column at most."""
    frozen, count = content.frozen, len(content.headers)
    keys = content.keys or [None] * len(content.rows)
    found = [
        (texts, key)
        for row, key in zip(content.rows, keys, strict=True)
        for texts in _lines(row, count, frozen, most)
    ]
    every = [content.headers, *(texts for texts, _ in found)]
    widths = [max(text.cell_len for text in column) for column in zip(*every, strict=True)]
    head = Line(content.headers, widths, frozen, bold=True)
    return [head, *(Line(texts, widths, frozen, key=key) for texts, key in found)]


def _align(tables: Sequence[list[Line]]) -> None:
    """Give tables of as many columns the same widths: they are scrolled together."""
    for table in tables:
        same = [t[0] for t in tables if len(t[0].widths) == len(table[0].widths)]
        widths = [max(column) for column in zip(*(line.widths for line in same), strict=True)]
        table[:] = [line._replace(widths=widths) for line in table]


def _lines(row: Sequence[Text], count: int, frozen: int, most: int) -> list[list[Text]]:
    """The lines of a row, each with a text for every column."""
    parts = [
        [Text(middle_cut(part.plain, most), part.style) if at < frozen else part for part in split]
        for at, split in enumerate(text.split("\n", allow_blank=True) for text in row)
    ]
    blank = [[Text()]] * (count - len(parts))
    return [list(line) for line in zip_longest(*parts, *blank, fillvalue=Text())]


def _cell(text: Text, width: int, style: Style, plain: bool) -> Strip:
    """Draw a text in its width; ``plain``: without its colours, which a cursor makes unreadable."""
    found = [
        Segment(part, style if plain else style + Style.parse(name))
        for part, name in pieces(text, width, "left")
    ]
    return Strip([*found, Segment(" " * GAP, style)])
