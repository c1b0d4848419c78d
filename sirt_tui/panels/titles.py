"""The titles in panels' borders, and the text of an empty list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text
from textual.content import Content

if TYPE_CHECKING:
    from textual.widget import Widget

EMPTY = """\
No runs here yet. Three things to try:

1  The embedded toy experiment: minutes, no download.
   {compose}, preset pocket, {launch}; or make demo in a shell.
2  Your own: {compose} composes it; in a shell, sirt init
   asks five questions and writes it.
3  A colleague's: sirt --runs FOLDER opens theirs,
   sirt import FILE takes in a bundle.

Runs appear here by themselves."""


def entitle(panel: Widget, title: str, subtitle: str = "") -> None:
    """Set a panel's titles as plain text; it is painted again only if they have changed."""
    if panel.border_title != Content(title).markup:
        panel.border_title = Text(title)
    if panel.border_subtitle != Content(subtitle).markup:
        panel.border_subtitle = Text(subtitle)
