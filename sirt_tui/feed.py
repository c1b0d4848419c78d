"""The feed: the one thread that polls the runs folder and posts what has changed.

A widget that watches gets messages from here and never reads a file itself; what is asked runs in
threads too (:meth:`Feed.ask`), so the loop, and with it the keyboard, is never blocked. What
reads a folder in full is imported by the thread that needs it: the first paint does without.
"""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from textual.message import Message

from engine.schema.errors import UserError
from engine.store.registry import newest_runs
from sirt_tui import failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.widget import Widget

    from engine.commands.queue_changes import Conducting
    from engine.queries.following import RunFollower
    from engine.queries.machine import MachineNow
    from engine.queries.run_list import Roster
    from engine.queries.runs import RunStatus
    from engine.store.item_notes import Marks
    from engine.store.layout import RunsFolder
    from engine.store.run_row import RunRow

P = ParamSpec("P")
R = TypeVar("R")
TICK_S = 0.25
RUNS_EVERY_S = 1.0
RESTS = 19  # a look that took a second is followed by so many without one: 5 % of a core at most
FIRST_PAGE = 100
MACHINE_EVERY_S = 2.0


@dataclass
class _Watch:
    """What a widget watches: every ``every`` seconds ``look`` returns a message if there is news.
    ``said``: why it failed the last time."""

    widget: Widget
    look: Callable[[], Message | None]
    every: float
    due: float = field(default=0.0)
    said: str = ""


