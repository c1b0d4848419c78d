"""Opening the compose screen, waiting for its plan, putting the cursor somewhere, typing."""

from __future__ import annotations

import asyncio

from sirt_tui.screens.compose import ComposePage
from sirt_tui.widgets.dialogs import AskText, Choose
from tests.tui.helpers import app_on, settled


def composing_from(runs, check, size=(120, 40), **source):
    async def flow():
        app = app_on(runs)
        async with app.run_test(size=size, notifications=True) as pilot:
            app.open_compose(**source)
            await settled(pilot, lambda: isinstance(app.screen, ComposePage | Choose), "the page")
            if source:
                await planned(app, pilot)
            return await check(app, pilot)

    return asyncio.run(flow())


async def planned(app, pilot):
    """Wait until the plan is that of the draft on the screen."""
    await settled(pilot, lambda: isinstance(app.screen, ComposePage))
    page = app.screen
    await settled(
        pilot, lambda: page._plan._settled.is_set() and not page._plan.at_work, "the plan"
    )
    return page


async def at(app, pilot, pane, key):
    """Put the cursor on a row."""
    page = app.screen
    page.panes.go_to(pane)
    table = page.panes.choices if pane == "choices" else page.panes.settings.table
    table.move_to(key)
    await pilot.pause()
    row = table.row
    assert (row.key if pane == "choices" else row.setting.key) == key


async def typed(app, pilot, text):
    """Replace what the question holds, and accept."""
    await settled(pilot, lambda: isinstance(app.screen, AskText))
    app.screen.query_one("Input").value = text
    await pilot.press("enter")
    await settled(pilot, lambda: isinstance(app.screen, ComposePage))
