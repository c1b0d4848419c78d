"""Drop messages, keys and results that come for a screen while it is being closed.

A screen that is popped loses its widgets first and its messages last: news of the feed, timers,
callbacks and the results of its workers still come, and each would look for a widget that is
gone. The same holds for keys that come before a new screen has its widgets.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from textual import events, messages
from textual.command import CommandList, CommandPalette, SearchIcon
from textual.screen import ModalScreen, Screen
from textual.widget import Widget
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from sirt_tui import failures
from sirt_tui.feed import Feed

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.message import Message

P = ParamSpec("P")
R = TypeVar("R")
Result = TypeVar("Result")
# what Textual itself takes a screen apart with
TAKES_APART = (events.Unmount, messages.Prune, messages.CloseMessages)


class Part(Widget):
    """A widget that ignores messages for inner widgets that are gone already."""

    @property
    def is_left(self) -> bool:
        """Whether its widgets are being removed, or are gone."""
        return self._pruning or self._closing or self._closed

    async def _dispatch_message(self, message: Message) -> None:
        if not self.is_left or isinstance(message, TAKES_APART):
            await super()._dispatch_message(message)


class Leavable(Screen[Result], Part):
    """A screen or dialog whose background work may outlive it."""

    @property
    def way_out(self) -> str:
        """What the key that enlarges a part does next, where one has all the room; else ""."""
        return "All panels" if self.maximized is not None else ""

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Accept its keys only while its widgets are there."""
        if self.is_left or not self.is_mounted:
            return False
        return super().check_action(action, parameters)

    def run_worker(self, *args: Any, **options: Any) -> Worker[Any]:
        """Run a worker; if it fails, the screen says so and the program goes on."""
        return super().run_worker(*args, **(options | {"exit_on_error": False}))

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        if event.state is WorkerState.ERROR and event.worker.error is not None:
            self.failed(event.worker.error)

    def failed(self, error: BaseException) -> None:
        """Report that a request failed."""
        self.notify(failures.said(error), severity="error", markup=False)

    async def pause(self, seconds: float) -> None:
        """Wait; end the worker if the screen was left meanwhile."""
        await asyncio.sleep(seconds)
        self._go_on()

    def deliver(self, take: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> None:
        """Hand over a part of a result from a thread, unless the screen was left."""

        def unless_left() -> None:
            if not self.is_left:
                take(*args, **kwargs)

        self.app.call_from_thread(unless_left)

    async def ask(self, call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute a call's answer in a thread; end the asking worker if the screen was left
        meanwhile."""
        answer = await Feed.ask(call, *args, **kwargs)
        self._go_on()
        return answer

    def _go_on(self) -> None:
        if self.is_left:
            raise asyncio.CancelledError


class Dialog(ModalScreen[Result], Leavable[Result]):
    """A dialog over a screen. (Textual takes the style from the first base.)"""

    def heeds(self, key: events.Key) -> bool:
        """Whether a key, which may have been typed before the dialog was there, is meant for it."""
        return True


class Palette(CommandPalette, Leavable[None]):
    """Textual's command palette, made safe: its search outlives it, and it raises when a page key
    comes before its list has been laid out (8.2.8). ``text``: what is typed already."""

    def __init__(self, text: str = "") -> None:
        super().__init__(placeholder="an action, a run, a curve, a filter")
        self._begun = text

    def on_mount(self) -> None:
        self.query_one(SearchIcon).icon = ">"  # not all terminals have Textual's, nor agree on it
        if self._begun:
            box = self.query_one(Input)
            box.value = self._begun
            box.cursor_position = len(self._begun)

    def _action_command_list(self, action: str) -> None:
        if self.query_one(CommandList).size.height:
            super()._action_command_list(action)
