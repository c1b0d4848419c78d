"""Search in log, samples and items: painted matches, their number, next and previous, an end."""

from __future__ import annotations

import asyncio

import pytest
from rich.text import Text
from textual.app import App

from sirt_tui.screens.compare import ComparePage
from sirt_tui.widgets.searching import MATCH, Matches, SearchLine
from sirt_tui.widgets.text_view import Lines
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, painted, settled, text_of, watching


def test_matches_are_found_in_any_case_over_several_texts():
    matches = Matches()
    matches.begin("box")
    one, two = matches.mark(Text("a Box, a b"), Text("ox in a BOX [box]"))
    assert [span.style == MATCH for span in one.spans] == [False], "the first is the current one"
    assert len(two.spans) == 2
    assert matches.said == "1 of 3"
    matches.step(-1)
    assert matches.said == "3 of 3"
    matches.begin("nowhere")
    assert matches.mark(Text("a"))[0].spans == []
    assert matches.said == "not found"


def test_a_match_below_the_edge_comes_into_view_and_the_keys_scroll_the_text(recorded):
    async def check(app, pilot):
        phase = app.screen._chosen
        await settled(pilot, lambda: phase() and "test-0220" in text_of(app), "the samples")
        before = phase().id
        assert "test-0001" not in text_of(app)
        await pilot.press("slash", *"test-0001", "enter")
        await settled(pilot, lambda: "test-0001" in painted(app, "reverse", "underline"))
        await pilot.press("z")
        await settled(pilot, lambda: app.screen.maximized is not None)
        await settled(pilot, lambda: "test-0001" in painted(app, "reverse", "underline"))
        await pilot.press("escape", "escape", "home")
        await settled(pilot, lambda: "test-0220" in text_of(app))
        await pilot.press("end")
        await settled(pilot, lambda: "test-0001" in text_of(app) and "market left" in text_of(app))
        await pilot.press("pageup", "g", "down", "j")
        await settled(pilot, lambda: "Mia walks" in text_of(app) and "0220" not in text_of(app))
        assert phase().id == before
        await pilot.press("alt+1", "down")  # in the phases it is the next phase
        await settled(pilot, lambda: phase().id != before)
        await pilot.press("c")
        await settled(pilot, lambda: isinstance(app.screen, ComparePage))
        await settled(pilot, lambda: "instruct-only" in text_of(app), "the experiment's runs")

    watching(recorded, run_of(recorded, "both", "wren-3m"), check)


def test_a_match_before_the_end_of_a_text_that_stays_at_its_end_comes_into_view():
    class Log(App):
        def compose(self):
            yield Lines(stays_at_end=True)

    async def flow():
        app = Log()
        async with app.run_test(size=(40, 10)) as pilot:
            view = app.query_one(Lines)
            view.put(Text("\n".join(f"line {n}" for n in range(90))))
            await settled(pilot, lambda: "line 89" in text_of(app))
            view.search("line 3")
            await settled(pilot, lambda: "line 3" in painted(app, "reverse", "underline"))

    asyncio.run(flow())


@pytest.mark.slow
def test_a_runs_samples_and_a_pairs_item_are_searched(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            app.open_run(run_of(recorded, "both", "wren-3m"))
            await settled(
                pilot, lambda: "held out" in text_of(app) and "right  answer" in text_of(app)
            )
            await pilot.press("slash", *"answer")
            line = app.screen.query_one(SearchLine)
            await settled(pilot, lambda: " 1 of " in text_of(app))
            assert "answer" in painted(app, "reverse", "underline")
            await pilot.press("enter", "n", "n")
            await settled(pilot, lambda: " 3 of " in text_of(app))
            await pilot.press("N")
            await settled(pilot, lambda: " 2 of " in text_of(app))
            await pilot.press("z")
            await settled(pilot, lambda: app.screen.maximized is not None)
            await settled(pilot, lambda: " 2 of " in text_of(app), "it goes on in the zoomed panel")
            await pilot.press("escape")
            await settled(pilot, lambda: not line.has_class("open"))
            assert app.screen.maximized is not None, "the search was opened first, and ends first"
            assert "answer" not in painted(app, "reverse", "underline")
            await pilot.press("escape")
            await settled(pilot, lambda: app.screen.maximized is None)

            app.open_pairs(run_of(recorded, "both", "wren-3m"))
            await settled(pilot, lambda: "24 pairs" in text_of(app) and "chosen" in text_of(app))
            await pilot.press("enter")
            await settled(pilot, lambda: app.focused is app.screen.panel)
            await pilot.press("slash", *"the", "enter")
            await settled(pilot, lambda: " 1 of " in text_of(app))
            row = app.screen.table.row.number
            await pilot.press("n")
            await settled(pilot, lambda: " 2 of " in text_of(app))
            assert app.screen.table.row.number == row
            await pilot.press("escape", "n")  # the search is over: the next item
            await settled(pilot, lambda: app.screen.table.row.number == row + 1)

    asyncio.run(flow())
