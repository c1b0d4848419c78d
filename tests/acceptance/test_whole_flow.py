"""A researcher's day in the interface, with the real engine behind it: compose, launch, watch,
read the pairs, exclude some, refine again, compare, export; the pairs are there from the start."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest

from sirt_tui.app import SirtApp
from sirt_tui.screens.compose import ComposePage
from sirt_tui.widgets.dialogs import Confirm
from tests.acceptance.conftest import DEADLINE_S, SMALL, CommandLine
from tests.tui.helpers import text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from textual.pilot import Pilot

    from engine.store.layout import RunsFolder


async def until(pilot: Pilot[Any], condition: Callable[[], Any], what: str) -> None:
    """Real trainings take their time, so the deadline is longer than for screens alone."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        await pilot.pause()
        if condition():
            return
        await asyncio.sleep(0.05)
    raise AssertionError(f"never happened: {what}\n{text_of(pilot.app)}")  # type: ignore[arg-type]


@pytest.mark.slow(60)
def test_from_composing_to_the_exported_comparison(
    half_done: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in half_done.env.items():
        monkeypatch.setenv(name, value)
    from engine.store.layout import RunsFolder

    runs = RunsFolder(half_done.runs)
    asyncio.run(day(SirtApp(runs), runs, tmp_path / "compared"))
    kinds = {path.suffix for path in (tmp_path / "compared").iterdir()}
    assert kinds == {".md", ".tex", ".csv", ".svg"}
    plain, curated = sorted(half_done.json("status"), key=lambda run: "left out" in run["name"])
    assert (plain["state"], curated["state"]) == ("done", "done")
    shared = {
        kind: set(phases_of(runs, plain, kind)) for kind in ("annotate", "instruct", "elicit")
    }
    assert all(set(phases_of(runs, curated, kind)) == ids for kind, ids in shared.items())
    assert phases_of(runs, curated, "refine") != phases_of(runs, plain, "refine")


def phases_of(runs: RunsFolder, run: dict[str, Any], kind: str) -> list[str]:
    from engine.store.run import read_run

    return [p.id for p in read_run(runs, run["run_id"]).spec.phases if p.kind == kind]


async def day(app: SirtApp, runs: RunsFolder, target: Path) -> None:
    async with app.run_test(size=(160, 50), notifications=True) as pilot:
        shows = lambda text: until(pilot, lambda: text in text_of(app), text)  # noqa: E731
        app.open_compose(preset=str(SMALL))
        await until(pilot, lambda: isinstance(app.screen, ComposePage), "composing")
        await shows("1 run")
        await pilot.press("ctrl+l")
        await until(pilot, lambda: isinstance(app.screen, Confirm), "the question")
        await pilot.press("y")
        await shows("SIRT Runs")
        await until(pilot, runs.run_ids, "the run is there")
        await shows("both wren-1m")
        await pilot.press("enter")
        await shows("▶ ")
        await shows("✓ refine")
        await until(pilot, lambda: all_done(runs), "the run is done")
        await pilot.press("p")
        await shows("pairs")
        await pilot.press("i")
        await shows("1 left out")
        await pilot.press("R")
        await shows("Refine again without 1 of")
        await pilot.press("y")
        await until(pilot, lambda: len(runs.run_ids()) == 2, "the curated run is there")
        await until(pilot, lambda: all_done(runs), "the curated run is done")
        await pilot.press("1")
        await shows("2 runs")
        await pilot.press("g", "space", "j", "space", "c")
        await shows("SIRT Compare")
        await shows(" p ")  # the paired test has been made
        await pilot.press("E")
        await shows("Export accuracies")
        await pilot.press("ctrl+u", *str(target), "enter")
        await shows("files are in")


def all_done(runs: RunsFolder) -> bool:
    from engine.queries.runs import list_runs

    return all(row.state == "done" for row in list_runs(runs))
