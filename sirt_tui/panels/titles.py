"""The texts in a panel's border."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.content import Content

if TYPE_CHECKING:
    from textual.widget import Widget


def entitle(panel: Widget, title: str, subtitle: str = "") -> None:
    """Plain text, never markup; the panel is painted again only when it is another."""
    if panel.border_title != Content(title).markup:
        panel.border_title = Text(title)
    if panel.border_subtitle != Content(subtitle).markup:
        panel.border_subtitle = Text(subtitle)
