"""A dialog that shows a run's lineage, the tree that ``sirt show`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.console import Group
from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.queries.lineage import lineage
from engine.queries.lineage_tree import draw, environments
from engine.schema.errors import UserError
from engine.schema.sanitize import visible
from sirt_tui.places import bindings
from sirt_tui.widgets.leaving import Dialog

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from engine.queries.lineage import Lineage
    from sirt_tui.page import Page


class LineageDialog(Dialog[None]):
    """Shows the tree and scrolls; escape, ``q`` or ``L`` closes it."""

    DEFAULT_CSS = """
    LineageDialog .lineage Static { width: 1fr; height: auto; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("lineage")]

    def __init__(self, found: Lineage) -> None:
        super().__init__()
        self._found = found

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog lineage"):
            made = [Text(visible(line)) for line in environments(self._found)]
            yield Static(Group(draw(self._found, visible), *made))
            yield Static(
                "escape to close; sirt show prints it, --json with all", classes="dialog-hint"
            )

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_scroll(self, way: str) -> None:
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_down() if way == "down" else scroll.scroll_up()


async def show_lineage(page: Page, run_id: str) -> None:
    """Read a run's lineage and show it. Call it from a worker."""
    try:
        found = await page.ask(lineage, page.runs, run_id)
    except (UserError, OSError) as error:
        page.sirt.say_error(error)
    else:
        page.app.push_screen(LineageDialog(found))
