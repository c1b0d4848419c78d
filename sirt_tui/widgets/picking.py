"""A table in which ``space`` picks the row under the cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from textual.message import Message

from sirt_tui.places import bindings
from sirt_tui.widgets.table import RowTable

if TYPE_CHECKING:
    from textual.binding import BindingType

T = TypeVar("T")


class PickTable(RowTable[T]):
    """A table whose owner decides what picking does, and which rows have the sign. A click in the
    first ``tick_cells`` cells picks."""

    sign = "*"  # these rows are not ticked to do something with them: they are changed
    tick_cells = 0

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("pick table")]

    class Picked(Message):
        """The person picked a row. ``row``: the one under the cursor then, which may have moved on
        since."""

        def __init__(self, table: PickTable[Any], row: Any) -> None:
            super().__init__()
            self.table = table
            self.row = row

    def tick(self) -> None:
        self.action_pick()

    def action_pick(self) -> None:
        if self.row is not None:
            self.tell(self.Picked(self, self.row))
