"""A page around one table of rows."""

from __future__ import annotations

from typing import Generic, TypeVar

from sirt_tui.page import Page
from sirt_tui.widgets.table import RowTable

T = TypeVar("T")


class TablePage(Page, Generic[T]):
    """Its keys move in the table and tick, whatever has the focus."""

    @property
    def table(self) -> RowTable[T]:
        return self.query_one(RowTable)

    def action_step(self, step: int) -> None:
        self.table.action_move(step)

    def action_tick_all(self) -> None:
        self.table.tick_all()
