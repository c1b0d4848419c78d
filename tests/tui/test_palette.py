"""The palette goes to runs, metrics and filters, with a thousand runs as with nine."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest
from textual.widgets import Input

from sirt_tui.screens.palette import MOST, Places
from sirt_tui.screens.run import RunPage
from sirt_tui.widgets.leaving import Palette
from sirt_tui.widgets.working_keys import working
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, settled, text_of


async def chosen(app, pilot, text, first):
    """Type into the palette, and take what it finds first."""
    await pilot.press("ctrl+p")
    await settled(pilot, lambda: isinstance(app.screen, Palette) and app.screen.is_mounted)
    app.screen.query_one(Input).value = text
    await settled(pilot, lambda: first in text_of(app), f"{text}: {first}")
    await pilot.press("down", "enter")
    await settled(pilot, lambda: not isinstance(app.screen, Palette))


@pytest.mark.slow
def test_it_opens_runs_goes_to_metrics_and_filters(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app) and app.feed.rows)
            await pilot.press("ctrl+p")
            await settled(pilot, lambda: "open run …" in text_of(app))
            await pilot.press("enter")  # it is gone on with
            await settled(pilot, lambda: "open run teacher" in text_of(app))
            await pilot.press("escape")
            await settled(pilot, lambda: not isinstance(app.screen, Palette))
            await chosen(app, pilot, "filter by acc>90 arm:both", "filter by acc>90 arm:both")
            await settled(pilot, lambda: "1 of 9" in text_of(app) or "1 run" in text_of(app))
            await chosen(app, pilot, "filter failed", "filter by state:failed")
            await settled(pilot, lambda: app.screen.query_one("#filter").value == "state:failed")
            await chosen(app, pilot, "both wren-3m run", "open run both")
            await settled(pilot, lambda: isinstance(app.screen, RunPage))
            assert app.screen._run_id == run_of(recorded, "both", "wren-3m")
            await settled(pilot, lambda: "held out" in text_of(app))
            await chosen(app, pilot, "metric reward margin", "go to metric reward margin")
            await settled(pilot, lambda: "refine reward margin" in text_of(app))

    asyncio.run(flow())


def test_our_own_actions_come_first_and_those_of_this_place_before_others(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test() as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app) and app.feed.rows)
            places = Places(app.screen)
            await places.startup()

            async def found(query):
                hits = [hit async for hit in places.search(query)]
                return [hit.text for hit in sorted(hits, key=lambda hit: -hit.score)]

            copying = await found("copy")
            assert copying[0].startswith("Copy id, path or command")
            assert "Copy selected text" in copying[1:], "Textual's own is still found"
            assert (await found("column"))[0].startswith("Choose the columns")
            for one in working(app.screen):
                assert (await found(one.words))[0] == one.words

    asyncio.run(flow())


def test_a_thousand_runs_are_searched_within_a_key_press(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test() as pilot:
            rows = await settled(pilot, lambda: app.feed.rows)
            many = [replace(rows[n % 9], run_id=f"run-{n}", name=f"run {n}") for n in range(1_000)]
            app.feed._all._rows = tuple(many)
            places = Places(app.screen)
            await places.startup()
            took = time.thread_time()
            hits = [hit async for hit in places.search("run 99")]
            took = time.thread_time() - took
            assert "open run run 99" in [hit.text for hit in hits]
            assert len(hits) <= MOST
            assert took < 0.1, "seconds of one core; 2 to 5 ms when nothing else is at work"

    asyncio.run(flow())
