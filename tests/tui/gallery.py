"""Every screen on the recorded runs: for pictures, and for the snapshots that guard them.

python -m tests.tui.gallery FOLDER      writes SCREEN-WIDTHxHEIGHT.svg
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine.commands import queue_changes
from engine.queries.machine import (
    Gpu,
    GpuProcess,
    Machine,
    MachineNow,
)
from engine.scheduling import queue
from engine.scheduling.queue import DeviceRequest
from engine.store.layout import RunsFolder
from sirt_tui.feed import Feed
from tests.tui.conftest import copy_recorded, run_of
from tests.tui.helpers import app_on, settled, text_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from sirt_tui.app import SirtApp

TEACHER = {"instruct-only": "wren-3m", "both": "wren-3m", "refine-only": "otter-3m"}
USERS = (
    GpuProcess(4_242, "ada", "python", 30_000.0, True, 88.0),
    GpuProcess(777, "grace", "python", 10_000.0, False),
)
CARDS = (
    Gpu(0, "H100", "uuid-0", 81_559.0, 42_000.0, 97.0, USERS, 61.0, 310.0, 700.0),
    Gpu(1, "H100", "uuid-1", 81_559.0, 500.0, 0.0),
)
SIZES = ((80, 24), (120, 40), (200, 50))


def open_run(app: SirtApp) -> None:
    app.open_run(run_of(app.runs, "both", "wren-3m"))


def open_compose(app: SirtApp) -> None:
    """On a machine that looks the same wherever this runs."""
    message = Feed.MachineChanged(MachineNow(Machine(16, 1.0, 128_000.0, 9_000.0), CARDS))
    app.feed.watch_machine = lambda widget: widget.post_message(message)  # type: ignore[assignment]
    app.open_compose("pocket")


def open_pairs(app: SirtApp) -> None:
    app.open_pairs(run_of(app.runs, "both", "wren-3m"))


def open_compare(app: SirtApp, view: int = 0) -> None:
    arms = ("instruct-only", "both", "refine-only", "baseline")
    app.open_compare([run_of(app.runs, arm, TEACHER.get(arm)) for arm in arms])
    app.call_after_refresh(lambda: app.screen.action_view(view))  # type: ignore[attr-defined]


def open_devices(app: SirtApp) -> None:
    """The recorded work, on a machine that looks the same wherever this runs."""
    live = run_of(app.runs, "both", "otter-3m")
    retried = run_of(app.runs, "refine-only", "wren-3m")
    queue.enqueue(app.runs, [live, retried], DeviceRequest(gpus=(0,)))
    queue.hold(app.runs, retried, True)
    now = queue_changes.look(app.runs)
    working = [replace(work, pid=USERS[0].pid, gpus=(0,)) for work in now.working]
    now = replace(now, conductor_pid=4_000, working=tuple(working))
    machine = MachineNow(Machine(16, 1.0, 128_000.0, 9_000.0), CARDS)
    feed: Any = app.feed
    feed.watch_machine = lambda widget: widget.post_message(Feed.MachineChanged(machine))
    feed.watch_queue = lambda widget: widget.post_message(Feed.QueueChanged(now))
    app.open_devices()


# screen -> how to open it, and a text that is there once it is complete
SCREENS: dict[str, tuple[Callable[[SirtApp], None], str]] = {
    "runs": (lambda app: None, "9 runs"),
    "run": (open_run, "held out"),
    "compose": (open_compose, "to do"),
    "pairs": (open_pairs, "24 pairs"),
    "compare": (open_compare, "◂ reference"),
    "compare-curves": (lambda app: open_compare(app, 1), "◂ reference"),
    "compare-matrix": (lambda app: open_compare(app, 3), "◂ reference"),
    "devices": (open_devices, "held"),
}

# in the fast tests one screen stands for all
EVERY_SCREEN = [
    pytest.param(name, marks=() if name == "runs" else pytest.mark.slow) for name in SCREENS
]


async def show(name: str, pilot: Pilot[Any]) -> None:
    """Open a screen and wait until it is complete and at rest."""
    app: Any = pilot.app
    opened, complete = SCREENS[name]
    await settled(pilot, lambda: "9 runs" in text_of(app), "the list of runs")
    opened(app)
    await settled(pilot, lambda: complete in text_of(app), f"{name}: {complete!r}")
    before = ""
    while before != app.export_screenshot():
        before = app.export_screenshot()
        await settled(pilot, lambda: at_rest(app), f"{name} at rest")
        for _ in range(5):
            await pilot.pause()
            await asyncio.sleep(0.05)


def at_rest(app: Any) -> bool:
    """Every look that was asked for has been taken, and nothing is being read in a thread."""
    looked = all(0 < watch.due < math.inf for watch in app.feed._watches)
    return looked and not any(worker.is_running for worker in app.workers)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.tui.gallery")
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        os.chdir(temporary)
        copy_recorded(Path("runs"))
        for name in SCREENS:
            for width, height in SIZES:
                asyncio.run(_picture(name, width, height, folder))


async def _picture(name: str, width: int, height: int, folder: Path) -> None:
    app = app_on(RunsFolder(Path("runs")))
    async with app.run_test(size=(width, height)) as pilot:
        await show(name, pilot)
        app.save_screenshot(f"{name}-{width}x{height}.svg", str(folder))


if __name__ == "__main__":
    main()
