"""``esc`` cancels what was opened last, and starts nothing; keys without effect say so."""

from __future__ import annotations

import asyncio

import pytest

from engine.commands import drafts, queue_changes
from sirt_tui.screens.compose import ComposePage
from sirt_tui.widgets.dialogs import Choose
from tests.tui import gallery
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, settled, text_of

# screen -> keys that open something on it, and a text that is there when it is open
OPENED = {
    "runs": (
        (("slash", "b"), "Runs"),
        (("space",), "1 ticked"),
        (("d",), "trash"),
        (("t",), "Tags of"),
        (("M",), "Note on"),
        (("E",), "Export"),
        (("O",), "Sort by"),
        (("question_mark",), "Keys that work here"),
        (("ctrl+p",), "an action, a run"),
        (("w",), "Curves"),
    ),
    "run": (
        (("z",), None),
        (("L",), None),
        (("w",), "Curves"),
    ),
    "pairs": (
        (("slash", "g"), None),
        (("z",), None),
        (("space", "up"), "1 ticked"),
        (("M",), "Note on"),
        (("I",), "refining again?"),
    ),
    "compare": ((("V",), "Who shall judge"), (("E",), "Export")),
    "devices": ((("number_sign",), "Phases on the CPU"),),
    "compose": (
        (("slash",), "names of models, tasks, keys and settings"),
        (("o",), "start from?"),
        (("ctrl+s",), "Save to which file"),
        (("enter",), "enter to accept"),
    ),
}


def screens(app):
    both = run_of(app.runs, "both", "wren-3m")
    return {
        "runs": (lambda: app.screen.query_one("RowTable").action_end(1), "9 runs"),
        "run": (lambda: app.open_run(both), "held out"),
        "pairs": (lambda: app.open_pairs(both), "24 pairs"),
        "compare": (lambda: app.open_compare([both, run_of(app.runs, "baseline")]), "◂ reference"),
        "devices": (app.open_devices, "phases at once"),
        "compose": (lambda: app.open_compose("pocket"), "to do"),
    }


def shown(app):
    """What stands on the screen, but for the bottom line."""
    return text_of(app).rpartition("\n")[0]


@pytest.mark.slow(30)
def test_escape_undoes_what_was_opened_last_and_starts_nothing(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app) and "reading" not in text_of(app))
            app.screen.query_one("RowTable").sort("name", True)
            for name, (opened, complete) in screens(app).items():
                opened()
                await settled(pilot, lambda text=complete: text in text_of(app), name)
                page, stack = app.screen, len(app.screen_stack)
                for keys, told in OPENED[name]:
                    before = await at_rest(app, pilot)
                    await pilot.press(*keys)
                    await settled(
                        pilot,
                        lambda b=before, t=told: shown(app) != b and (t or "") in text_of(app),
                        f"{name}: {keys}",
                    )
                    await pilot.press("escape")
                    await settled(pilot, lambda b=before: shown(app) == b, f"{name}: {keys}")
                    assert app.screen is page, (name, keys)
                    assert len(app.screen_stack) == stack
                app.open_runs()
                await settled(pilot, lambda: "9 runs" in text_of(app))

    before = sorted(recorded.run_ids())
    asyncio.run(flow())
    assert not queue_changes.look(recorded).entries
    assert sorted(recorded.run_ids()) == before
    assert drafts.kept(recorded) == ()


async def at_rest(app, pilot):
    """The screen's text, once all is read and it has stopped changing."""
    last = ""
    while last != shown(app):
        last = shown(app)
        await settled(pilot, lambda: gallery.at_rest(app))
        for _ in range(3):
            await pilot.pause()
            await asyncio.sleep(0.02)
    return last


def test_leaving_the_first_question_of_compose_composes_nothing(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            await pilot.press("3")
            await settled(pilot, lambda: isinstance(app.screen, Choose))
            app.screen.dismiss("a file")
            await settled(pilot, lambda: "Start from which file?" in text_of(app))
            await pilot.press("escape")  # back to the list that it was chosen from
            await settled(pilot, lambda: "start from?" in text_of(app))
            await pilot.press("escape")
            await settled(pilot, lambda: "9 runs" in text_of(app))
            assert not isinstance(app.screen, ComposePage)

    asyncio.run(flow())
    assert drafts.kept(recorded) == ()


def test_escape_goes_back_to_where_a_screen_was_opened(recorded):
    """From the pairs to the run as it was left, and from there to the list."""

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            app.open_run(run_of(recorded, "both", "wren-3m"))
            await settled(pilot, lambda: "refine loss" in text_of(app))
            await pilot.press("n")
            await settled(pilot, lambda: "refine reward margin" in text_of(app))
            await pilot.press("4")
            await settled(pilot, lambda: "24 pairs" in text_of(app))
            await pilot.press("6")
            await settled(pilot, lambda: "phases at once" in text_of(app))
            await pilot.press("escape")
            await settled(pilot, lambda: "24 pairs" in text_of(app))
            await pilot.press("escape")
            await settled(pilot, lambda: "refine reward margin" in text_of(app))
            await pilot.press("4", "2")  # of each kind of screen there is one
            await settled(pilot, lambda: "refine loss" in text_of(app))
            page = app.screen
            await pilot.press("escape")
            await settled(pilot, lambda: "9 runs" in text_of(app))
            assert page.is_covered  # what still reaches a page that was left draws nothing

    asyncio.run(flow())


def test_a_key_without_effect_says_so_and_panels_have_a_key_each(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            await pilot.press("R")
            await settled(pilot, lambda: "has no effect here; ? lists" in text_of(app))
            app.open_run(run_of(recorded, "both", "wren-3m"))
            await settled(pilot, lambda: "held out" in text_of(app))
            await pilot.press("alt+2")
            curves = app.screen.query_one("#curves")
            await settled(pilot, lambda: app.focused in curves.query("*"))
            await pilot.press("alt+3")
            await settled(pilot, lambda: app.focused is app.screen.query_one("#samples"))
            await pilot.press("z", "n")
            await settled(pilot, lambda: app.screen.maximized is app.screen.query_one("#samples"))
            await settled(
                pilot, lambda: "is for curves, which is not shown; z shows all" in text_of(app)
            )
            await pilot.press("y")
            await settled(pilot, lambda: "not shown" in text_of(app))
            await pilot.press("tab")
            await settled(
                pilot, lambda: app.screen.maximized is not app.screen.query_one("#samples")
            )
            assert app.screen.maximized is not None
            await pilot.press("alt+1")
            await settled(pilot, lambda: "phases" in str(app.screen.maximized).lower())
            await pilot.press("alt+6", "alt+9", "escape")
            await settled(pilot, lambda: app.screen.maximized is None)

    asyncio.run(flow())
