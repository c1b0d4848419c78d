"""Give each key to what it is meant for, however fast keys come.

Over a slow line they come in bunches, and what a key opens is there only some messages later, or
when a worker has read what is asked about. Until then the next key waits, for a moment at most.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from textual.widgets import Input

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from textual.app import App
    from textual.events import Key
    from textual.worker import Worker

ASKS: Final = "asks"  # the group of workers that ask something as soon as they have read it
PATIENCE_S: Final = 1.5  # so long a key waits for what the key before it does
CALM: Final = 3  # turns of the loop in which no message is on its way


class TypedAhead:
    """Delivers keys one after the other, in their order. ``deliver``: gives one to the screen."""

    def __init__(self, app: App[None], deliver: Callable[[Key], Awaitable[None]]) -> None:
        self._app = app
        self._deliver = deliver
        self._keys: deque[Key] = deque()
        self._task: asyncio.Task[None] | None = None
        self._last = 0.0
        self._slow: WeakSet[Worker[object]] = WeakSet()  # waited for once, in vain

    def add(self, key: Key) -> None:
        self._keys.append(key)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._go())

    async def _go(self) -> None:
        text = False
        while self._keys:
            if not text:  # which opens nothing
                await self._settled()
            key = self._keys.popleft()
            self._last = time.monotonic()
            text = key.is_printable and isinstance(self._app.focused, Input)
            try:
                await self._deliver(key)
            except Exception as error:
                self._app._handle_exception(error)

    async def _settled(self) -> None:
        """Wait until the key before has done what it does, as far as that asks or opens."""
        calm, began = 0, time.monotonic()
        while calm < CALM:
            if time.monotonic() > began + PATIENCE_S:
                self._slow.update(self._opening())
                return
            calm = calm + 1 if self._is_calm() else 0
            await asyncio.sleep(0 if calm else 0.002)

    def _is_calm(self) -> bool:
        app = self._app
        if not app.screen_stack:
            return True
        screen = app.screen
        target = screen.focused or screen
        if not screen.is_mounted or any(n.message_queue_size for n in target.ancestors_with_self):
            return False
        return time.monotonic() > self._last + PATIENCE_S or not any(self._opening())

    def _opening(self) -> Iterator[Worker[object]]:
        """Yield the screen's workers that may ask something soon."""
        for worker in self._app.workers:
            known = worker in self._slow or not _opens(worker)
            if not known and worker.node.screen is self._app.screen:
                yield worker


def _opens(worker: Worker[object]) -> bool:
    """Whether it was started by a key, or else asks something."""
    return worker.is_running and (worker.name.startswith("action_") or worker.group == ASKS)
