"""A scrolling text that paints only changed lines.

Textual's Static paints all of its text at each change, and its whole panel too; a screen that
follows a phase at work would send that several times a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from sirt_tui.places import bindings
from sirt_tui.widgets.searching import Found, Searched, has_current

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from rich.text import Text
    from textual.binding import BindingType


class Lines(ScrollView, Searched, can_focus=True):
    """A text view: ``put`` shows a text folded to its width, ``put_lines`` lines cut to it.

    ``stays_at_end``: whoever reads the end sees what comes, unless a search looks for a match.
    """

    DEFAULT_CSS = """
    Lines {
        height: 1fr; overflow-x: hidden;
        scrollbar-size-vertical: 1; scrollbar-gutter: stable;
    }
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("text")]

    def __init__(
        self, id: str | None = None, classes: str | None = None, stays_at_end: bool = False
    ) -> None:
        super().__init__(id=id, classes=classes)
        self._stays_at_end = stays_at_end
        self._text: Text | None = None
        self._lines: Sequence[Text] = ()
        self._painted: dict[int, Strip] = {}

    @property
    def room(self) -> int:
        """The width in cells."""
        return max(1, self.scrollable_content_region.width)

    def put(self, text: Text) -> None:
        self._text = text
        (marked,) = self.matches.mark(text) if self.matches.words else (text,)
        self.put_lines([*marked.wrap(self.app.console, self.room, overflow="fold")])
        if self.matches.words:
            self.post_message(Found())  # there may be more matches, or none, in this text

    # --- search ---

    def paint_match(self) -> None:
        self._fold()
        at = next((n for n, line in enumerate(self._lines) if has_current(line)), None)
        if at is not None:
            room = max(1, self.scrollable_content_region.height)
            if not self.scroll_offset.y <= at < self.scroll_offset.y + room:
                self.scroll_to(y=max(0, at - room // 2), animate=False, immediate=True)

    # --- drawing ---

    def _fold(self) -> None:
        """Fold the text to the present width."""
        if self._text is not None:
            self.put(self._text)

    def put_lines(self, lines: Sequence[Text]) -> None:
        reads_end = self.scroll_offset.y >= self.max_scroll_y and not self.matches.words
        at_end = self._stays_at_end and reads_end
        fewer = len(lines) < len(self._lines)
        self._lines = lines
        self.virtual_size = Size(0, len(lines))
        if at_end:
            self.scroll_end(animate=False)
        if fewer:
            self.forget()
        else:
            self.repaint()

    def repaint(self) -> None:
        """Paint the visible lines that have changed."""
        style = self.rich_style
        for at, before in list(self._painted.items()):
            self._painted[at] = self._line(at, style)
            if self._painted[at] != before:
                self.refresh_lines(at)

    def forget(self) -> None:
        """Paint all lines again."""
        self._painted.clear()
        self.refresh()

    def on_resize(self) -> None:
        self.forget()
        self.paint_match() if self.matches.words else self._fold()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.forget()

    def render_line(self, y: int) -> Strip:
        at = y + self.scroll_offset.y
        if at not in self._painted:
            self._painted[at] = self._line(at, self.rich_style)
        return self._painted[at]

    def style_of(self, at: int, base: Style) -> Style:
        """Return the style under the line's own styles; ``base`` is the widget's."""
        return base

    def style_over(self, at: int) -> Style | None:
        """Return the style over the line's own styles."""
        return None

    def _line(self, at: int, base: Style) -> Strip:
        style = self.style_of(at, base)
        if at >= len(self._lines):
            return Strip.blank(self.room, style)
        text = self._lines[at].copy()
        text.truncate(self.room, overflow="ellipsis")
        text.end = ""
        segments = Segment.apply_style(text.render(self.app.console), style, self.style_over(at))
        return Strip(segments).adjust_cell_length(self.room, style)
