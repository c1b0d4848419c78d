"""The help: what is under the cursor, and every key that works at present, collected from the
bindings."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.table import Table
from textual.containers import VerticalScroll
from textual.widgets import Label, Static

from engine.schema.sanitize import visible
from sirt_tui.actions import ACTIONS
from sirt_tui.page import Page
from sirt_tui.places import PLACES, bindings
from sirt_tui.widgets.leaving import Dialog
from sirt_tui.widgets.working_keys import working

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.screen import Screen

    from sirt_tui.widgets.working_keys import Working

PANEL = "in this panel"
WHERE = ("here", PANEL, "everywhere")


class Help(Dialog[None]):
    """Explains what is under the cursor, and lists the keys of the screen, of the focused panel,
    and those that work everywhere."""

    DEFAULT_CSS = "Help #about { margin-bottom: 1; height: auto; }"

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("help")]

    def __init__(self, screen: Screen[object]) -> None:
        super().__init__()
        self._about = screen.about_here() if isinstance(screen, Page) else None
        self._table = keys_of(screen)

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog help"):
            if self._about is not None:
                name, about = self._about
                yield Label(visible(name), markup=False, classes="dialog-title")
                yield Static(about, id="about")
            yield Label("Keys that work here", classes="dialog-title")
            yield Static(self._table)
            yield Static(
                "Every action is in the palette too (ctrl+p). A terminal left with a strange "
                "mouse by a dropped link: type reset.",
                classes="dialog-hint",
            )


def keys_of(screen: Screen[object]) -> Table:
    """List keys, actions and where they work, the screen's first. Keys of the same action share a
    line."""
    app = screen.app
    lines: list[tuple[str, Working]] = []
    for found in working(screen):
        node = found.node
        where = "everywhere" if node is app else "here" if node is screen else PANEL
        lines.append((where, found))
    table = Table.grid(padding=(0, 2))
    own = ACTIONS.keys() - {use.name for use in PLACES["page"]}  # before those of all screens
    for where, found in sorted(
        lines, key=lambda line: (WHERE.index(line[0]), line[1].name not in own)
    ):
        table.add_row(" ".join(found.keys), found.words, where)
    return table
