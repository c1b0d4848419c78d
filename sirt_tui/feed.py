"""The only poller: one thread that reads the folder, folds, and posts what changed.

A widget that watches gets messages from here and never reads a file itself; verbs run in
threads too (:meth:`Feed.ask`), so the loop, and with it the keyboard, is never blocked.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from textual.message import Message

from engine.contract.errors import UserError
from engine.control import machine
from engine.control.following import RunFollower
from engine.control.watching import RunList

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.widget import Widget

    from engine.contract.run import RunRow
    from engine.contract.rundir import RunsFolder
    from engine.control.listing import RunStatus
    from engine.control.machine import MachineNow

P = ParamSpec("P")
R = TypeVar("R")
TICK_S = 0.25
RUNS_EVERY_S = 1.0
MACHINE_EVERY_S = 2.0


@dataclass
class _Watch:
    """A widget's wish: ``look`` gives a message when there is news, every ``every`` seconds."""

    widget: Widget
    look: Callable[[], Message | None]
    every: float
    due: float = field(default=0.0)


class Feed:
    """Started on the first watch; ends with the process."""

    class RunsChanged(Message):
        """All runs, newest first; not ``whole``: the first page of them only, so far."""

        def __init__(self, rows: tuple[RunRow, ...], whole: bool = True) -> None:
            super().__init__()
            self.rows = rows
            self.whole = whole

    class RunChanged(Message):
        """One run with its phases' views; ``error``: why it can't be read."""

        def __init__(self, run_id: str, status: RunStatus | None, error: str = "") -> None:
            super().__init__()
            self.run_id = run_id
            self.status = status
            self.error = error

    class MachineChanged(Message):
        """A new reading of CPU and memory, and of the cards."""

        def __init__(self, now: MachineNow) -> None:
            super().__init__()
            self.machine = now.machine
            self.gpus = now.gpus

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._watches: list[_Watch] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def watch_runs(self, widget: Widget) -> None:
        """Post ``RunsChanged`` to the widget now and whenever the list changes."""
        self._watch(_Watch(widget, _RunsLook(self._runs), RUNS_EVERY_S))

    def watch_run(self, widget: Widget, run_id: str) -> None:
        """Post ``RunChanged`` to the widget now and whenever that run changes."""
        self._watch(_Watch(widget, _RunLook(self._runs, run_id), TICK_S))

    def watch_machine(self, widget: Widget) -> None:
        """Post ``MachineChanged`` to the widget every few seconds."""
        self._watch(_Watch(widget, lambda: Feed.MachineChanged(machine.look()), MACHINE_EVERY_S))

    def unwatch(self, widget: Widget) -> None:
        with self._lock:
            self._watches = [w for w in self._watches if w.widget is not widget]

    def hurry(self) -> None:
        """Look at everything now: a verb has changed something."""
        with self._lock:
            for watch in self._watches:
                watch.due = 0.0
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    @staticmethod
    async def ask(verb: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """A verb's answer, computed in a thread."""
        return await asyncio.to_thread(verb, *args, **kwargs)

    def _watch(self, watch: _Watch) -> None:
        with self._lock:
            self._watches.append(watch)
        if self._thread is None:
            self._thread = threading.Thread(target=self._poll, name="feed", daemon=True)
            self._thread.start()
        self._wake.set()

    def _poll(self) -> None:
        while not self._closed:
            with self._lock:
                watches = list(self._watches)
            for watch in watches:
                self._serve(watch)
            self._wake.wait(TICK_S if watches else None)
            self._wake.clear()

    def _serve(self, watch: _Watch) -> None:
        if time.monotonic() < watch.due or not watch.widget.is_attached:
            return
        watch.due = time.monotonic() + watch.every
        message = watch.look()
        if message is not None and not self._closed:
            watch.widget.post_message(message)


class _RunsLook:
    """The list of runs when something in it moved; the first time, its first page."""

    def __init__(self, runs: RunsFolder) -> None:
        self._list = RunList(runs)
        self._begun = False

    def __call__(self) -> Message | None:
        try:
            if not self._begun:
                self._begun = True
                first = self._list.first_page()
                if first:
                    return Feed.RunsChanged(tuple(first), whole=False)
            rows = self._list.advance()
        except (OSError, UserError):  # a moment later it is readable again, or the doctor says
            return None
        return None if rows is None else Feed.RunsChanged(tuple(rows))


class _RunLook:
    """One run when something in it moved."""

    def __init__(self, runs: RunsFolder, run_id: str) -> None:
        self._follower = RunFollower(runs, run_id)
        self._run_id = run_id
        self._error = ""

    def __call__(self) -> Message | None:
        try:
            status = self._follower.advance()
        except (OSError, UserError) as error:
            if str(error) == self._error:
                return None
            self._error = str(error)
            return Feed.RunChanged(self._run_id, None, self._error)
        return Feed.RunChanged(self._run_id, status) if status is not None else None
