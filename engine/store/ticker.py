"""Runs a function every few seconds in a thread, for heartbeats and resource figures."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable


class Ticker:
    """Calls ``act`` every ``every_s`` seconds from its start to its stop.

    It goes on after an ``OSError``: a disk may be full or away for a while, and what is wrong for
    good the phase itself reports.
    """

    def __init__(self, name: str, act: Callable[[], object], every_s: float) -> None:
        self._act, self._every_s = act, every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, wait: bool = True) -> None:
        """Stop; ``wait`` for a call under way to end."""
        self._over.set()
        if wait:
            self._thread.join()

    def _run(self) -> None:
        while not self._over.wait(self._every_s):
            with suppress(OSError):
                self._act()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
