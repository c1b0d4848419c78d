"""A table that draws only visible rows, so that 10,000 rows scroll as fast as ten.

Textual's own DataTable lays out every row (2.2 s for 10,000). Here a row is an object, a column
says how to show it, and nothing is kept but the lines that were painted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from textual.message import Message

from sirt_tui.places import bindings
from sirt_tui.widgets.listing import Listing
from sirt_tui.widgets.painted_lines import HEADING, PaintedLines
from sirt_tui.widgets.table_lines import TICK, Head, Lines, Order, head_strip

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from textual import events
    from textual.binding import BindingType
    from textual.strip import Strip

    from sirt_tui.widgets.columns import Column

T = TypeVar("T")


class FromTable(Message):
    """A message with the table that it comes from."""

    def __init__(self, table: RowTable[Any]) -> None:
        super().__init__()
        self.table = table


class RowTable(PaintedLines, Generic[T]):
    """A table with a cursor, ticks and sorting; to filter, its owner shows other rows.

    ``key`` names a row, so that cursor and ticks stay with it when rows come and go. Any sequence
    will do: without an order only visible rows are asked for. A click moves the cursor; on the row
    under it, or twice, it opens; in the first ``tick_cells`` it ticks. ``grouping`` puts heads
    between the ordered rows, and may leave out the rows of folded ones.
    """

    DEFAULT_CSS = """
    RowTable { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; }
    RowTable > .row--header { text-style: bold; background: $panel; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row--header"}
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("table")]

    class Highlighted(FromTable):
        """The cursor moved to another row; ``key`` is None without rows."""

        def __init__(self, table: RowTable[Any], key: str | None) -> None:
            super().__init__(table)
            self.key = key

    class Selected(FromTable):
        """The person opened a row: by enter, a double click, or a click under the cursor.
        ``row``: the one under the cursor then, which may have moved on since."""

        def __init__(self, table: RowTable[Any], key: str, row: Any) -> None:
            super().__init__(table)
            self.key = key
            self.row = row

    class Folded(FromTable):
        """The person folded a group, or unfolded it; ``key``: its head's."""

        def __init__(self, table: RowTable[Any], key: str) -> None:
            super().__init__(table)
            self.key = key

    class Changed(FromTable):
        """The ticks, the order or the room changed."""

    sign = TICK  # of ticked rows
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
        self._list = Listing(key)
        self._announced: str | None = None
        self.ticked: set[str] = set()
        self.sorted_by = Order()
        self.grouping: Callable[[Sequence[T]], Sequence[T | Head]] | None = None

    # --- rows ---

    @property
    def row(self) -> T | None:
        """The row under the cursor; None on a group's head."""
        return self._list.row

    @property
    def head(self) -> Head | None:
        """The group's head under the cursor."""
        return self._list.head

    @property
    def rows(self) -> Sequence[T]:
        """All rows, in the table's order, those of folded groups too."""
        return self._list.rows

    def show(self, rows: Sequence[T]) -> None:
        """Show these rows. The cursor stays on its row, at the same height, if it still exists;
        only lines that have changed are painted."""
        count, self._given = self.count, rows
        moved = self._list.show(self.sorted_by.of(rows, self._look.columns), self.grouping)
        if self.count == count and not moved:
            self.redraw()
        else:
            self.repaint_all()
            self.take_room()
            if moved and self.scroll_offset.y:
                self.scroll_to(y=self.scroll_offset.y + moved, animate=False, immediate=True)
            self.reveal(self._list.cursor)
        self._announce()

    def set_columns(self, columns: Sequence[Column[T]]) -> None:
        if (look := Lines(columns)).layout != self._look.layout:
            self._look = look
            self.repaint_all()

    def move_to(self, key: str) -> None:
        """Put the cursor on the row with this key, if there is one."""
        if (found := self._list.find(key)) is not None:
            self._put(found)

    def untick(self) -> None:
        self.ticked.clear()
        self.repaint_all()

    # --- order ---

    def sort(self, key: str, descending: bool) -> None:
        """Sort by a column; the cursor stays on its row."""
        self.sorted_by = Order(key, descending)
        self.repaint_all()
        self.show(self._given)
        self.reveal(self._list.cursor)
        self.tell(self.Changed(self))

    def sort_next(self, step: int = 1) -> None:
        """Sort by the next shown column that allows it, from its natural end."""
        columns = [column for column, _ in self._look.shown(self.size.width) if column.sort]
        if columns:
            at = next((n for n, c in enumerate(columns) if c.key == self.sorted_by.key), -step)
            column = columns[(at + step) % len(columns)]
            self.sort(column.key, column.best_high)

    @property
    def orders(self) -> dict[str, str]:
        """The keys and titles of columns that can be sorted by."""
        return self._look.orders

    @property
    def without_room(self) -> list[str]:
        """The titles of the columns that don't fit."""
        return self._look.without_room(self.size.width)

    @property
    def hidden_order(self) -> str:
        """The sort order, if its column does not fit."""
        return self._look.hidden(self.sorted_by, self.size.width)

    # --- keys and mouse ---

    def action_move(self, step: int) -> None:
        self._put(self._list.cursor + step)

    def action_page(self, step: int) -> None:
        self._put(self._list.cursor + step * max(1, self.size.height - HEADING - 1))

    def action_end(self, which: int) -> None:
        self._put(which * (self.count - 1))

    def action_tick(self) -> None:
        if self.head is not None:
            self.tell(self.Folded(self, self.head.key))
        elif self.row is not None:
            self.tick()
            self._put(self._list.cursor + 1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return self._ticks if action == "tick" else super().check_action(action, parameters)

    def tick_all(self) -> None:
        """Tick all rows; if all are ticked, untick them."""
        keys = {self._key(row) for row in self.rows}
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
        elif 0 <= at < self.count:
            self._click_row(at, event)

    def _click_row(self, at: int, event: events.Click) -> None:
        """Handle a click; the second one of a double click must not open a row twice."""
        opens = at == (self._list.cursor if event.chain == 1 else self._clicked)
        self._put(at)
        self._clicked = -1 if opens else at
        if self.head is None and self._ticks and event.x < self.tick_cells:
            self.tick()
        elif opens or self.head is not None:
            self.action_select()

    def _click_header(self, x: int) -> None:
        """Sort by that column; a second click reverses the order."""
        column = self._look.at(x, self.size.width)
        if column is not None and column.sort:
            key, descending = self.sorted_by
            self.sort(column.key, not descending if key == column.key else column.best_high)

    def on_resize(self) -> None:
        self.reveal(self._list.cursor)
        self.tell(self.Changed(self))

    def _put(self, at: int) -> None:
        before = self._list.cursor
        self._list.put(at)
        if self.reveal(self._list.cursor):
            self.repaint_all()
        else:
            self.repaint(before, self._list.cursor)
        self._announce()

    def _announce(self) -> None:
        key = self._list.key
        if key != self._announced:
            self._announced = key
            self.tell(self.Highlighted(self, None if self.row is None else key))

    # --- drawing ---

    @property
    def count(self) -> int:
        return len(self._list.lines)

    def heading(self) -> Strip:
        style = self.get_component_rich_style("row--header")
        return self._look.heading(self.sorted_by, self.size.width, style)

    def line(self, at: int) -> Strip:
        line, style, plain = self._list.lines[at], self.rich_style, False
        if at == self._list.cursor:
            style, plain = self.cursor_style, self.has_focus
        if isinstance(line, Head):
            room = self.scrollable_content_region.width
            strip = head_strip(line, room, style, plain)
            return strip.adjust_cell_length(self.size.width, style)
        sign = self.sign if self._key(line) in self.ticked else ""
        return self._look.row(line, self.size.width, style, sign, plain)
