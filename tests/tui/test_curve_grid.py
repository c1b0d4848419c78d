"""The page of all curves: as many charts as there is room for, searched, enlarged, overlaid."""

from __future__ import annotations

import asyncio

import pytest

from sirt_tui.panels.curve_grid import CurveGrid
from sirt_tui.screens.curves import CurvesPage
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, settled, text_of


def charts_on(app):
    """The titles that are painted on the screen, each in the line above its chart."""
    text = text_of(app)
    titles = app.screen.query_one(CurveGrid).titles
    return [t for t in titles if f" {t} ─" in text or f" {t} ━" in text]


@pytest.mark.slow
def test_all_curves_of_a_run_are_found_enlarged_and_left_again(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(80, 24)) as pilot:
            app.open_run(run_of(recorded, "both", "wren-3m"))
            await settled(pilot, lambda: "refine loss" in text_of(app))
            await pilot.press("w")
            await settled(pilot, lambda: "refine reward margin ─" in text_of(app))
            assert "━ refine loss ━━" in text_of(app)  # the chosen one
            assert "ln 2" not in text_of(app)  # its loss has a likelihood term
            few = charts_on(app)
            grid = app.screen.query_one(CurveGrid)
            assert 4 <= len(few) <= 8
            assert len(grid.titles) >= 18
            assert "refine loss at step 0: 0.6931" in text_of(app)  # once measured, it is no curve
            assert not [title for title in grid.titles if "step 0" in title]
            grid.scroll_to(y=7, animate=False)
            await settled(pilot, lambda: grid.scroll_offset.y == 7)
            grid.show(list(grid._plots.values()), several=False)  # as when logs have grown
            await pilot.pause()
            assert grid.scroll_offset.y == 7, "who reads further down stays there"
            await pilot.press("G")
            await settled(pilot, lambda: grid.titles[-1] in charts_on(app))
            assert few[0] not in charts_on(app)
            await pilot.press("g", "right", "enter")
            await settled(pilot, lambda: charts_on(app) == ["refine reward margin"])
            assert "enter All charts" in text_of(app).splitlines()[-1], "the way back"
            await pilot.press("left")  # now it is the cursor on the curve that moves
            await settled(pilot, lambda: "at 18" in text_of(app))
            await pilot.press("escape", "slash", *"held out marg")
            await settled(pilot, lambda: charts_on(app) == ["refine reward margin"])
            await pilot.press("x")
            await settled(pilot, lambda: "no metric has 'held out margx'" in text_of(app))
            await pilot.press("escape")
            await settled(pilot, lambda: charts_on(app)[:4] == few[:4])
            await pilot.resize_terminal(200, 50)
            await settled(pilot, lambda: len(charts_on(app)) == len(grid.titles))
            await pilot.press("escape")
            await settled(pilot, lambda: "SIRT Run" in text_of(app))

    asyncio.run(flow())


def test_ticked_runs_lie_over_each_other_under_their_letters(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            await pilot.press("slash", *"arm:both", "enter", "a", "w")
            await settled(pilot, lambda: isinstance(app.screen, CurvesPage))
            await pilot.press("slash", *"instruct loss")
            await settled(pilot, lambda: "instruct loss, train" in text_of(app))
            lines = text_of(app).splitlines()
            await settled(pilot, lambda: " B both" in text_of(app), "the legend")
            at = next(n for n, line in enumerate(lines) if " instruct loss, train " in line)
            assert "━ A 0." in lines[at + 1]
            assert "━ B 0." in lines[at + 1]

    asyncio.run(flow())
