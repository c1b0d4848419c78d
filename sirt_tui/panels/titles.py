"""The texts in a panel's border, and before a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.content import Content

from engine.schema.sanitize import one_line

if TYPE_CHECKING:
    from textual.widget import Widget


def entitle(panel: Widget, title: str, subtitle: str = "") -> None:
    """Plain text, never markup; the panel is painted again only when it is another."""
    if panel.border_title != Content(title).markup:
        panel.border_title = Text(title)
    if panel.border_subtitle != Content(subtitle).markup:
        panel.border_subtitle = Text(subtitle)


def problem_text(problem: str) -> Text:
    """What is wrong with a filter stands first, where no width cuts it."""
    text = Text(no_wrap=True, overflow="ellipsis")
    return text.append(f"{one_line(problem, 200)}  ", "bold red") if problem else text
