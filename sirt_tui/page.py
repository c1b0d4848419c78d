"""What all screens share: the header line, the keys to other screens, the filter."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, ClassVar, ParamSpec, cast

from rich.text import Text
from textual import work
from textual.containers import Vertical
from textual.reactive import reactive
from textual.widgets import Input, Static

from engine.schema.counts import counted
from engine.schema.errors import UserError
from engine.schema.sanitize import one_line
from sirt_tui import failures
from sirt_tui.places import bindings
from sirt_tui.widgets.key_line import KeyLine
from sirt_tui.widgets.leaving import Leavable
from sirt_tui.widgets.searching import SearchLine

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.widget import Widget

    from engine.store.layout import RunsFolder
    from sirt_tui.feed import Feed
    from sirt_tui.shell import Shell

P = ParamSpec("P")
SHOWN = 200  # characters of what was copied
WIDE = 160  # columns of a terminal that has room for panels beside each other


class HeaderLine(Static):
    """The top line: the program, the screen, its subject, and the folder."""

    DEFAULT_CSS = """
    HeaderLine { dock: top; height: 1; background: $panel; color: $foreground; padding: 0 1; }
    """

    def show(self, title: str, subject: str, folder: str) -> None:
        """Show these parts, with the folder last; what is too long is cut at the end."""
        text = Text()
        text.append("SIRT ", "bold")
        text.append(title, "bold")
        if subject:
            text.append(f"  {one_line(subject, 200)}")
        text.append(f"  {folder}", "dim")
        self.update(text)


class Page(Leavable[None]):
    """A screen of the program. Subclasses define ``TITLE`` and ``compose_body``."""

    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-medium"), (WIDE, "-wide")]  # noqa: RUF012
    DEFAULT_CSS = """
    Page #bottom { dock: bottom; height: auto; }
    """
    SEARCHES: ClassVar[bool] = False  # whether its texts can be searched
    ALLOW_IN_MAXIMIZED_VIEW = "HeaderLine,#bottom"  # where one is, and the way out
    ESCAPE_TO_MINIMIZE = False  # a search in the zoomed panel ends first
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("page")]
    subject = reactive("")

    @property
    def sirt(self) -> Shell:
        return cast("Shell", self.app)

    @property
    def feed(self) -> Feed:
        return self.sirt.feed

    @property
    def runs(self) -> RunsFolder:
        return self.sirt.runs

    @property
    def is_covered(self) -> bool:
        """Whether it can't be seen: another page was opened from it, or it has been left."""
        pages = [screen for screen in self.app.screen_stack if isinstance(screen, Page)]
        return not pages or pages[-1] is not self

    def about_here(self) -> tuple[str, RenderableType] | None:
        """What is under the cursor, with its name, for the help; None where that needs none."""
        return None

    def why_not(self, name: str) -> str:
        """Say in a line why an action has no effect at present; empty where that needs no words."""
        return ""

    def on_found(self) -> None:
        for line in self.query(SearchLine):
            line.tell()

    def on_feed_failed(self, event: Feed.Failed) -> None:
        self.failed(event.error)

    def failed(self, error: BaseException) -> None:
        """Show a failure in the header too, since nothing is read any more."""
        self.subject = f"failed: {failures.said(error)}"
        super().failed(error)

    async def tell_if_refused(
        self, command: Callable[P, object], *args: P.args, **kw: P.kwargs
    ) -> None:
        """Run a check, and show only its error, if any."""
        try:
            await self.ask(command, *args, **kw)
        except (UserError, OSError) as error:
            self.sirt.say_error(error)

    def compose(self) -> ComposeResult:
        yield HeaderLine()
        yield from self.compose_body()
        with Vertical(id="bottom"):
            if self.SEARCHES:
                yield SearchLine()
            yield KeyLine()

    def compose_body(self) -> ComposeResult:
        yield from ()

    def on_mount(self) -> None:
        self._show_header()

    def on_unmount(self) -> None:
        self.feed.unwatch(self)

    def watch_subject(self) -> None:
        if self.is_mounted:
            self._show_header()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let ``/`` open the filter at once, before the next key, except while typing text. (On a
        slow line, keys come in bunches.)"""
        if action in ("filter", "search") and isinstance(self.focused, Input):
            return False
        return super().check_action(action, parameters)

    def hint(self, text: str) -> None:
        """Say in the bottom line why a key had no effect."""
        self.query_one(KeyLine).say(text)

    def action_to_panel(self, at: int) -> None:
        """Put the focus on the panel with this number, if there is one."""
        panels = self.panels()
        if at < len(panels):
            self.set_focus(panels[at])
        else:
            self.hint(f"there is no panel {at + 1} here")

    def panels(self) -> list[Widget]:
        """Return the widgets that can have the focus, in their order on the screen."""
        return [widget for widget in self.focus_chain if not isinstance(widget, Input)]

    def copied(self) -> dict[str, str]:
        """Return what can be copied here, by what it is: id, path, command."""
        return {}

    @work
    async def action_copy(self) -> None:
        """Copy one of them to the clipboard of the terminal (OSC 52), also over SSH."""
        offers = self.copied()
        if not offers:
            self.hint("there is nothing to copy under the cursor")
            return
        said = await self.sirt.choose("Copy", [(what, what, text) for what, text in offers.items()])
        if said is not None:
            text = offers[said]
            self.app.copy_to_clipboard(text)
            self.sirt.say(f"copied the {said}{_size(text)}: {one_line(text, SHOWN)}")

    def _of_run(self, run_id: str | None) -> dict[str, str]:
        """Return what can be copied of a run."""
        if run_id is None:
            return {}
        return {
            "id": run_id,
            "path": str(self.runs.run_folder(run_id).absolute()),
            "command": self._command("status", run_id),
        }

    def _command(self, *words: str) -> str:
        """Write a command that works from any folder."""
        return shlex.join(["sirt", "--runs", str(self.runs.root.absolute()), *words])

    def metrics(self) -> dict[str, Callable[[], object]]:
        """Return the metrics whose curves can be gone to, by name; for the palette."""
        return {}

    @property
    def can_filter(self) -> bool:
        return bool(self.query("#filter"))

    def filter_by(self, text: str) -> None:
        """Filter by this text, as if it had been typed."""
        box = self.query_one("#filter", Input)
        box.add_class("open")
        box.value = text

    def action_filter(self) -> None:
        box = self.query_one("#filter", Input)
        box.add_class("open")
        self.set_focus(box)

    def close_filter(self) -> bool:
        """Clear and close the filter; return whether it was open."""
        box = self.query_one("#filter", Input)
        was_open = box.has_class("open")
        box.remove_class("open")
        box.value = ""
        return was_open

    def _show_header(self) -> None:
        line = self.query_one(HeaderLine)
        line.show(self.TITLE or "", self.subject, str(self.runs.root))


def _size(text: str) -> str:
    """Say how long a text is that is not shown whole."""
    lines = text.count("\n") + 1
    if len(text) <= SHOWN and lines == 1:
        return ""
    return f" ({len(text)} characters, {counted(lines, 'line')})"
