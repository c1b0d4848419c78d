"""Draw the lines of a table: a heading, and a line per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from sirt_tui.widgets.columns import fit, fitted, pieces
from sirt_tui.widgets.names import middle_cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from sirt_tui.widgets.columns import Column

T = TypeVar("T")
TICK = "● "
LEAST = 16  # cells of a group's title
ROOMY = 100  # from so many cells on, two of them lie between columns


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a group of rows: a line of its own over all columns. ``title`` is cut in its
    middle where it and the ``text`` don't fit; ``depth``: how many groups it is within."""

    key: str
    title: str
    text: Text
    folded: bool = False
    depth: int = 0


def head_strip(head: Head, width: int, style: Style, plain: bool) -> Strip:
    """Draw a group's head; ``plain``: without its colours."""
    mark = "▸ " if head.folded else "▾ "
    room = max(0, width - 2 * head.depth - len(mark))
    title = middle_cut(head.title, max(LEAST, room - head.text.cell_len - 2))
    segments = [Segment(f"{'  ' * head.depth}{mark}{title}  ", style + Style(bold=True))]
    for text, name in pieces(head.text, max(0, room - cell_len(title) - 2), "left"):
        own = Style.null() if plain else Style.parse(name)
        segments.append(Segment(text, style + own))
    return Strip(segments).adjust_cell_length(width, style)


class Order(NamedTuple):
    """The column to sort rows by, and the direction."""

    key: str = ""
    descending: bool = False

    @property
    def arrow(self) -> str:
        return "▾" if self.descending else "▴"

    @property
    def reversed(self) -> Order:
        return Order(self.key, not self.descending)

    def of(self, rows: Sequence[T], columns: Sequence[Column[T]]) -> Sequence[T]:
        """Sort the rows; those without a value come last."""
        value = next((column.sort for column in columns if column.key == self.key), None)
        if value is None:
            return rows
        values = [(value(row), row) for row in rows]
        known = [pair for pair in values if pair[0] is not None]
        known.sort(key=lambda pair: pair[0], reverse=self.descending)
        return [row for _, row in known] + [row for value_, row in values if value_ is None]


class Lines(Generic[T]):
    """Draws rows in columns that fit a width."""

    def __init__(self, columns: Sequence[Column[T]]) -> None:
        self.columns = tuple(columns)
        self._width = 0
        self._gap = 1
        self._shown: list[tuple[Column[T], int]] = []

    def shown(self, width: int) -> list[tuple[Column[T], int]]:
        """Return the columns that fit, and the width of each in cells."""
        if width != self._width:
            self._width = width
            self._gap = 2 if width >= ROOMY else 1
            self._shown = fit(self.columns, width - len(TICK), self._gap)
        return self._shown

    @property
    def layout(self) -> list[tuple[object, ...]]:
        """What of the columns decides how lines are laid out."""
        return [(c.title, c.rank, c.narrow, c.width) for c in self.columns]

    def without_room(self, width: int) -> list[str]:
        """Return the titles of the columns that don't fit."""
        fitting = {column.key for column, _ in self.shown(width)}
        return [c.title for c in self.columns if c.key not in fitting and width]

    @property
    def orders(self) -> dict[str, str]:
        """The keys and titles of columns that can be sorted by."""
        return {column.key: column.title for column in self.columns if column.sort}

    def hidden(self, order: Order, width: int) -> str:
        """Return the order in words if its column does not fit, else an empty text."""
        shown = {column.key for column, _ in self.shown(width)}
        if order.key not in self.orders or order.key in shown or not width:
            return ""
        return f"{self.orders[order.key]} {order.arrow}"

    def at(self, x: int, width: int) -> Column[T] | None:
        """Return the column at this cell."""
        left = len(TICK)
        for column, room in self.shown(width):
            if left <= x < left + room + self._gap:
                return column
            left += room + self._gap
        return None

    def row(self, row: T, width: int, style: Style, sign: str, plain: bool) -> Strip:
        """Draw a row after its ``sign``; ``plain``: without the cells' colours, which the cursor
        makes unreadable."""
        segments = [Segment(f"{sign:<{len(TICK)}}", style)]
        for column, room in self.shown(width):
            for text, name in pieces(column.cell_in(row, room), room, column.justify):
                own = Style.null() if plain and "reverse" not in name else Style.parse(name)
                segments.append(Segment(text, style + own))
            segments.append(Segment(" " * self._gap, style))
        return Strip(segments).adjust_cell_length(width, style)

    def heading(self, order: Order, width: int, style: Style) -> Strip:
        segments = [Segment(" " * len(TICK), style)]
        for column, room in self.shown(width):
            arrow = order.arrow if column.key == order.key else ""
            title = column.title[: room - len(arrow)] + arrow
            segments.append(Segment(fitted(title, room, column.justify), style))
            segments.append(Segment(" " * self._gap, style))
        return Strip(segments).adjust_cell_length(width, style)
