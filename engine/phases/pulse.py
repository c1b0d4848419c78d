"""Reports a phase's current activity at least every ten seconds while it works."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Self

from engine.schema import events as ev
from engine.schema.durations import duration
from engine.store.ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Callable

EVERY_S: Final = 2.0
SILENT_S: Final = 6.0  # with a round of the watch still less than ten


class Pulse:
    """While entered, it reports the text of :meth:`doing` when that changes, at most every two
    seconds; if nothing changes, it reports how long the last activity has gone on."""

    def __init__(self, emit: Callable[[ev.Event], None]) -> None:
        self._emit = emit
        self._now = ev.Activity(text="")
        self._told = ""
        self._since = self._heard = time.monotonic()
        self._ticker = Ticker("pulse", self._tell, EVERY_S)

    def doing(self, text: str) -> None:
        """Set the current activity, or none if empty; cheap enough for every decoding step."""
        if text != self._now.text:
            self._now, self._since = ev.Activity(text=text), time.monotonic()

    def heard(self, event: ev.Event) -> None:
        """Note an activity that the phase has reported by itself."""
        if isinstance(event, ev.Activity):
            self._now, self._told = event, event.text
            self._since = self._heard = time.monotonic()
        elif isinstance(event, ev.Progress):
            self._heard = time.monotonic()

    def __enter__(self) -> Self:
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ticker.stop()

    def _tell(self) -> None:
        if event := self._due():
            self._emit(event)

    def _due(self) -> ev.Activity | None:
        now, at = self._now, time.monotonic()
        changed = now.text != self._told
        if not now.text or not (changed or at - self._heard >= SILENT_S):
            return None
        self._told, self._heard = now.text, at
        text = now.text if changed else f"{now.text} ({duration(at - self._since)})"
        return ev.Activity(text=text, waiting=now.waiting)
