"""The floor: nothing but Textual's own table, with 200 rows of ten columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App
from textual.widgets import DataTable

if TYPE_CHECKING:
    from textual.app import ComposeResult

ROWS, COLUMNS = 200, 10


class BareTable(App[None]):
    def compose(self) -> ComposeResult:
        yield DataTable[str](cursor_type="row")

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        table.add_columns(*(f"column {n}" for n in range(COLUMNS)))
        table.add_rows([[f"cell {row}.{n}" for n in range(COLUMNS)] for row in range(ROWS)])


if __name__ == "__main__":
    BareTable().run()
