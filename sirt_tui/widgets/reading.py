"""A dialog that shows a long text, to be scrolled."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.containers import VerticalScroll
from textual.widgets import Label, Static

from sirt_tui.places import bindings
from sirt_tui.widgets.leaving import Dialog

if TYPE_CHECKING:
    from rich.text import Text
    from textual.app import ComposeResult
    from textual.binding import BindingType


class Reading(Dialog[None]):
    """Shows the text under a title; escape closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("reading")]

    def __init__(self, title: str, text: Text) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="dialog lineage"):
            yield Label(self._title, markup=False, classes="dialog-title")
            yield Static(self._text)
            yield Static("esc to close", classes="dialog-hint")

    def on_mount(self) -> None:
        self.query_one(VerticalScroll).focus()

    def action_scroll(self, step: int) -> None:
        scroll = self.query_one(VerticalScroll)
        scroll.scroll_down() if step > 0 else scroll.scroll_up()
