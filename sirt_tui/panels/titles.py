"""The titles in panels' borders, and the text of a filter's problem."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.content import Content

from engine.schema.sanitize import one_line

if TYPE_CHECKING:
    from textual.widget import Widget


def entitle(panel: Widget, title: str, subtitle: str = "") -> None:
    """Set a panel's titles as plain text; it is painted again only if they have changed."""
    if panel.border_title != Content(title).markup:
        panel.border_title = Text(title)
    if panel.border_subtitle != Content(subtitle).markup:
        panel.border_subtitle = Text(subtitle)


def problem_text(problem: str) -> Text:
    """Write a filter's problem, to stand first in a line, where it is never cut."""
    text = Text()
    return text.append(f"{one_line(problem, 200)}  ", "bold red") if problem else text
