"""Questions that lie over a screen: yes or no, and one line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from sirt_tui.plain import visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

LINES_SHOWN = 10


class Confirm(ModalScreen[bool]):
    """Asks once and says what will be lost; the safe button has the focus."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
        Binding("left,right", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, lost: Sequence[str], verb: str) -> None:
        super().__init__()
        self._question = question
        self._lost = lost
        self._verb = verb

    def compose(self) -> ComposeResult:
        more = len(self._lost) - LINES_SHOWN
        lines = [*self._lost[:LINES_SHOWN], *([f"and {more} more"] if more > 0 else [])]
        with Vertical(classes="dialog"):
            yield Label(visible(self._question), markup=False, classes="dialog-title")
            if lines:
                yield Static(visible("\n".join(lines)), markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield Button("Keep it (n)", id="no")
                yield Button(f"{self._verb} (y)", id="yes", variant="error")

    def on_mount(self) -> None:
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        self.dismiss(answer)


class AskText(ModalScreen[str | None]):
    """One line of text; None when it is left by escape."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "Leave")]

    def __init__(self, title: str, value: str, hint: str) -> None:
        super().__init__()
        self._title = title
        self._value = value
        self._hint = hint

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Label(visible(self._title), markup=False, classes="dialog-title")
            yield Input(self._value)
            if self._hint:
                yield Static(visible(self._hint), markup=False, classes="dialog-hint")
            yield Static("enter to accept, escape to leave", classes="dialog-hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_leave(self) -> None:
        self.dismiss(None)
