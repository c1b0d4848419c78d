"""A page on which items of a run are marked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual import work

from sirt_tui.screens.item_list import ItemRow, meant
from sirt_tui.screens.table_page import TablePage

if TYPE_CHECKING:
    from sirt_tui.screens.item_list import ItemList
    from sirt_tui.screens.item_marks import ItemMarks


class MarkingPage(TablePage[ItemRow]):
    """Its keys mark the item under the cursor or the ticked ones."""

    _items: ItemList
    _marks: ItemMarks

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self._run_id = run_id

    @work
    async def action_mark(self, name: str) -> None:
        await self._marks.toggle(name, meant(self.table))

    @work
    async def action_exclude_all(self) -> None:
        await self._marks.exclude(list(self._items.numbers))

    @work
    async def action_undo(self) -> None:
        await self._marks.undo()

    @work
    async def action_note(self) -> None:
        row = self.table.row
        if row is not None and row.item is not None:
            await self._marks.note(meant(self.table), row.item)

    @work
    async def action_refine_again(self) -> None:
        await self._marks.refine_again(self._run_id)
