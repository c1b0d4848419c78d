"""A table that renders its visible rows only: ten thousand scroll like ten.

Textual's own DataTable lays out every row (2.2 s for 10,000). Here a row is an object, a column
says how to show it, and nothing is kept but the lines that were painted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from sirt_tui.widgets.columns import fit, fitted, pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events

    from sirt_tui.widgets.columns import Column

T = TypeVar("T")
HEADER = 1
MARK = "● "
ROOMY = 100  # from so many cells on, two of them lie between columns
LINES_KEPT = 500


class RowTable(ScrollView, Generic[T], can_focus=True):
    """Rows, a cursor, marks, an order. Filtering is the owner's: it shows other rows.

    ``key`` names a row, so that cursor and marks stay with it when rows come and go. Any sequence
    will do: without an order only visible rows are asked for. A click moves the cursor; on the row
    under it, or twice, it opens; on the marks, ``mark_cells`` wide, it ticks.
    """

    DEFAULT_CSS = """
    RowTable { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    RowTable > .row--header { text-style: bold; background: $panel; }
    RowTable > .row--cursor { background: $surface-lighten-1; }
    RowTable:focus > .row--cursor { background: $primary; color: $text; text-style: bold; }
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
        """Enter, a double click, or a click on the row under the cursor."""

        def __init__(self, table: RowTable[Any], key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

    class Changed(Message):
        """Other rows are marked, or the order is another."""

        def __init__(self, table: RowTable[Any]) -> None:
            super().__init__()
            self.table = table

    mark_cells = len(MARK)

    def __init__(
        self,
        columns: Sequence[Column[T]],
        key: Callable[[T], str],
        id: str | None = None,
        marks: bool = True,
    ) -> None:
        super().__init__(id=id)
        self._marks = marks
        self._clicked = -1  # the row to open when the same click comes again
        self._columns = tuple(columns)
        self._key = key
        self._given: Sequence[T] = ()
        self._rows: Sequence[T] = ()
        self._cursor = 0
        self._announced: str | None = None
        self.marked: set[str] = set()
        self.sorted_by: tuple[str, bool] = ("", False)
        self._layout: list[tuple[Column[T], int]] = []
        self._gap = 1
        self._lines: dict[tuple[int, bool], Strip] = {}

    # --- rows ---

    @property
    def row(self) -> T | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def rows(self) -> Sequence[T]:
        """In the order of the table."""
        return self._rows

    def show(self, rows: Sequence[T]) -> None:
        """Show these. The cursor stays on its row, at the same height, when it is still there;
        only lines that look different are painted."""
        kept = self._key(self.row) if self.row is not None else None
        before, count = self._cursor, len(self._rows)
        self._given = rows
        self._rows = self._ordered(rows)
        self._cursor = self._where(kept)
        moved = self._cursor - before
        if len(self._rows) == count and not moved:
            self.redraw()
        else:
            self._forget()
            self.virtual_size = Size(self.size.width, len(self._rows) + HEADER)
            if moved and self.scroll_offset.y:
                self.scroll_to(y=self.scroll_offset.y + moved, animate=False, immediate=True)
            self._reveal()
        self._announce()

    def set_columns(self, columns: Sequence[Column[T]]) -> None:
        self._columns = tuple(columns)
        self._layout = []
        self._forget()

    def redraw(self) -> None:
        """Paint the visible lines that look different now: ages go on, states change. Under another
        screen there are none; they are made when one comes back."""
        if not (self.is_attached and self.screen.is_current):
            self._lines.clear()
            return
        top, style = self.scroll_offset.y, self.rich_style
        for at in range(top, min(len(self._rows), top + self.size.height - HEADER)):
            line = (at, at == self._cursor)
            fresh = self._line(*line, style)
            if self._lines.get(line) != fresh:
                self._lines[line] = fresh
                self.refresh(Region(0, at + HEADER - top, self.size.width, 1))

    def move_to(self, key: str) -> None:
        """Put the cursor on the row of that key, when there is one."""
        found = next((n for n, row in enumerate(self._rows) if self._key(row) == key), None)
        if found is not None:
            self._put(found)

    def unmark(self) -> None:
        self.marked.clear()
        self._forget()

    def _where(self, kept: str | None) -> int:
        """The row of that key, else the nearest place to where the cursor was."""
        rows, at = self._rows, self._cursor
        if kept is not None and not (at < len(rows) and self._key(rows[at]) == kept):
            at = next((n for n, row in enumerate(rows) if self._key(row) == kept), at)
        return min(at, max(0, len(rows) - 1))

    # --- order ---

    def sort(self, key: str, descending: bool) -> None:
        """Order by a column; the cursor stays on its row."""
        self.sorted_by = (key, descending)
        self._forget()
        self.show(self._given)
        self._reveal()
        self.post_message(self.Changed(self))

    def sort_next(self, step: int = 1) -> None:
        """Order by the next column that can be sorted by."""
        keys = list(self.orders)
        key, descending = self.sorted_by
        at = keys.index(key) if key in keys else -step
        self.sort(keys[(at + step) % len(keys)], descending)

    @property
    def orders(self) -> dict[str, str]:
        """What it can be ordered by: columns' keys and titles."""
        return {column.key: column.title for column in self._columns if column.sort}

    @property
    def hidden_order(self) -> str:
        """The order, where its column does not fit."""
        key, descending = self.sorted_by
        shown = {column.key for column, _ in self._columns_shown()} if self.size.width else {key}
        if key not in self.orders or key in shown:
            return ""
        return f"{self.orders[key]} {_arrow(descending)}"

    def _ordered(self, rows: Sequence[T]) -> Sequence[T]:
        key, descending = self.sorted_by
        of = next((column.sort for column in self._columns if column.key == key), None)
        if of is None:
            return rows
        values = [(of(row), row) for row in rows]
        known = [pair for pair in values if pair[0] is not None]
        known.sort(key=lambda pair: pair[0], reverse=descending)
        unknown = [row for value, row in values if value is None]
        return [row for _, row in known] + unknown

    # --- keys and mouse ---

    def action_move(self, step: int) -> None:
        self._put(self._cursor + step)

    def action_page(self, step: int) -> None:
        self._put(self._cursor + step * max(1, self.size.height - HEADER - 1))

    def action_end(self, which: int) -> None:
        self._put(which * (len(self._rows) - 1))

    def action_mark(self) -> None:
        if self.row is not None:
            self.tick()
            self._put(self._cursor + 1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._marks if action == "mark" else super().check_action(action, parameters)

    def tick_all(self) -> None:
        """Mark all rows; when they all are, take their marks away."""
        keys = {self._key(row) for row in self._rows}
        self.marked = self.marked - keys if keys <= self.marked else self.marked | keys
        self.redraw()
        self.post_message(self.Changed(self))

    def tick(self) -> None:
        """Mark the row under the cursor, or take its mark away."""
        if self.row is not None:
            self.marked ^= {self._key(self.row)}
            self.redraw()
            self.post_message(self.Changed(self))

    def action_select(self) -> None:
        if self.row is not None:
            self.post_message(self.Selected(self, self._key(self.row)))

    def on_click(self, event: events.Click) -> None:
        at = event.y + self.scroll_offset.y - HEADER
        if event.y < HEADER:
            self._click_header(event.x)
        elif 0 <= at < len(self._rows):
            self._click_row(at, event)

    def _click_row(self, at: int, event: events.Click) -> None:
        """The second click of a double one opens only what the first has not opened, here."""
        opens = at == (self._cursor if event.chain == 1 else self._clicked)
        self._put(at)
        self._clicked = -1 if opens else at
        if self._marks and event.x < self.mark_cells:
            self.tick()
        elif opens:
            self.action_select()

    def _click_header(self, x: int) -> None:
        """Order by that column; again, the other way round."""
        left = len(MARK)
        for column, room in self._layout:
            if left <= x < left + room + self._gap and column.sort:
                key, descending = self.sorted_by
                self.sort(column.key, not descending if key == column.key else descending)
            left += room + self._gap

    def on_resize(self, event: events.Resize) -> None:
        self._layout = []
        self._forget()
        self.virtual_size = Size(event.size.width, len(self._rows) + HEADER)
        self._reveal()

    def on_focus(self) -> None:
        self._forget()

    def on_blur(self) -> None:
        self._forget()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._forget()

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

    def _forget(self) -> None:
        """All lines have to be painted again."""
        self._lines.clear()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y - HEADER
        if y == 0:
            return self._header()
        if at >= len(self._rows):
            return Strip.blank(self.size.width, self.rich_style)
        line = (at, at == self._cursor)
        if line not in self._lines:
            if len(self._lines) > LINES_KEPT:
                self._lines.clear()
            self._lines[line] = self._line(*line, self.rich_style)
        return self._lines[line]

    def _line(self, at: int, under_cursor: bool, style: Style) -> Strip:
        row = self._rows[at]
        if under_cursor:
            style += self.get_component_rich_style("row--cursor")
        segments = [Segment(MARK if self._key(row) in self.marked else " " * len(MARK), style)]
        plain = under_cursor and self.has_focus  # colours would not stand out from the cursor's
        for column, room in self._columns_shown():
            for text, name in pieces(column.cell(row), room, column.justify):
                own = Style.null() if plain and "reverse" not in name else Style.parse(name)
                segments.append(Segment(text, style + own))
            segments.append(Segment(" " * self._gap, style))
        return Strip(segments).adjust_cell_length(self.size.width, style)

    def _header(self) -> Strip:
        style = self.get_component_rich_style("row--header")
        key, descending = self.sorted_by
        segments = [Segment(" " * len(MARK), style)]
        for column, room in self._columns_shown():
            arrow = _arrow(descending) if column.key == key else ""
            title = column.title[: room - len(arrow)] + arrow
            segments.append(Segment(fitted(title, room, column.justify), style))
            segments.append(Segment(" " * self._gap, style))
        return Strip(segments).adjust_cell_length(self.size.width, style)

    def _columns_shown(self) -> list[tuple[Column[T], int]]:
        if not self._layout:
            self._gap = 2 if self.size.width >= ROOMY else 1
            self._layout = fit(self._columns, self.size.width - len(MARK), self._gap)
        return self._layout


def _arrow(descending: bool) -> str:
    return "▾" if descending else "▴"
