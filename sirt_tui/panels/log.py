"""Show a phase's messages, or the end of what its process wrote to stderr."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, cast

from rich.text import Text

from engine.queries.following import stderr_tail
from engine.queries.remarks import remarks, reused
from engine.schema.sanitize import visible
from sirt_tui.panels.text_panel import TextPanel
from sirt_tui.panels.titles import entitle
from sirt_tui.places import bindings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from textual.binding import Binding, BindingType

    from engine.queries.runs import PhaseStatus
    from engine.store.phase_log import PhaseView
    from sirt_tui.page import Page
    from sirt_tui.panels.run_panel import RunView

LINES = 200
LEVELS = {"info": "", "warning": "yellow", "error": "bold red"}


class LogPanel(TextPanel):
    """Shows the chosen phase's messages; ``l`` switches to stderr and back."""

    NAME = "log"
    BORDER_TITLE = "log"
    KEYS: ClassVar[tuple[Binding, ...]] = bindings("log")
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self) -> None:
        super().__init__(stays_at_end=True)
        self._wants_stderr = False

    def action_source(self) -> None:
        self._wants_stderr = not self._wants_stderr
        if self.of is not None:
            self.draw(self.of)

    def draw(self, of: RunView) -> None:
        if of.chosen is None:
            return
        if self._wants_stderr:
            page = cast("Page", self.screen)
            read = partial(self._read_stderr, page, of, of.chosen)  # no coroutine until it starts
            page.run_worker(read, group="log", exclusive=True)
        else:
            before = reused(of.chosen.view.finished, of.status.file.created)
            told = (*([before] if before else []), *remarks(of.chosen.spec, of.chosen.view))
            self._put(messages_text(of.chosen.view, told), f"{of.chosen.spec.title}: messages")

    async def _read_stderr(self, page: Page, of: RunView, phase: PhaseStatus) -> None:
        tail = await page.ask(stderr_tail, of.runs.phase(phase.id))
        if self._wants_stderr:
            text = Text(visible(tail) or "stderr is empty")
            self._put(text, f"{phase.spec.title}: stderr")

    def _put(self, text: Text, title: str) -> None:
        entitle(self, "log", title)
        self.put(text)


def messages_text(view: PhaseView, told: Iterable[str]) -> Text:
    """Write a line per message with its time, then the remarks in ``told``, and last what the phase
    is doing."""
    text = Text()
    for message in view.messages.last(LINES):
        text.append(f"{message.ts:%H:%M:%S} ", "dim")
        text.append(f"{visible(message.text, 2_000)}\n", LEVELS[message.level])
    for remark in told:
        text.append(f"{visible(remark, 400)}\n")
    if view.activity:
        text.append(f"now: {visible(view.activity, 200)}", "cyan")
    nothing = "it said nothing" if view.outcome else "nothing said yet"
    return text if text.plain else Text(nothing, "dim")
