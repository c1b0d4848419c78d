"""What one key copies, the warnings whole, a report from the list, and choices that come back."""

from __future__ import annotations

import asyncio
import threading

import pytest
from rich.text import Text

from sirt_tui.app import SirtApp
from sirt_tui.remembered import Remembered
from sirt_tui.widgets.dialogs import AskText, Choose
from sirt_tui.widgets.reading import Reading
from tests.tui.conftest import run_of
from tests.tui.helpers import NOW, app_on, said_by, settled, text_of


def test_ids_paths_and_commands_are_copied(recorded):
    run_id = run_of(recorded, "both", "wren-3m")
    root = recorded.root.absolute()

    async def copied(app, pilot, what):
        await pilot.press("Y")
        await settled(pilot, lambda: isinstance(app.screen, Choose))
        app.screen.dismiss(what)
        await settled(pilot, lambda: f"copied the {what}" in said_by(app), what)
        return app.clipboard

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            app.screen.table.move_to(run_id)
            assert await copied(app, pilot, "id") == run_id
            assert await copied(app, pilot, "path") == str(root / run_id)
            assert await copied(app, pilot, "command") == f"sirt --runs {root} status {run_id}"
            app.open_run(run_id)
            await settled(pilot, lambda: "held out" in text_of(app))
            assert (await copied(app, pilot, "phase's path")).startswith(str(root / "phases"))
            app.screen.action_warnings()
            await settled(pilot, lambda: isinstance(app.screen, Reading))
            assert "these pairs say little about style" in text_of(app)
            await pilot.press("escape")
            app.open_pairs(run_id)
            await settled(pilot, lambda: "24 pairs" in text_of(app))
            await settled(pilot, lambda: app.screen.table.row and app.screen.table.row.item)
            item = app.screen.table.row.item
            command = f"sirt --runs {root} pairs {run_id} --id {item.id}"
            assert await copied(app, pilot, "command") == command
            assert await copied(app, pilot, "chosen text") == item.sides[0].text
            assert " mark " in text_of(app)
            app.open_devices()
            await settled(pilot, lambda: "phases at once" in text_of(app))
            await pilot.press("Y")
            await settled(pilot, lambda: "nothing to copy" in text_of(app))

    asyncio.run(flow())


def test_a_long_text_is_read_on_by_keys(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(60, 15)) as pilot:
            app.push_screen(Reading("Warnings", Text("\n".join(f"line {n}." for n in range(99)))))
            await settled(pilot, lambda: "line 1." in text_of(app))
            await pilot.press("end")
            await settled(pilot, lambda: "line 98." in text_of(app))
            await pilot.press("q")
            await settled(pilot, lambda: not isinstance(app.screen, Reading))

    asyncio.run(flow())


def test_a_report_says_its_runs_and_folder_and_that_it_is_being_written(recorded, monkeypatch):
    written = threading.Event()
    monkeypatch.setattr(
        "sirt_tui.screens.run_commands.report", lambda *_: written.wait(60) and "44 files"
    )

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            app.screen.table.move_to(run_of(recorded, "baseline"))
            await pilot.press("E")
            await settled(pilot, lambda: isinstance(app.screen, Choose))
            await settled(pilot, lambda: "figures and a page of 9 runs of pocket" in text_of(app))
            app.screen.dismiss("report")
            await settled(pilot, lambda: isinstance(app.screen, AskText))
            folder = app.screen.query_one("Input").value
            assert folder == str(recorded.root.parent / "reports" / "pocket")
            await pilot.press("enter")
            await settled(pilot, lambda: "writing the report of 9 runs" in said_by(app))
            assert all(note.time_left > 3_600 for note in app._notifications)
            written.set()
            await settled(pilot, lambda: said_by(app) == "44 files", said_by(app))
            app.clear_notifications()
            await pilot.press("7")  # what was said is there to be read again, the newest first
            await settled(pilot, lambda: "Messages of this session" in text_of(app))
            at = f"{NOW.astimezone():%H:%M:%S}"
            lines = [line.strip(" │") for line in text_of(app).splitlines() if at in line]
            assert lines[0] == f"{at}  44 files"
            assert lines[1].startswith(f"{at}  writing the report of 9 runs")
            await pilot.press("escape")
            await settled(pilot, lambda: "9 runs" in text_of(app))

    asyncio.run(flow())


@pytest.mark.slow
def test_order_filter_theme_and_zoom_come_back(recorded, tmp_path):
    file = tmp_path / "choices.json"

    async def flow(check):
        app = SirtApp(recorded, lambda: NOW, remembered=Remembered(file))
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "reading" not in text_of(app) and "runs" in text_of(app))
            await check(app, pilot)

    async def choose(app, pilot):
        app.screen.table.sort("name", True)
        await pilot.press("T", "slash", *"arm:both", "enter")
        await settled(pilot, lambda: "2 of 9" in text_of(app))
        app.open_run(run_of(recorded, "both", "wren-3m"))
        await settled(pilot, lambda: "held out" in text_of(app))
        await pilot.press("z")
        await settled(pilot, lambda: app.screen.maximized is not None)

    async def again(app, pilot):
        assert "light" in app.theme
        await settled(pilot, lambda: "2 of 9" in text_of(app))
        assert tuple(app.screen.table.sorted_by) == ("name", True)
        app.open_run(run_of(recorded, "both", "wren-3m"))
        await settled(pilot, lambda: app.screen.maximized is not None, "zoomed as it was left")
        await pilot.press("escape")
        await settled(pilot, lambda: app.screen.maximized is None)

    asyncio.run(flow(choose))
    asyncio.run(flow(again))
    file.write_text("{")
    asyncio.run(flow(damaged))


async def damaged(app, pilot):
    await settled(pilot, lambda: "forgotten" in said_by(app))
    assert "9 runs" in text_of(app)
