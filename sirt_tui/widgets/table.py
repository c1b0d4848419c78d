"""A table that draws only visible rows, so that 10,000 rows scroll as fast as ten.

Textual's own DataTable lays out every row (2.2 s for 10,000). Here a row is an object, a column
says how to show it, and nothing is kept but the lines that were painted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual.message import Message

from sirt_tui.places import bindings
from sirt_tui.widgets.painted_lines import HEADING, PaintedLines
from sirt_tui.widgets.table_lines import TICK, Head, Lines, Order, head_strip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.binding import BindingType
    from textual.strip import Strip

    from sirt_tui.widgets.columns import Column

T = TypeVar("T")


class RowTable(PaintedLines, Generic[T]):
    """A table with a cursor, ticks and sorting; to filter, its owner shows other rows.

    ``key`` names a row, so that cursor and ticks stay with it when rows come and go. Any sequence
    will do: without an order only visible rows are asked for. A click moves the cursor; on the row
    under it, or twice, it opens; in the first ``tick_cells`` it ticks.

    ``grouping`` puts heads between the ordered rows, and may leave out the rows of folded ones.
    """

    DEFAULT_CSS = """
    RowTable { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    RowTable > .row--header { text-style: bold; background: $panel; }
    RowTable > .row--cursor { background: $surface-lighten-1; }
    RowTable:focus > .row--cursor { background: $primary; color: $text; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row--header", "row--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("table")]

    class Highlighted(Message):
        """The cursor moved to another row; ``key`` is None without rows."""

        def __init__(self, table: RowTable[Any], key: str | None) -> None:
            super().__init__()
            self.table = table
            self.key = key

    class Selected(Message):
        """The person opened a row: by enter, a double click, or a click under the cursor.
        ``row``: the one under the cursor then, which may have moved on since."""

        def __init__(self, table: RowTable[Any], key: str, row: Any) -> None:
            super().__init__()
            self.table = table
            self.key = key
            self.row = row

    class Folded(Message):
        """The person folded a group, or unfolded it; ``key``: its head's."""

        def __init__(self, table: RowTable[Any], key: str) -> None:
            super().__init__()
            self.table = table
            self.key = key

    class Changed(Message):
        """The ticks or the order changed."""

        def __init__(self, table: RowTable[Any]) -> None:
            super().__init__()
            self.table = table

    tick_cells = len(TICK)

    def __init__(
        self,
        columns: Sequence[Column[T]],
        key: Callable[[T], str],
        id: str | None = None,
        ticks: bool = True,
    ) -> None:
        super().__init__(id=id)
        self._ticks = ticks
        self._clicked = -1  # the row to open when the same click comes again
        self._look = Lines(columns)
        self._key = key
        self._given: Sequence[T] = ()
        self._rows: Sequence[T] = ()
        self._lines: Sequence[T | Head] = ()
        self._cursor = 0
        self._announced: str | None = None
        self.ticked: set[str] = set()
        self.sorted_by = Order()
        self.grouping: Callable[[Sequence[T]], Sequence[T | Head]] | None = None

    # --- rows ---

    @property
    def row(self) -> T | None:
        """The row under the cursor; None on a group's head."""
        line = self._under
        return None if isinstance(line, Head) else line

    @property
    def head(self) -> Head | None:
        """The group's head under the cursor."""
        line = self._under
        return line if isinstance(line, Head) else None

    @property
    def _under(self) -> T | Head | None:
        return self._lines[self._cursor] if self._lines else None

    def _key_of(self, line: T | Head | None) -> str | None:
        if line is None:
            return None
        return line.key if isinstance(line, Head) else self._key(line)

    @property
    def rows(self) -> Sequence[T]:
        """All rows, in the table's order, those of folded groups too."""
        return self._rows

    def show(self, rows: Sequence[T]) -> None:
        """Show these rows. The cursor stays on its row, at the same height, if it still exists;
        only lines that have changed are painted."""
        kept = self._key_of(self._under)
        before, count = self._cursor, len(self._lines)
        self._given = rows
        self._rows = self.sorted_by.of(rows, self._look.columns)
        self._lines = self.grouping(self._rows) if self.grouping else self._rows
        self._cursor = self._where(kept)
        moved = self._cursor - before
        if len(self._lines) == count and not moved:
            self.redraw()
        else:
            self.repaint_all()
            self.take_room(self.size.width)
            if moved and self.scroll_offset.y:
                self.scroll_to(y=self.scroll_offset.y + moved, animate=False, immediate=True)
            self.reveal(self._cursor)
        self._announce()

    def set_columns(self, columns: Sequence[Column[T]]) -> None:
        if [(c.title, c.rank, c.narrow) for c in columns] != [
            (c.title, c.rank, c.narrow) for c in self._look.columns
        ]:
            self._look = Lines(columns)
            self.repaint_all()

    def move_to(self, key: str) -> None:
        """Put the cursor on the row with this key, if there is one."""
        lines = enumerate(self._lines)
        found = next((n for n, line in lines if self._key_of(line) == key), None)
        if found is not None:
            self._put(found)

    def untick(self) -> None:
        self.ticked.clear()
        self.repaint_all()

    def _where(self, kept: str | None) -> int:
        """Return the place of the row with that key, or else the place nearest to the cursor's."""
        lines, at = self._lines, self._cursor
        if kept is not None and not (at < len(lines) and self._key_of(lines[at]) == kept):
            at = next((n for n, line in enumerate(lines) if self._key_of(line) == kept), at)
        return min(at, max(0, len(lines) - 1))

    # --- order ---

    def sort(self, key: str, descending: bool) -> None:
        """Sort by a column; the cursor stays on its row."""
        self.sorted_by = Order(key, descending)
        self.repaint_all()
        self.show(self._given)
        self.reveal(self._cursor)
        self.tell(self.Changed(self))

    def sort_next(self, step: int = 1) -> None:
        """Sort by the next column that allows it."""
        keys, (key, descending) = list(self.orders), self.sorted_by
        at = keys.index(key) if key in keys else -step
        self.sort(keys[(at + step) % len(keys)], descending)

    @property
    def orders(self) -> dict[str, str]:
        """The keys and titles of columns that can be sorted by."""
        return {column.key: column.title for column in self._look.columns if column.sort}

    @property
    def without_room(self) -> list[str]:
        """The titles of the columns that don't fit."""
        fitting = {column.key for column, _ in self._look.shown(self.size.width)}
        return [c.title for c in self._look.columns if c.key not in fitting and self.size.width]

    @property
    def hidden_order(self) -> str:
        """The sort order, if its column does not fit."""
        order = self.sorted_by
        shown = {column.key for column, _ in self._look.shown(self.size.width)}
        if order.key not in self.orders or order.key in shown or not self.size.width:
            return ""
        return f"{self.orders[order.key]} {order.arrow}"

    # --- keys and mouse ---

    def action_move(self, step: int) -> None:
        self._put(self._cursor + step)

    def action_page(self, step: int) -> None:
        self._put(self._cursor + step * max(1, self.size.height - HEADING - 1))

    def action_end(self, which: int) -> None:
        self._put(which * (len(self._lines) - 1))

    def action_tick(self) -> None:
        if self.head is not None:
            self.tell(self.Folded(self, self.head.key))
        elif self.row is not None:
            self.tick()
            self._put(self._cursor + 1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._ticks if action == "tick" else super().check_action(action, parameters)

    def tick_all(self) -> None:
        """Tick all rows; if all are ticked, untick them."""
        keys = {self._key(row) for row in self._rows}
        self.ticked = self.ticked - keys if keys <= self.ticked else self.ticked | keys
        self.redraw()
        self.tell(self.Changed(self))

    def tick(self) -> None:
        """Tick or untick the row under the cursor."""
        if self.row is not None:
            self.ticked ^= {self._key(self.row)}
            self.redraw()
            self.tell(self.Changed(self))

    def action_select(self) -> None:
        if self.head is not None:
            self.tell(self.Folded(self, self.head.key))
        elif self.row is not None:
            self.tell(self.Selected(self, self._key(self.row), self.row))

    def on_click(self, event: events.Click) -> None:
        at = event.y + self.scroll_offset.y - HEADING
        if event.y < HEADING:
            self._click_header(event.x)
        elif 0 <= at < len(self._lines):
            self._click_row(at, event)

    def _click_row(self, at: int, event: events.Click) -> None:
        """Handle a click; the second one of a double click must not open a row twice."""
        opens = at == (self._cursor if event.chain == 1 else self._clicked)
        self._put(at)
        self._clicked = -1 if opens else at
        if self.head is not None:
            self.action_select()
        elif self._ticks and event.x < self.tick_cells:
            self.tick()
        elif opens:
            self.action_select()

    def _click_header(self, x: int) -> None:
        """Sort by that column; a second click reverses the order."""
        column = self._look.at(x, self.size.width)
        if column is not None and column.sort:
            key, descending = self.sorted_by
            self.sort(column.key, not descending if key == column.key else descending)

    def on_resize(self, event: events.Resize) -> None:
        super().on_resize(event)
        self.reveal(self._cursor)

    def _put(self, at: int) -> None:
        before = self._cursor
        self._cursor = min(max(at, 0), max(0, len(self._lines) - 1))
        if self.reveal(self._cursor):
            self.repaint_all()
        else:
            self.repaint(before, self._cursor)
        self._announce()

    def _announce(self) -> None:
        key = self._key_of(self._under)
        if key != self._announced:
            self._announced = key
            self.tell(self.Highlighted(self, None if self.row is None else key))

    # --- drawing ---

    @property
    def count(self) -> int:
        return len(self._lines)

    def heading(self) -> Strip:
        style = self.get_component_rich_style("row--header")
        return self._look.heading(self.sorted_by, self.size.width, style)

    def line(self, at: int) -> Strip:
        line, style, plain = self._lines[at], self.rich_style, False
        if at == self._cursor:
            style += self.get_component_rich_style("row--cursor")
            plain = self.has_focus
        if isinstance(line, Head):
            room = self.scrollable_content_region.width
            strip = head_strip(line, room, style, plain)
            return strip.adjust_cell_length(self.size.width, style)
        ticked = self._key(line) in self.ticked
        return self._look.row(line, self.size.width, style, ticked, plain)
