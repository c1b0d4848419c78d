"""Draw a table with rich, for the command line and the interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.table import Table as RichTable
from rich.text import Text

from engine.schema.accuracy import NOTHING
from engine.schema.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.tables.table import Cell, Table


def drawn(
    table: Table, draw: Callable[[Cell], Text], columns: dict[str, Any], **look: Any
) -> RichTable:
    """Draw a table; ``draw`` makes a cell's text; ``columns``, ``look``: rich's options."""
    found = RichTable(box=None, header_style="bold", **look)
    for header in table.headers:
        found.add_column(Text(one_line(header)), **columns)
    for row in table.rows:
        found.add_row(*map(draw, row))
    return found


def widths(texts: Sequence[Sequence[str]], room: int) -> list[int] | None:
    """Fit these rows' columns into ``room`` cells, with two between them and one at each end, so
    that no word is broken; None if that is impossible."""
    columns = list(zip(*texts, strict=True))
    found = [max(_longest_word(cell) for cell in column) for column in columns]
    spare = room - sum(found) - 2 * len(found)
    if spare < 0:
        return None
    whole = [max(map(cell_len, column)) for column in columns]
    for at in sorted(range(len(found)), key=lambda n: whole[n] - found[n]):
        more = min(spare, whole[at] - found[at])
        found[at] += more
        spare -= more
    return found


def lines(texts: Sequence[Sequence[str]], room: int) -> list[list[str]] | None:
    """These rows' cells, filled up to the same width in each column; None if a line would be longer
    than ``room``. Rich lays out each cell by itself, which thousands of rows feel."""
    columns = list(zip(*texts, strict=True))
    sizes = [[cell_len(cell) for cell in column] for column in columns]
    longest = [max(column) for column in sizes]
    if sum(longest) + 2 * len(longest) > room:
        return None
    filled = (
        [f"{cell}{' ' * (most - size)}" for cell, size in zip(column, found, strict=True)]
        for column, found, most in zip(columns, sizes, longest, strict=True)
    )
    return [list(row) for row in zip(*filled, strict=True)]


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split(" ")))


def stacked(headers: Sequence[str], row: Sequence[Text], room: int) -> Text:
    """Write a row that is too wide for columns: its first cell, and below it the other cells with
    their headers, none of them broken."""
    text, line = Text().append_text(row[0]), Text(" ")
    for header, cell in zip(headers[1:], row[1:], strict=True):
        if cell.plain.strip() in ("", NOTHING):
            continue
        said = Text.assemble((f" {header} ", "dim"), cell)
        if line.plain.strip() and line.cell_len + 1 + said.cell_len > room:
            text.append("\n").append_text(line)
            line = Text(" ")
        line.append(" " * bool(line.plain.strip())).append_text(said)
    return text.append("\n").append_text(line) if line.plain.strip() else text
