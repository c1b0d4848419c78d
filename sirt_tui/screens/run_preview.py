"""Show the run under the list's cursor, and read its phases when the cursor has stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.errors import UserError
from sirt_tui.panels.preview import PreviewPanel, RowView
from sirt_tui.screens import run_commands

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.store.run_row import RunRow
    from sirt_tui.page import Page
    from sirt_tui.widgets.table import RowTable

REST_S = 0.15  # the cursor rests: only then the phases of its run are read


async def show(page: Page, table: RowTable[RunRow], none: str, looked: Callable[[], bool]) -> None:
    """Show the run's row at once, and its phases later. Call it from a worker. ``none``: what is
    said where there is no run; ``looked``: whether the folders were looked at."""
    row, panel = table.row, page.query_one(PreviewPanel)
    if not panel.display:
        return
    if row is None:
        head = table.head
        panel.show_group(head.title if head else "", head.text if head else Text(none, "dim"))
        return
    panel.show(RowView(row, page.sirt.clock()))
    await page.pause(REST_S)
    if not looked():
        return  # the first page is shown before anything else is read
    try:
        status = await page.ask(run_commands.read, page.runs, row.run_id)
    except (UserError, OSError):
        return  # it was deleted meanwhile; the list will say so
    panel.show(RowView(row, page.sirt.clock(), status))
