"""A conductor that works in this process: it does what is queued when a follower first waits."""

from __future__ import annotations

import signal
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING

from engine.interfaces import Devices
from engine.scheduling import daemon
from engine.scheduling.queue import change, read_queue
from engine.scheduling.runner import run_attempt
from engine.store.run import read_run

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from engine.store.layout import RunsFolder


def conduct_here(monkeypatch: pytest.MonkeyPatch) -> Callable[[RunsFolder], None]:
    """Returns what does all that is queued in a folder, for those who don't follow."""
    launched: list[RunsFolder] = []

    def conduct(runs: RunsFolder) -> None:
        for entry in read_queue(runs).entries:
            folders = [runs.phase(spec.id) for spec in read_run(runs, entry.run_id).spec.phases]
            for folder in folders:
                if not folder.done:
                    run_attempt(folder, folder.new_attempt(), Devices())
            if all(folder.done for folder in folders):
                change(runs, lambda queue, over=entry.run_id: queue.without(over))

    monkeypatch.setattr(daemon, "make_way", lambda *_: None)
    monkeypatch.setattr(daemon, "revive", lambda *_: None)
    monkeypatch.setattr(daemon, "ensure_running", launched.append)
    waiting = SimpleNamespace(sleep=lambda _: conduct(launched[-1]), monotonic=time.monotonic)
    monkeypatch.setattr("engine.cli.follow.time", waiting)
    deaf = SimpleNamespace(signal=lambda *_: None, SIGTERM=signal.SIGTERM)
    monkeypatch.setattr("engine.scheduling.runner.signal", deaf)  # it may work in a thread
    return conduct
