"""The help screen: every key that works at present, collected from the bindings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.widgets import Label, Static

from sirt_tui.widgets.leaving import Dialog

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.screen import Screen

PANEL = "in this panel"
WHERE = ("here", PANEL, "everywhere")
SIDEWAYS = {"scroll_left", "scroll_right", "page_left", "page_right"}  # lines are cut or folded


class Help(Dialog[None]):
    """Lists the keys of the screen, of the focused panel, and those that work everywhere."""

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
    """List keys, actions and where they work, the screen's first. Keys of the same action share a
    line; useless scroll keys are left out."""
    app = screen.app
    lines: dict[tuple[int, str, str], list[str]] = {}
    for node, binding, enabled, tip in screen.active_bindings.values():
        if not binding.description or not enabled or binding.system or binding.action in SIDEWAYS:
            continue
        where = WHERE.index("everywhere" if node is app else "here" if node is screen else PANEL)
        line = lines.setdefault((where, binding.action, tip or binding.description), [])
        key = app.get_key_display(binding)
        line += [] if key in line else [key]
    table = Table.grid(padding=(0, 2))
    for (where, _, said), keys in sorted(lines.items(), key=lambda line: line[0][0]):
        table.add_row(" ".join(keys), said, WHERE[where])
    return table
