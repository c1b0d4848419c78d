"""The help: every key that works where one is, generated from the bindings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import Label, Static

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from sirt_tui.app import SirtApp


class Help(ModalScreen[None]):
    """Keys by where they come from: the focused panel, the screen, everywhere."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,q", "dismiss", "Close"),
    ]

    def __init__(self, screen: Screen[object]) -> None:
        super().__init__()
        self._table = keys_of(screen)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog help"):
            yield Label("Keys that work here", classes="dialog-title")
            yield Static(self._table)
            yield Static(
                "Every action is in the palette too (ctrl+p). A terminal left with a strange "
                "mouse by a dropped link: type reset.",
                classes="dialog-hint",
            )


def keys_of(screen: Screen[object]) -> Table:
    """Key, what it does, where it comes from; no key twice."""
    table = Table.grid(padding=(0, 2))
    seen: set[str] = set()
    app: SirtApp = screen.app  # type: ignore[assignment]
    for node, binding, enabled, tip in screen.active_bindings.values():
        if not binding.description or not enabled or binding.key in seen or binding.system:
            continue
        seen.add(binding.key)
        where = "everywhere" if node is app else "here" if node is screen else "in this panel"
        table.add_row(app.get_key_display(binding), tip or binding.description, where)
    return table
