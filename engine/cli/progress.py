"""Show a live line for work that takes minutes: how far, how fast, how long still."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING

from engine.cli.output import write_over
from engine.schema.durations import duration
from engine.schema.rates import rate_text
from engine.schema.sanitize import CUT

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY_S = 0.2


class LiveLine:
    """The last line of ``stderr``, rewritten in place; nothing when that is not a terminal."""

    def __init__(self, quiet: bool = False) -> None:
        self.live = sys.stderr.isatty() and not quiet

    def show(self, text: str) -> None:
        if self.live:  # a line that wraps could not be written over
            room = shutil.get_terminal_size().columns - 1
            write_over(text if len(text) <= room else text[: room - 1] + CUT)

    def show_parts(self, begin: str, parts: Sequence[str]) -> None:
        """Show as many of the parts as fit, at least one, and how many more there are."""
        room = shutil.get_terminal_size().columns - 1
        for shown in range(len(parts), 0, -1):
            more = [f"+{len(parts) - shown} more"] if shown < len(parts) else []
            line = " | ".join([begin, *more, *parts[:shown]])
            if len(line) <= room or shown == 1:
                self.show(line)
                return
        self.show(begin)

    def clear(self) -> None:
        self.show("")


def pace(done: int, took: float, left: int) -> str:
    """Return rate and time left, once something is done."""
    if not done or not took:
        return ""
    return f", {rate_text(done / took, 'item')}, {duration(took / done * left)} left"


class Progress:
    """Shows the progress of several tasks, one after the other."""

    def __init__(self) -> None:
        self._line = LiveLine()
        self._what = ""
        self._began = self._told = 0.0

    def watch(self, what: str, done: int, total: int) -> None:
        """Show progress; rate and time left start afresh when ``what`` changes."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._told = what, now, 0.0
        if now - self._told < EVERY_S:
            return
        self._told = now
        self._line.show(f"{what}: {done}/{total}{pace(done, now - self._began, total - done)}")

    def clear(self) -> None:
        self._line.clear()
