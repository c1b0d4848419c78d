"""Draw tables and figures with their intervals, for panels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.accuracy import SIGNIFICANT, Accuracy, Estimate, Share, bounds
from engine.schema.sanitize import one_line
from engine.tables.accuracies import Tested
from engine.tables.table import text_of
from engine.tables.terminal import drawn
from sirt_tui.format import NOTHING, percent
from sirt_tui.widgets.frozen_table import Cells

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table as RichTable

    from engine.schema.accuracy import Comparison
    from engine.tables.table import Cell, Table

UNPARSED_SHOWN = 0.05
FITS = 60  # characters of a name


def figure(cell: Cell) -> Text:
    """Draw a value in bold, with its interval or difference beside or below it."""
    match cell:
        case None:
            return Text(NOTHING, "dim")
        case Accuracy():
            text = figure(cell.right)
            if cell.unparsed > UNPARSED_SHOWN:
                text.append(f" {percent(cell.unparsed)}% unparsed", "yellow")
            return text
        case Tested():
            text = figure(cell.accuracy.right)
            if cell.comparison is not None:
                text.append(f"\n{cell.partly}", "yellow").append_text(_difference(cell.comparison))
            return text
        case Estimate():
            text = Text.assemble((f"{percent(cell.value):>5}", "bold"))
            text.append(f" {cell.interval or cell.spread}", "dim")
            return text.append(f" {cell.counted}".rstrip(), "dim")
        case Share():
            text = Text.assemble((f"{percent(cell.value):>5}", "bold"))
            return text.append(f" {bounds(cell.low, cell.high)}", "dim")
        case _:
            return Text(one_line(text_of(cell), FITS))


def _difference(found: Comparison) -> Text:
    """Draw a difference in points with its interval and Holm's p; only significant ones are
    coloured and starred."""
    sure = found.adjusted < SIGNIFICANT
    colour = "green" if found.difference.value > 0 else "red"
    text = Text.assemble((found.difference.text, colour if sure else "dim"))
    text.append(f" p {p_value(found.adjusted)}", "bold" if sure else "dim")
    return text.append("*" if sure else "", "bold")


def p_value(p: float) -> str:
    """Write p with two significant digits; very small values only as a bound."""
    return "<1e-4" if p < 1e-4 else f"{p:.2g}"


def draw_table(table: Table, draw: Callable[[Cell], Text] = figure) -> RichTable:
    return drawn(table, draw, {"no_wrap": True}, padding=(0, 2, 0, 0), pad_edge=False)


def cells_of(table: Table, frozen: int, draw: Callable[[Cell], Text] = figure) -> Cells:
    """Draw a table of which the first columns stay in place."""
    headers = [Text(one_line(header)) for header in table.headers]
    return Cells(headers, [[draw(cell) for cell in row] for row in table.rows], frozen)
