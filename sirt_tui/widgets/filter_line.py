"""The line that a filter is typed into, with what is understood of it at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.text import Text
from textual.containers import Horizontal
from textual.widgets import Input, Static

from engine.schema.sanitize import one_line
from sirt_tui.widgets.leaving import Part
from sirt_tui.widgets.typed_line import TypedLine

if TYPE_CHECKING:
    from textual.app import ComposeResult

    from engine.queries.filter_language import Filter


class FilterLine(Part, Horizontal):
    """Holds the typed line ``#filter``, which is there while it is ``open``, and to its right what
    is understood of it. ``hint``: what to type."""

    DEFAULT_CSS = """
    FilterLine { layout: horizontal; height: auto; }
    FilterLine #filter { display: none; width: 1fr; height: 1; border: none; padding: 0 1; }
    FilterLine #filter.open { display: block; }
    FilterLine Static {
        width: auto; max-width: 80%; height: 1; padding-right: 1;
        text-wrap: nowrap; text-overflow: ellipsis;
    }
    """

    def __init__(self, hint: str) -> None:
        super().__init__()
        self._hint = hint

    def compose(self) -> ComposeResult:
        yield TypedLine(placeholder=self._hint, id="filter", compact=True)
        yield Static()

    def tell(self, text: Text) -> None:
        """Say what is understood, if there is something typed."""
        typed = self.query_one(Input).value.strip()
        said = self.query_one(Static)
        said.display = bool(typed and text)
        said.update(text)


def understood(chosen: Filter[Any], left: Text) -> Text:
    """Say what of a filter can't be read, or how the last word goes on, and what is ``left``."""
    text = Text()
    if chosen.problem:
        text.append(f"{one_line(chosen.problem, 200)}  ", "bold red")
    elif chosen.unfinished:
        text.append(f"{one_line(chosen.unfinished, 100)}  ", "yellow")
    return text.append_text(left)