class Feed:
    """Polls the runs folder for widgets; it starts with the first watch, ends with the process."""

    class RunsChanged(Message):
        """All runs, newest first; ``damage``: files that can't be read, a line each."""

        def __init__(self, rows: tuple[RunRow, ...], damage: tuple[str, ...] = ()) -> None:
            super().__init__()
            self.rows = rows
            self.damage = damage

    class RunChanged(Message):
        """One run with its phases' views; ``error``: why it can't be read."""

        def __init__(self, run_id: str, status: RunStatus | None, error: str = "") -> None:
            super().__init__()
            self.run_id = run_id
            self.status = status
            self.error = error

    class MachineChanged(Message):
        """A new reading of CPU, memory and GPUs."""

        def __init__(self, now: MachineNow) -> None:
            super().__init__()
            self.machine = now.machine
            self.gpus = now.gpus

    class QueueChanged(Message):
        """The queue, the running phases and the conductor."""

        def __init__(self, now: Conducting) -> None:
            super().__init__()
            self.now = now

    class MarksChanged(Message):
        """All marks of a phase's items; ``error``: why they can't be read."""

        def __init__(self, phase_id: str, marks: Marks, error: str = "") -> None:
            super().__init__()
            self.phase_id = phase_id
            self.marks = marks
            self.error = error

    class Failed(Message):
        """What a widget watches can't be read; posted once, until it can be read again."""

        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._all = _AllRuns(runs)
        self._watches: list[_Watch] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closed = False
        self._thread: threading.Thread | None = None

    def first_runs(self) -> tuple[RunRow, ...]:
        """Return the newest runs from the index, to show while the others are read."""
        return tuple(newest_runs(self._runs, FIRST_PAGE))

    @property
    def rows(self) -> tuple[RunRow, ...]:
        """All runs as they were read last."""
        return self._all.rows or ()

    def watch_runs(self, widget: Widget) -> None:
        """Post ``RunsChanged`` to the widget now and whenever the list changes."""
        self._watch(_Watch(widget, _RunsLook(self._all), RUNS_EVERY_S))

    def watch_run(self, widget: Widget, run_id: str) -> None:
        """Post ``RunChanged`` to the widget now and whenever that run changes."""
        self._watch(_Watch(widget, _RunLook(self._runs, run_id), TICK_S))

    def watch_machine(self, widget: Widget) -> None:
        """Post ``MachineChanged`` to the widget every few seconds."""
        self._watch(_Watch(widget, _look_at_machine, MACHINE_EVERY_S))

    def watch_queue(self, widget: Widget) -> None:
        """Post ``QueueChanged`` to the widget now and whenever the queue or its work changes."""
        self._watch(_Watch(widget, _QueueLook(self._runs), RUNS_EVERY_S))

    def watch_marks(self, widget: Widget, phase_id: str) -> None:
        """Post ``MarksChanged`` to the widget now and whenever anybody marks an item."""
        self._watch(_Watch(widget, _MarksLook(self._runs, phase_id), RUNS_EVERY_S))

    def unwatch(self, widget: Widget) -> None:
        with self._lock:
            self._watches = [w for w in self._watches if w.widget is not widget]

    def hurry(self) -> None:
        """Poll everything now, since a command has changed something."""
        self._all.due = 0.0
        with self._lock:
            for watch in self._watches:
                watch.due = 0.0
        self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    @staticmethod
    async def ask(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Compute a call's answer in a thread."""
        return await asyncio.to_thread(call, *args, **kwargs)

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
        began = time.thread_time()
        watch.due = float("inf")
        message = self._looked(watch)
        pause = max(watch.every, RESTS * (time.thread_time() - began))
        watch.due = min(watch.due, time.monotonic() + pause)
        if message is not None and not self._closed:
            watch.widget.post_message(message)

    @staticmethod
    def _looked(watch: _Watch) -> Message | None:
        """Poll for one watch; an error must not end the thread, which serves all others too."""
        try:
            message = watch.look()
        except Exception as error:
            said, watch.said = watch.said, f"{type(error).__name__}: {error}"
            return Feed.Failed(error) if watch.said != said else None
        watch.said = ""
        return message


def _look_at_machine() -> Message:
    from engine.queries import machine

    return Feed.MachineChanged(machine.look())


class _AllRuns:
    """The list of all runs, held and polled once however many widgets watch it."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._roster: Roster | None = None
        self._rows: tuple[RunRow, ...] | None = None
        self.damage: tuple[str, ...] = ()
        self.due = 0.0

    @property
    def rows(self) -> tuple[RunRow, ...] | None:
        return self._rows

    def look(self) -> tuple[RunRow, ...] | None:
        """Return all rows, the same tuple if unchanged; None until they could be read."""
        if time.monotonic() < self.due:
            return self._rows
        if self._roster is None:
            from engine.queries.run_list import Roster

            self._roster = Roster(self._runs)
        began = time.thread_time()
        self.due = float("inf")
        try:
            self._rows = self._roster.look()
            self.damage = self._roster.damage()
        finally:
            pause = max(RUNS_EVERY_S, RESTS * (time.thread_time() - began)) - TICK_S / 2
            self.due = min(self.due, time.monotonic() + pause)
        return self._rows


class _RunsLook:
    """Polls the list of runs for changes."""

    def __init__(self, all_runs: _AllRuns) -> None:
        self._all = all_runs
        self._last: tuple[RunRow, ...] | None = None
        self._damage: tuple[str, ...] = ()

    def __call__(self) -> Message | None:
        rows, damage = self._all.look(), self._all.damage
        if rows is None or (rows is self._last and damage == self._damage):
            return None
        self._last, self._damage = rows, damage
        return Feed.RunsChanged(rows, damage)


class _RunLook:
    """Polls one run for changes."""

    def __init__(self, runs: RunsFolder, run_id: str) -> None:
        self._runs = runs
        self._follower: RunFollower | None = None
        self._run_id = run_id
        self._error = ""

    def __call__(self) -> Message | None:
        if self._follower is None:
            from engine.queries.following import RunFollower

            self._follower = RunFollower(self._runs, self._run_id)
        try:
            status = self._follower.advance()
        except (OSError, UserError) as error:
            said = failures.said(error)
            if said == self._error:
                return None
            self._error = said
            return Feed.RunChanged(self._run_id, None, self._error)
        return Feed.RunChanged(self._run_id, status) if status is not None else None


class _QueueLook:
    """Polls the queue for changes."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._last: Conducting | None = None

    def __call__(self) -> Message | None:
        from engine.commands import queue_changes

        try:
            now = queue_changes.look(self._runs)
        except (OSError, UserError):  # damaged by hand; the doctor says where
            return None
        if now == self._last:
            return None
        self._last = now
        return Feed.QueueChanged(now)


class _MarksLook:
    """Polls a phase's marks for changes."""

    def __init__(self, runs: RunsFolder, phase_id: str) -> None:
        self._runs = runs
        self._phase_id = phase_id
        self._stamp: tuple[int, int] | None = None

    def __call__(self) -> Message | None:
        from engine.store import item_notes

        try:
            found = self._runs.phase(self._phase_id).marks.stat()
            stamp = found.st_mtime_ns, found.st_ino
        except OSError:
            stamp = (0, 0)
        if stamp == self._stamp:
            return None
        self._stamp = stamp
        try:
            marks = item_notes.read_marks(self._runs, self._phase_id)
        except (OSError, UserError) as error:
            return Feed.MarksChanged(self._phase_id, {}, failures.said(error))
        return Feed.MarksChanged(self._phase_id, marks)
