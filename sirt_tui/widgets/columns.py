"""A table's columns: what each shows of a row, and which of them fit."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from rich.cells import cell_len, set_cell_size
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")
Cell = str | tuple[str, str] | Text  # plain; with a style's name; with several styles
Justify = Literal["left", "right"]


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """A column of ``width`` cells. Where room is short, columns shrink to ``narrow`` (not if it is
    0), then those with the highest ``rank`` are left out. ``grows``: gets its width first, and the
    room that is left. ``repeats``: what the growing column says in other words; it goes before
    that one shrinks, or one with a ``rank`` below 0. ``shorten``: fits a long text into some
    cells; else its end is cut. ``sort``: the key to sort rows by, None last; without it, the column
    can't be sorted by. ``best_high``: sorting begins with the highest."""

    key: str
    title: str
    width: int
    cell: Callable[[T], Cell]
    rank: int = 0
    justify: Justify = "left"
    grows: bool = False
    narrow: int = 0
    sort: Callable[[T], Any] | None = None
    shorten: Callable[[str, int], str] | None = None
    repeats: bool = False
    best_high: bool = False

    def cell_in(self, row: T, room: int) -> Cell:
        cell = self.cell(row)
        text = cell if isinstance(cell, str) else cell[0] if isinstance(cell, tuple) else ""
        if self.shorten is None or cell_len(text) <= room:
            return cell
        short = self.shorten(text, room)
        return (short, cell[1]) if isinstance(cell, tuple) else short

    @property
    def least(self) -> int:
        return self.narrow or self.width


def fit(columns: Sequence[Column[T]], room: int, gap: int) -> list[tuple[Column[T], int]]:
    """Return the columns that fit into the room, with a gap after each, and their widths."""
    shown = list(columns)
    while len(shown) > 1 and sum(c.least + gap for c in shown) > room:
        shown.remove(max(shown, key=lambda c: c.rank))
    whole = room - sum(c.width - c.least for c in shown if c.grows or c.rank < 0)
    while (said := [c for c in shown if c.repeats]) and sum(c.least + gap for c in shown) > whole:
        shown.remove(max(said, key=lambda c: c.rank))
    widths = {c.key: c.least for c in shown}
    spare = max(0, room - sum(width + gap for width in widths.values()))
    for column in sorted(shown, key=lambda c: (not c.grows, c.rank)):
        more = min(spare, column.width - column.least)
        widths[column.key] += more
        spare -= more
    growing = next((c for c in shown if c.grows), None)
    if growing is not None:
        widths[growing.key] += spare
    return [(c, widths[c.key]) for c in shown]


def pieces(cell: Cell, width: int, justify: Justify) -> Iterator[tuple[str, str]]:
    """Yield a cell's texts and style names, exactly ``width`` cells together."""
    if isinstance(cell, str):
        yield fitted(cell, width, justify), ""
    elif isinstance(cell, tuple):
        yield fitted(cell[0], width, justify), cell[1]
    else:
        text = cell.copy()
        text.truncate(width, overflow="ellipsis")
        margin = " " * (width - text.cell_len)
        if justify == "right":
            yield margin, ""
        cuts = sorted({0, len(text), *(x for span in text.spans for x in (span.start, span.end))})
        for start, end in pairwise(cuts):
            names = (str(s.style) for s in text.spans if s.start <= start and s.end >= end)
            yield text.plain[start:end], " ".join((str(text.style), *names)).strip()
        if justify == "left":
            yield margin, ""


def fitted(text: str, width: int, justify: Justify) -> str:
    """Fit a text into exactly ``width`` cells, with an ellipsis if it is cut."""
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, width - 1) + "…" if width > 0 else ""
    margin = " " * (width - size)
    return margin + text if justify == "right" else text + margin
