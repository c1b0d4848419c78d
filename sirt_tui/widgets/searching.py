"""Search in a text: a line to type into, the matches painted, and how many there are."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from rich.style import Style
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from engine.schema.sanitize import one_line
from sirt_tui.widgets.leaving import Part
from sirt_tui.widgets.typed_line import TypedLine

if TYPE_CHECKING:
    from rich.text import Text
    from textual.app import ComposeResult

MATCH = Style(reverse=True)
HINT = "Search in this text"
CURRENT = Style(reverse=True, bold=True, underline=True)


class Found(Message):
    """The matches or the current one have changed."""


class Searchable(Protocol):
    """What the search line searches."""

    @property
    def found(self) -> str: ...
    def search(self, words: str) -> None: ...
    def focus(self) -> object: ...


class Matches:
    """The matches of some words in a text, and which of them is the current one."""

    def __init__(self) -> None:
        self.words = ""
        self.count = 0
        self.current = 0

    def begin(self, words: str) -> None:
        self.words, self.current = words, 0

    def step(self, step: int) -> None:
        self.current = (self.current + step) % max(1, self.count)

    def mark(self, *texts: Text) -> list[Text]:
        """Return copies of the texts with the matches painted, whatever their case."""
        self.count, marked = 0, []
        found = [self._spans(text.plain) for text in texts]
        self.current = min(self.current, max(0, sum(map(len, found)) - 1))
        for text, spans in zip(texts, found, strict=True):
            copy = text.copy()
            for start, end in spans:
                copy.stylize(CURRENT if self.count == self.current else MATCH, start, end)
                self.count += 1
            marked.append(copy)
        return marked

    def _spans(self, plain: str) -> list[tuple[int, int]]:
        if not self.words:
            return []
        return [m.span() for m in re.finditer(re.escape(self.words), plain, re.IGNORECASE)]

    @property
    def said(self) -> str:
        """``3 of 17``, or that there is none."""
        if not self.words:
            return ""
        return f"{self.current + 1} of {self.count}" if self.count else "not found"


class Searched(Widget):
    """A widget in whose text can be searched. Subclasses paint what ``matches.mark`` returns, and
    name their other base first, whose style Textual takes."""

    @cached_property
    def matches(self) -> Matches:
        return Matches()

    def paint_match(self) -> None:
        """Paint the text anew, and scroll until the current match is visible."""
        raise NotImplementedError

    @property
    def found(self) -> str:
        """How many matches there are, and which is the current one."""
        return self.matches.said

    def search(self, words: str) -> None:
        """Paint all places where these words are; no words end the search."""
        self.matches.begin(words)
        self._show_match()

    def action_scroll(self, lines: int) -> None:
        """Scroll at once; a text that is shown whole keeps the key too."""
        self.scroll_relative(y=lines, animate=False)

    def action_page(self, pages: int) -> None:
        self.action_scroll(pages * max(1, self.scrollable_content_region.height - 1))

    def action_end(self, which: int) -> None:
        self.scroll_end(animate=False) if which else self.scroll_home(animate=False)

    def action_match(self, step: int) -> None:
        self.matches.step(step)
        self._show_match()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """The keys for the next match are this widget's only while it is searched."""
        if action == "match":
            return bool(self.matches.words)
        return super().check_action(action, parameters)

    def _show_match(self) -> None:
        self.paint_match()
        self.refresh_bindings()
        self.post_message(Found())


def has_current(line: Text) -> bool:
    return any(span.style == CURRENT for span in line.spans)


def found_text(words: str, count: int) -> str:
    """Say how much was found for these words; where it is nothing, also the way back."""
    if not words:
        return ""
    return f"{count} found" if count else f"nothing found for {one_line(words, 40)}, esc shows all"


class SearchLine(Part, Horizontal):
    """The line to type into; it is there while a text is searched."""

    DEFAULT_CSS = """
    SearchLine { display: none; layout: horizontal; height: 1; padding: 0 1; }
    SearchLine.open { display: block; }
    SearchLine Input { width: 1fr; border: none; height: 1; padding: 0; }
    SearchLine Static { width: auto; text-style: bold; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._target: Searchable | None = None

    def compose(self) -> ComposeResult:
        yield TypedLine(placeholder=HINT, compact=True)
        yield Static()

    def open(self, target: Searchable, hint: str = HINT) -> None:
        """Search in this widget's text, and no longer in another's. ``hint``: what to type."""
        box = self.query_one(Input)
        if self._target is not None and self._target is not target:
            self._target.search("")
            box.value = ""
        self._target = target
        self.add_class("open")
        box.placeholder = hint
        self.screen.set_focus(box)  # at once: on a slow line keys come in bunches

    def close(self) -> bool:
        """End the search; return whether there was one."""
        was_open = self.has_class("open")
        self.remove_class("open")
        self.query_one(Input).value = ""
        if was_open and self._target is not None:
            self._target.search("")
            self._target.focus()
        return was_open

    def tell(self) -> None:
        """Show how many matches there are, and which is the current one."""
        if self._target is not None:
            self.query_one(Static).update(f" {self._target.found}")

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        if self._target is not None and self.has_class("open"):
            self._target.search(event.value)
            self.tell()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if self._target is not None:
            self._target.focus()
