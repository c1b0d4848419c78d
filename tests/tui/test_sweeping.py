"""Composing a sweep: typed at the field, planned, explained, summed up before the launch."""

from __future__ import annotations

import asyncio

import pytest

from engine.scheduling import daemon
from engine.store.layout import RunsFolder
from engine.store.run import read_record
from sirt_tui.screens.help import Help
from sirt_tui.screens.runs import RunsPage
from sirt_tui.widgets.dialogs import Confirm
from tests.tui.composing import at, composing_from, planned, typed
from tests.tui.helpers import app_on, settled, text_of


@pytest.mark.slow
def test_two_rates_are_typed_planned_explained_and_launched(recorded, monkeypatch):
    monkeypatch.setattr(daemon, "ensure_running", lambda runs: None)
    monkeypatch.setattr("sirt_tui.screens.draft_plan.REST_S", 0.02)
    before = set(recorded.run_ids())

    async def check(app, pilot):
        page = app.screen
        page._put(page._document.draft | {"name": "two", "arms": ["both"], "teachers": ["wren-3m"]})
        await planned(app, pilot)
        assert page._document.place.name.startswith("two-")  # the kept draft has the new name
        assert page._document.offered.name == "two.yaml"
        await at(app, pilot, "settings", "settings.refine.learning_rate")
        await pilot.press("question_mark")
        await settled(pilot, lambda: isinstance(app.screen, Help), "what the setting is")
        told = text_of(app)
        for words in ("refine.learning_rate", "peak learning rate", "1e-8 to 0.001", "a sweep"):
            assert words in told
        assert "the paper's text says so" in told
        await pilot.press("escape", "enter")
        await typed(app, pilot, "1e-6, 100")
        await planned(app, pilot)
        values = page._document.draft["settings"]["refine"]["learning_rate"]
        assert values == [1e-6, 100]
        await settled(pilot, lambda: "~ [1e-6, 100]" in text_of(app), "an unusual value")
        assert "100 is unusually high" in text_of(app)
        assert len(page._plan.planned.plan.runs) == 2
        await pilot.press("enter")
        await typed(app, pilot, "1e-6, 5e-6")
        await planned(app, pilot)
        page.panes.go_to("plan")
        await settled(pilot, lambda: "learning_rate" in page.query_one("#plan").children[0].content)
        await pilot.press("question_mark")
        await settled(
            pilot, lambda: "several devices" in text_of(app), "what the plan's words mean"
        )
        await pilot.press("escape", "ctrl+l")
        await settled(pilot, lambda: isinstance(app.screen, Confirm), "the question")
        told = text_of(app)
        assert "Launch 2 runs of two?" in told
        assert "sweep     refine.learning_rate over 1e-6, 5e-6" in told
        for words in ("reused    ", "1 annotate", "to pay    nothing", "time      about"):
            assert words in told
        await pilot.press("y")
        await settled(pilot, lambda: isinstance(app.screen, RunsPage))

    composing_from(recorded, check, preset="pocket")
    new = [read_record(recorded, run_id) for run_id in set(recorded.run_ids()) - before]
    rates = [record.spec.varied["refine.learning_rate"] for record in new]
    assert sorted(rates) == [1e-6, 5e-6]
    assert all(" lr=" in record.name for record in new)


@pytest.mark.parametrize("size", [(80, 24), (60, 15)])
def test_an_empty_folder_offers_three_things(tmp_path, size):
    async def flow():
        app = app_on(RunsFolder(tmp_path / "runs"))
        async with app.run_test(size=size) as pilot:
            await settled(pilot, lambda: "Three things to try" in text_of(app))
            for words in ("make demo", "sirt init", "sirt import"):
                assert words in text_of(app)

    asyncio.run(flow())


def test_the_buttons_of_a_long_question_stay_on_the_screen(tmp_path):
    lines = [
        f"line {n} of what would be done, which is long enough to be wrapped" for n in range(9)
    ]

    async def flow():
        app = app_on(RunsFolder(tmp_path / "runs"))
        async with app.run_test(size=(60, 15)) as pilot:
            app.push_screen(Confirm("Launch?", lines, "Launch", "Not now"))
            await settled(pilot, lambda: "Launch (y)" in text_of(app))
            assert "Not now (n)" in text_of(app)
            assert "line 0" in text_of(app)
            await pilot.press("tab", "tab", *["down"] * 30)
            await settled(pilot, lambda: "line 8" in text_of(app), "the rest can be read")

    asyncio.run(flow())
