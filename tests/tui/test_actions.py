"""One table of keys feeds bindings, footer, help and palette."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections import Counter

import pytest
from textual.binding import Binding

import sirt_tui
from sirt_tui.actions import ACTIONS, ANSWERS
from sirt_tui.places import PLACES
from sirt_tui.screens.help import keys_of
from tests.tui.gallery import SCREENS
from tests.tui.helpers import app_on, settled, text_of


def test_a_key_means_the_same_on_every_screen():
    keys = Counter(key for action in ACTIONS.values() for key in action.keys.split(","))
    assert [key for key, times in keys.items() if times > 1] == []
    used = {use.name for uses in PLACES.values() for use in uses}
    assert used == ACTIONS.keys() | ANSWERS.keys(), "all are bound somewhere, and all are known"
    with_answers = {place for place, uses in PLACES.items() for u in uses if u.name in ANSWERS}
    assert with_answers == {"confirm"}, "y and n answer where nothing else works"


def test_every_binding_is_from_the_table():
    for module in pkgutil.walk_packages(sirt_tui.__path__, "sirt_tui."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    table = ACTIONS | ANSWERS
    for cls in widgets():
        for binding in cls.__dict__.get("BINDINGS", ()):
            assert isinstance(binding, Binding), cls
            assert binding.id in table, (cls, binding)
            assert binding.key == table[binding.id].keys, (cls, binding)


def heirs(cls):
    return {cls} | {heir for sub in cls.__subclasses__() for heir in heirs(sub)}


def widgets():
    """The program's widgets, whatever Textual class they come from."""
    from textual.dom import DOMNode

    return {cls for cls in heirs(DOMNode) if cls.__module__.startswith("sirt_tui.")}


@pytest.mark.slow
def test_help_and_palette_have_each_action_of_a_screen_once_with_its_key(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            for opened, complete in SCREENS.values():
                await settled(pilot, lambda: "9 runs" in text_of(app))
                opened(app)
                await settled(pilot, lambda text=complete: text in text_of(app))
                working = (found for found in app.active_bindings.values() if found.enabled)
                names = {found.binding.id for found in working} - {None}
                said = keys_of(app.screen)
                keys, words, _ = (list(column.cells) for column in said.columns)
                assert len(keys) == len(set(keys))
                palette = [(c.help, c.title) for c in app.get_system_commands(app.screen)]
                assert sorted(palette) == sorted(
                    (f"key {key}", what) for key, what in zip(keys, words, strict=True)
                )
                for name in names:
                    key = app.key(name)
                    (found,) = [n for n, ks in enumerate(keys) if key in ks.split(" ")]
                    assert words[found], name
                app.open_runs()

    asyncio.run(flow())


def test_the_bottom_line_has_what_matters_here_and_fits(recorded):
    """First what the focused panel does; where room is short, help and quit stay."""

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            assert last_line(app).startswith(" enter Open  space Tick, next  / Filter")
            assert last_line(app).endswith("^p Find  ? Help  q Quit")
            await pilot.press("slash")
            await settled(pilot, lambda: last_line(app) == " enter to accept, esc to cancel")
            await pilot.press("escape")
            await pilot.resize_terminal(60, 15)
            await settled(pilot, lambda: len(last_line(app)) <= 60)
            assert last_line(app).startswith(" enter Open  space Tick, next")
            assert last_line(app).endswith("^p Find  ? More keys  q Quit")
            await pilot.resize_terminal(120, 40)
            await pilot.press("enter")
            await settled(pilot, lambda: "phases" in text_of(app) and "z Zoom" in last_line(app))
            assert "Next curve" not in last_line(app)
            app.screen.query_one("#curves Chart").focus()
            await settled(pilot, lambda: last_line(app).startswith(" n Next curve"))

    asyncio.run(flow())


def last_line(app):
    return text_of(app).split("\n")[-1]
