"""A table as rich draws it, for the command line and the interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.table import Table as RichTable
from rich.text import Text

from engine.schema.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.tables.table import Cell, Table


def drawn(
    table: Table, draw: Callable[[Cell], Text], columns: dict[str, Any], **look: Any
) -> RichTable:
    """``draw`` makes a cell's text; ``columns``, ``look``: rich's options of columns and table."""
    found = RichTable(box=None, header_style="bold", **look)
    for header in table.headers:
        found.add_column(Text(one_line(header)), **columns)
    for row in table.rows:
        found.add_row(*map(draw, row))
    return found
