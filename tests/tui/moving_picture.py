"""The moving picture of the README: the real interface over runs of the shipped experiment.

    python -m tests.tui.moving_picture RUNS FILE

First the training of a run is played from its recorded log, event by event, and the interface
follows it with the clock of the recording; so every rate and time on the picture is as it was.
Then the finished runs are read.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.interfaces import Devices
from engine.machine import processes
from engine.schema.events import Progress
from engine.store.eventlog import EventReader
from engine.store.layout import RunsFolder
from engine.store.run import read_run
from sirt_tui.app import SirtApp
from tests.fixtures.record import unpublish
from tests.tui.animation import Frame, animated
from tests.tui.conftest import run_of
from tests.tui.gallery import at_rest
from tests.tui.helpers import settled, text_of

if TYPE_CHECKING:
    from engine.store.layout import AttemptDir

COLUMNS, ROWS = 110, 30
SHOWN = ("both", "wren-3m")  # the run that is followed: its arm and teacher
STEPS = (4, 9, 14, 19, 24, 29, 35)  # of the training: what the picture shows of it


class Film:
    """Frames of one interface after another."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    async def take(self, pilot: Any, caption: str, seconds: float, complete: str) -> None:
        """The screen as it is once it holds ``complete`` and is at rest."""
        app = pilot.app
        await settled(pilot, lambda: complete in text_of(app) and at_rest(app), complete)
        before = ""
        while before != text_of(app):
            before = text_of(app)
            await asyncio.sleep(1.5)  # curves are drawn once a second
            await pilot.pause()
        strips = app.screen._compositor.render_strips()
        self.frames.append(Frame(caption, seconds, [strip.crop(0, COLUMNS) for strip in strips]))


class Recording:
    """The last attempt of a phase, taken back to its beginning, and played on by hand."""

    def __init__(self, attempt: AttemptDir) -> None:
        self._attempt = attempt
        self._lines = attempt.events.read_bytes().splitlines(keepends=True)
        self._events = EventReader(attempt.events).read(10_000, float("inf"))
        self._attempt.events.write_bytes(b"")
        self._written = 0
        self.now: datetime = self._events[0].ts

    def play_to(self, step: int) -> None:
        """Write the log up to the progress of this step."""
        end = next(
            number
            for number, event in enumerate(self._events)
            if isinstance(event, Progress) and event.unit == "steps" and event.done >= step
        )
        with self._attempt.events.open("ab") as log:  # as a phase does: what is there stays
            log.writelines(self._lines[self._written : end + 1])
        self._written = end + 1
        self._attempt.alive.touch()
        self.now = self._events[end].ts + timedelta(milliseconds=100)


def taken_back(runs: RunsFolder, run_id: str) -> Recording:
    """The run as it was when it began to refine: the phases from there on are not done."""
    phases = read_run(runs, run_id).spec.phases
    at = next(n for n, spec in enumerate(phases) if spec.kind == "refine")
    for number, spec in enumerate(phases[at:]):
        unpublish(runs.phase(spec.id), tried=number == 0)
    shutil.rmtree(runs.root / "registry", ignore_errors=True)  # an index: it is made again
    attempt = runs.phase(phases[at].id).last_attempt()
    assert attempt is not None
    processes.write_owner(attempt, "local", processes.identity(), Devices())
    return Recording(attempt)


async def trains(film: Film, runs: RunsFolder) -> None:
    run_id = run_of(runs, *SHOWN)
    recording = taken_back(runs, run_id)
    recording.play_to(1)
    app = SirtApp(runs, clock=lambda: recording.now)
    async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
        await settled(pilot, lambda: "9 runs" in text_of(app), "the list of runs")
        while app._run_id != run_id:
            await pilot.press("down")
            await pilot.pause()
        await film.take(pilot, "sirt: all runs of a folder, one of them at work", 3.0, "9 runs")
        app.open_run(run_id)
        await film.take(pilot, "enter: a run, live", 1.2, "▶ refine")
        for step in STEPS:
            recording.play_to(step)
            await film.take(pilot, "enter: a run, live", 0.9, f" {step}/")


async def is_read(film: Film, runs: RunsFolder) -> None:
    run_id = run_of(runs, *SHOWN)
    ended = max(phase.manifest()["finished"] for phase in runs.phase_dirs())
    now = datetime.fromisoformat(ended) + timedelta(minutes=1)
    app = SirtApp(runs, clock=lambda: now)
    async with app.run_test(size=(COLUMNS, ROWS)) as pilot:
        await settled(pilot, lambda: "9 runs" in text_of(app), "the list of runs")
        app.open_run(run_id)
        await film.take(pilot, "2: the run when it is done", 3.0, "held out")
        app.open_curves([run_id])
        await film.take(pilot, "w: all its curves on one page", 3.0, "held out")
        app.open_pairs(run_id)
        for _ in range(2):
            await film.take(pilot, "4: what the student preferred over what", 3.0, " pairs")
            await pilot.press("down")
        compared = [run_of(runs, *one) for one in (("baseline",), ("instruct-only", SHOWN[1]))]
        app.open_compare([*compared, run_id])
        await film.take(pilot, "5: differences with intervals and paired tests", 4.0, "◂ reference")
        app.open_compose("pocket")
        await film.take(pilot, "3: an experiment, and what it takes", 4.0, "to do")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.tui.moving_picture")
    parser.add_argument("runs", type=Path, help="a folder in which the experiment pocket is done")
    parser.add_argument("file", type=Path)
    given = parser.parse_args()
    source, file = given.runs.absolute(), given.file.absolute()
    film = Film()
    for scene in (trains, is_read):
        with tempfile.TemporaryDirectory() as temporary:
            os.chdir(temporary)  # the folder's name is on the screen
            shutil.copytree(source, "runs")
            asyncio.run(scene(film, RunsFolder(Path("runs"))))
            os.chdir(file.parent)
    file.write_text(animated(film.frames, COLUMNS), encoding="utf-8")


if __name__ == "__main__":
    main()
