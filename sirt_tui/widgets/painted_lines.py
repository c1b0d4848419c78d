"""A scroll view of lines below a heading that paints only changed lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

if TYPE_CHECKING:
    from textual.message import Message

HEADING: Final = 1
LINES_KEPT: Final = 500


class PaintedLines(ScrollView, can_focus=True):
    """The view; subclasses define ``count``, ``heading`` and ``line``. It spares SSH links.
    ``nothing``: what is said where there is no line."""

    DEFAULT_CSS = """
    PaintedLines > .row--cursor { background: $surface-lighten-1; }
    PaintedLines:focus > .row--cursor { background: $primary; color: $text; text-style: bold; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"row--cursor"}

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id)
        self.nothing = ""
        self._painted: dict[int, Strip] = {}

    @property
    def count(self) -> int:
        """The number of lines."""
        raise NotImplementedError

    @property
    def longest(self) -> int:
        """The cells of the longest line; as wide as the view where lines are cut to it."""
        return self.size.width

    def heading(self) -> Strip:
        raise NotImplementedError

    def line(self, at: int) -> Strip:
        raise NotImplementedError

    @property
    def cursor_style(self) -> Style:
        """The style of the row under the cursor."""
        return self.rich_style + self.get_component_rich_style("row--cursor")

    def redraw(self) -> None:
        """Paint the visible lines that have changed, such as ages and states. Under another screen
        nothing is visible; lines are drawn when that screen closes."""
        before, self._painted = self._painted, {}
        if not (self.is_attached and self.screen.is_current):
            return
        top = self.scroll_offset.y
        for at in range(top, min(self.count, top + self.size.height - HEADING)):
            self._painted[at] = self.line(at)
            if self._painted[at] != before.get(at):
                self._refresh_line(at)

    def repaint(self, *lines: int) -> None:
        """Paint these lines again."""
        for at in lines:
            self._painted.pop(at, None)
            self._refresh_line(at)

    def repaint_all(self) -> None:
        self._painted.clear()
        self.refresh()

    def reveal(self, at: int) -> bool:
        """Scroll until a line is visible; return whether that was needed."""
        top, room = self.scroll_offset.y, max(1, self.size.height - HEADING)
        if top <= at < top + room:
            return False
        self.scroll_to(y=at if at < top else at - room + 1, animate=False, immediate=True)
        return True

    def take_room(self) -> None:
        """Set the scroll size to the present lines."""
        self.virtual_size = Size(self.longest, self.count + HEADING)

    def tell(self, message: Message) -> None:
        """Post a message as this widget's own, so that what its parent then posts bubbles on."""
        self.post_message(message.set_sender(self))

    def render_line(self, y: int) -> Strip:
        if y == 0:
            return self.heading()
        at = y + self.scroll_offset.y - HEADING
        if at >= self.count:
            if at > 0 or not self.nothing:
                return Strip.blank(self.size.width, self.rich_style)
            strip = Strip([Segment(f"  {self.nothing}", self.rich_style + Style(bold=True))])
            return strip.adjust_cell_length(self.size.width, self.rich_style)
        if at not in self._painted:
            if len(self._painted) > LINES_KEPT:
                self._painted.clear()
            self._painted[at] = self.line(at)
        return self._painted[at]

    def on_resize(self) -> None:
        self.repaint_all()
        self.take_room()

    def on_focus(self) -> None:
        self.repaint_all()

    def on_blur(self) -> None:
        self.repaint_all()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.repaint_all()

    def _refresh_line(self, at: int) -> None:
        self.refresh(Region(0, at + HEADING - self.scroll_offset.y, self.size.width, 1))
