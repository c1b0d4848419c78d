"""The dialog that chooses the columns of the list of runs, and their order."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from textual.containers import Vertical
from textual.widgets import Input, Label, Static

from sirt_tui.places import bindings
from sirt_tui.widgets.columns import Column
from sirt_tui.widgets.leaving import Dialog
from sirt_tui.widgets.table import RowTable
from sirt_tui.widgets.typed_line import TypedLine

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

    from sirt_tui.shell import Shell


class Offered(NamedTuple):
    """A column that may be chosen."""

    key: str
    title: str


class Chosen(NamedTuple):
    """The columns' keys in order; ``group``: to group the runs by."""

    columns: list[str]
    group: str | None = None


class ColumnChoice(Dialog[Chosen | None]):
    """Offers all columns: the ticked ones are shown, in the order of the list."""

    DEFAULT_CSS = """
    ColumnChoice .dialog { height: 90%; max-height: 40; }
    ColumnChoice RowTable { height: 1fr; }
    ColumnChoice Input { height: 1; border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("columns")]

    def __init__(
        self, shell: Shell, offered: Iterable[Offered], shown: Sequence[str], usual: Sequence[str]
    ) -> None:
        super().__init__()
        self._usual = usual
        self._shell = shell
        self._known = {one.key: one for one in offered}
        self._offered = self._first(shown)
        self._shown = shown

    def _first(self, keys: Sequence[str]) -> list[Offered]:
        """All columns, these before the others."""
        first = [self._known[key] for key in keys if key in self._known]
        return [*first, *(one for one in self._known.values() if one not in first)]

    def compose(self) -> ComposeResult:
        columns: list[Column[Offered]] = [
            Column("title", "column", 18, lambda one: one.title, grows=True),
            Column("key", "full name", 36, lambda one: one.key, narrow=16),
        ]
        with Vertical(classes="dialog"):
            yield Label("Columns of the list", classes="dialog-title")
            yield TypedLine(placeholder="Search: lr, batch, teacher", compact=True, id="filter")
            yield RowTable(columns, lambda one: one.key)
            yield Static(self._hint(), classes="dialog-hint", markup=False)

    def _hint(self) -> str:
        key = self._shell.key
        return (
            f"{key('tick')} shows or hides, {key('earlier')} {key('later')} move left and right, "
            f"{key('find')} searches, {key('group')} groups by it, {key('default')} the usual "
            f"columns, {key('open')} accepts, {key('back')} leaves"
        )

    def on_mount(self) -> None:
        self.table.ticked = set(self._shown)
        self.table.nothing = "no column has these words"
        self.table.show(self._offered)
        self.table.focus()

    @property
    def table(self) -> RowTable[Offered]:
        return self.query_one(RowTable)

    def on_input_changed(self, event: Input.Changed) -> None:
        words = event.value.lower().split()
        self.table.show(
            [o for o in self._offered if all(w in f"{o.title} {o.key}".lower() for w in words)]
        )

    def on_input_submitted(self) -> None:
        self.table.focus()

    def on_row_table_selected(self) -> None:
        self.dismiss(Chosen(self._ticked()))

    def _ticked(self) -> list[str]:
        return [one.key for one in self._offered if one.key in self.table.ticked]

    def action_filter(self) -> None:
        self.query_one(Input).focus()

    def action_shift(self, step: int) -> None:
        """Move the column under the cursor past its neighbour in the list."""
        row = self.table.row
        if row is None or self.query_one(Input).value:
            return
        at = self._offered.index(row)
        to = min(max(0, at + step), len(self._offered) - 1)
        moved = list(self._offered)  # the table compares it with what it shows
        moved.insert(to, moved.pop(at))
        self._offered = moved
        self.table.show(moved)

    def action_group(self) -> None:
        if self.table.row is not None:
            self.dismiss(Chosen(self._ticked(), self.table.row.key))

    def action_usual(self) -> None:
        """Tick the usual columns, in their order."""
        self._offered = self._first(self._usual)
        self.table.ticked = set(self._usual)
        self.table.show(self._offered)

    def action_leave(self) -> None:
        self.dismiss(None)
