"""What a phase said, or the end of what its process wrote to stderr."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding, BindingType
from textual.message import Message

from engine.schema.sanitize import visible
from sirt_tui.panels.titles import entitle
from sirt_tui.widgets.text_view import Lines

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.store.phase_log import PhaseView

LINES = 200
LEVELS = {"info": "", "warning": "yellow", "error": "bold red"}


class LogPanel(Lines):
    """Messages by default; ``l`` asks for stderr, which the screen then gives."""

    ALLOW_MAXIMIZE = True
    BORDER_TITLE = "log"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("l", "source", "Messages or stderr")]

    class Toggled(Message):
        """The other source is wanted."""

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, classes="panel", stays_at_end=True)
        self.wants_stderr = False

    def action_source(self) -> None:
        self.wants_stderr = not self.wants_stderr
        self.post_message(self.Toggled())

    def show_messages(self, view: PhaseView, title: str, told: Iterable[str]) -> None:
        """``told``: as :func:`~engine.queries.remarks.remarks` gives them."""
        self._put(messages_text(view, told), f"{title}: messages")

    def show_stderr(self, tail: str, title: str) -> None:
        self._put(Text(visible(tail) or "stderr is empty"), f"{title}: stderr")

    def _put(self, text: Text, title: str) -> None:
        if self.is_mounted:
            entitle(self, "log", title)
            self.put(text)


def messages_text(view: PhaseView, told: Iterable[str]) -> Text:
    """One line a message, with its time; then what else the log says; what the phase is busy with
    last."""
    text = Text()
    for message in view.messages.last(LINES):
        text.append(f"{message.ts:%H:%M:%S} ", "dim")
        text.append(f"{visible(message.text, 2_000)}\n", LEVELS[message.level])
    for remark in told:
        text.append(f"{visible(remark, 400)}\n")
    if view.activity:
        text.append(f"now: {visible(view.activity, 200)}", "cyan")
    return text if text.plain else Text("nothing said yet", "dim")
