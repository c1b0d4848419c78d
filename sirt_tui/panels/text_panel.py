"""The base of the Run screen's panels of text."""

from __future__ import annotations

from sirt_tui.panels.run_panel import RunPanel
from sirt_tui.widgets.text_view import Lines


class TextPanel(RunPanel, Lines, can_focus=True):
    """A panel with a text that scrolls. Textual takes the style of the first base alone, so that
    what makes :class:`Lines` scroll is said here again."""

    DEFAULT_CSS = "TextPanel { overflow: hidden auto; scrollbar-gutter: stable; }"
