"""The pairs screen, opened on a run, and what stands in it."""

from __future__ import annotations

import asyncio

from textual.widgets import Input

from sirt_tui.panels.item import ItemPanel
from sirt_tui.screens.pairs import PairsPage
from sirt_tui.widgets.table import RowTable
from tests.tui.helpers import app_on, settled, text_of


def looking(runs, run_id, check, size=(120, 40), against=None, shows=" 24 "):
    """Open the screen and let ``check(app, pilot)`` look at it."""

    async def flow():
        app = app_on(runs)
        async with app.run_test(size=size) as pilot:
            app.open_pairs(run_id, against)
            await settled(pilot, lambda: isinstance(app.screen, PairsPage), "the screen")
            await settled(pilot, lambda: shows in f" {text_of(app)}", "the items")
            return await check(app, pilot)

    return asyncio.run(flow())


def title(app):
    return app.screen.query_one(ItemPanel).border_title or ""


def row_of(app):
    return app.screen.query_one(RowTable).row


async def typed(app, pilot, words):
    await pilot.press("slash")
    app.screen.query_one(Input).value = words
