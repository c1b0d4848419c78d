"""A table that renders its visible rows only: ten thousand scroll like ten.

Textual's own DataTable lays out every row (2.2 s for 10,000). Here a row is an object, a column
says how to show it, and nothing is kept but the lines that were painted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from rich.segment import Segment
from rich.style import Style
from rich.text import Text
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events

T = TypeVar("T")
HEADER = 1
MARK = "● "
GAP = 2


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """``width`` in cells; ``grows``: takes the room that is left. Of columns that don't fit,
    those with the highest ``rank`` go first."""

    key: str
    title: str
    width: int
    cell: Callable[[T], Text]
    rank: int = 0
    justify: Literal["left", "right"] = "left"
    grows: bool = False


class RowTable(ScrollView, Generic[T], can_focus=True):
    """Rows, a cursor, marks. Sorting and filtering are the owner's."""

    DEFAULT_CSS = """
    RowTable { height: 1fr; overflow-x: hidden; }
    RowTable > .row--header { text-style: bold; background: $panel; }
    RowTable > .row--cursor { background: $surface-lighten-1; }
    RowTable:focus > .row--cursor { background: $primary; color: $text; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row--header", "row--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("home,g", "end(0)", "First", show=False),
        Binding("end,G", "end(1)", "Last", show=False),
        Binding("space", "mark", "Mark", show=False),
        Binding("enter", "select", "Open", show=False),
    ]

    class Highlighted(Message):
        """The cursor is on another row; ``key`` is None when there is none."""

        def __init__(self, table: RowTable[Any], key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

    class Selected(Message):
        """Enter or a second click on a row."""

        def __init__(self, table: RowTable[Any], key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

    def __init__(
        self, columns: Sequence[Column[T]], key: Callable[[T], str], id: str | None = None
    ) -> None:
        super().__init__(id=id)
        self._columns = tuple(columns)
        self._key = key
        self._rows: Sequence[T] = ()
        self._cursor = 0
        self._announced: str | None = None
        self.marked: set[str] = set()
        self.sorted_by: tuple[str, bool] = ("", False)
        self._layout: list[tuple[Column[T], int]] = []

    # --- rows ---

    @property
    def row(self) -> T | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def rows(self) -> Sequence[T]:
        return self._rows

    def show(self, rows: Sequence[T]) -> None:
        """Show these; the cursor stays on its row when it is still there."""
        kept = self._key(self.row) if self.row is not None else None
        self._rows = rows
        if kept is not None:
            at = self._cursor
            same = at < len(rows) and self._key(rows[at]) == kept
            found = (
                at if same else next((n for n, r in enumerate(rows) if self._key(r) == kept), at)
            )
            self._cursor = found
        self._cursor = min(self._cursor, max(0, len(rows) - 1))
        self.virtual_size = Size(self.size.width, len(rows) + HEADER)
        self._reveal()
        self._announce()
        self.refresh()

    def move_to(self, key: str) -> None:
        """Put the cursor on the row of that key, when there is one."""
        found = next((n for n, row in enumerate(self._rows) if self._key(row) == key), None)
        if found is not None:
            self._put(found)

    # --- keys and mouse ---

    def action_move(self, step: int) -> None:
        self._put(self._cursor + step)

    def action_page(self, step: int) -> None:
        self._put(self._cursor + step * max(1, self.size.height - HEADER - 1))

    def action_end(self, which: int) -> None:
        self._put(which * (len(self._rows) - 1))

    def action_mark(self) -> None:
        if self.row is not None:
            self.marked ^= {self._key(self.row)}
            self.refresh()
            self._put(self._cursor + 1)

    def action_select(self) -> None:
        if self.row is not None:
            self.post_message(self.Selected(self, self._key(self.row)))

    def on_click(self, event: events.Click) -> None:
        at = event.y + self.scroll_offset.y - HEADER
        if event.y >= HEADER and 0 <= at < len(self._rows):
            again = at == self._cursor
            self._put(at)
            if again:
                self.action_select()

    def on_resize(self, event: events.Resize) -> None:
        self._layout = []
        self.virtual_size = Size(event.size.width, len(self._rows) + HEADER)
        self._reveal()

    def _put(self, at: int) -> None:
        before = self._cursor
        self._cursor = min(max(at, 0), max(0, len(self._rows) - 1))
        top = self.scroll_offset.y
        self._reveal()
        if self.scroll_offset.y == top:
            for changed in (before, self._cursor):
                self.refresh(Region(0, changed + HEADER - top, self.size.width, 1))
        self._announce()

    def _reveal(self) -> None:
        room = max(1, self.size.height - HEADER)
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, immediate=True)
        elif self._cursor >= top + room:
            self.scroll_to(y=self._cursor - room + 1, animate=False, immediate=True)

    def _announce(self) -> None:
        key = self._key(self.row) if self.row is not None else None
        if key != self._announced:
            self._announced = key
            self.post_message(self.Highlighted(self, key))

    # --- drawing ---

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if not self._layout:
            self._layout = self._fit(width)
        if y == 0:
            return self._header(width)
        at = y + self.scroll_offset.y - HEADER
        if at >= len(self._rows):
            return Strip.blank(width, self.rich_style)
        row = self._rows[at]
        text = Text(MARK if self._key(row) in self.marked else " " * len(MARK), "bold")
        for column, room in self._layout:
            text.append_text(_fitted(column.cell(row), room, column.justify))
            text.append(" " * GAP)
        style = self.rich_style
        if at == self._cursor:
            style += self.get_component_rich_style("row--cursor")
        return self._strip(text, width, style)

    def _header(self, width: int) -> Strip:
        text = Text(" " * len(MARK))
        key, descending = self.sorted_by
        for column, room in self._layout:
            arrow = " ▾▴"[0 if column.key != key else 1 if descending else 2].strip()
            text.append_text(_fitted(Text(column.title + arrow), room, column.justify))
            text.append(" " * GAP)
        return self._strip(text, width, self.get_component_rich_style("row--header"))

    def _strip(self, text: Text, width: int, style: Style) -> Strip:
        segments = [
            Segment(part.text, style + (part.style or Style.null()))
            for part in text.render(self.app.console)
            if part.text
        ]
        return Strip(segments).adjust_cell_length(width, style)

    def _fit(self, width: int) -> list[tuple[Column[T], int]]:
        """Columns that fit and their widths; one grows into what is left."""
        shown = list(self._columns)
        room = width - len(MARK)
        while len(shown) > 1 and sum(c.width + GAP for c in shown) > room:
            shown.remove(max(shown, key=lambda c: c.rank))
        spare = room - sum(c.width + GAP for c in shown)
        growing = next((c for c in shown if c.grows), None)
        return [(c, c.width + max(0, spare) if c is growing else c.width) for c in shown]


def _fitted(cell: Text, width: int, justify: Literal["left", "right"]) -> Text:
    """A copy of exactly that many cells."""
    text = cell.copy()
    text.truncate(width, overflow="ellipsis")
    missing = width - text.cell_len
    if missing > 0:
        text = Text(" " * missing) + text if justify == "right" else text + Text(" " * missing)
    return text
