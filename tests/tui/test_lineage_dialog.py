"""The ancestry over the run's screen."""

from __future__ import annotations

import asyncio

import pytest
from textual.containers import VerticalScroll

from engine.commands.run_changes import describe
from sirt_tui.screens.lineage import LineageDialog
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, settled, text_of


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_one_key_opens_the_ancestry_and_one_closes_it(recorded, size):
    run_id = run_of(recorded, "both", "wren-3m")
    describe(recorded, run_id, note="[bold]odd\x1b[31m[/]")

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=size) as pilot:
            app.open_run(run_id)
            await settled(pilot, lambda: "evaluate" in text_of(app), "the run")
            page = app.screen
            await pilot.press("L")
            await settled(pilot, lambda: isinstance(app.screen, LineageDialog), "the dialog")
            await settled(pilot, lambda: "teacher wren-3m" in text_of(app), "the tree")
            text = text_of(app)
            assert "[bold]odd\u241b[31m[/]" in text
            assert max(map(len, text.splitlines())) <= size[0]
            await pilot.press("end")
            await settled(pilot, lambda: "were not recorded" in text_of(app), "the last line")
            assert app.screen.query_one(VerticalScroll).scroll_y > 0
            await pilot.press("escape")
            await settled(pilot, lambda: app.screen is page, "the run again")

    asyncio.run(flow())
