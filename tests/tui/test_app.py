"""What holds for every screen: keys, help, palette, themes, colours, imports."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from rich.table import Table
from textual import events, work

import sirt_tui
from sirt_tui.app import DARK, LIGHT
from sirt_tui.page import Page
from sirt_tui.screens.help import WHERE, Help, keys_of
from sirt_tui.widgets.dialogs import AskText, Confirm
from sirt_tui.widgets.typed_line import TypedLine
from tests.tui.gallery import EVERY_SCREEN, SCREENS, show
from tests.tui.helpers import app_on, painted, press, settled, text_of

ENOUGH = 3.5  # to 1; 3 is what WCAG 2 asks of large and bold text, 4.5 of small
HEAVY = (
    "torch", "transformers", "trl", "peft", "datasets", "bitsandbytes", "scipy", "numpy", "pandas",
    "matplotlib",
)  # fmt: skip


def test_no_part_of_the_interface_loads_the_training_stack():
    """In an interpreter of its own, since this one may have loaded anything."""
    modules = sorted(
        ".".join(("sirt_tui", *path.relative_to(Path(sirt_tui.__file__).parent).parts))[:-3]
        for path in Path(sirt_tui.__file__).parent.rglob("*.py")
        if path.name not in {"__init__.py", "__main__.py"}
    )
    script = f"import sys, importlib\nfor m in {modules!r}: importlib.import_module(m)\n"
    script += f"print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize("name", EVERY_SCREEN)
def test_help_lists_the_keys_of_the_screen_and_every_key_is_described(recorded, name):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await show(name, pilot)
            table = keys_of(app.screen)
            assert isinstance(table, Table)
            keys, _, where = (list(column.cells) for column in table.columns)
            assert len(keys) == len(set(keys)) > 8
            assert where == sorted(where, key=WHERE.index)
            await pilot.press("question_mark")
            await settled(pilot, lambda: isinstance(app.screen, Help))
            assert "Keys that work here" in text_of(app)
            await pilot.press("escape")
            await settled(pilot, lambda: not isinstance(app.screen, Help))

    asyncio.run(flow())


@pytest.mark.parametrize("name", EVERY_SCREEN)
def test_the_palette_knows_what_the_keys_do_and_both_themes_can_be_read(recorded, name):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await show(name, pilot)
            commands = {c.title: c.callback for c in app.get_system_commands(app.screen)}
            assert {
                "Help: the keys that work here",
                "Devices and the queue",
                "Light or dark",
            } <= set(commands)
            assert app.theme == DARK
            assert not faint(app)
            commands["Light or dark"]()
            await settled(pilot, lambda: app.theme == LIGHT)
            await settled(pilot, lambda: not faint(app), "legible in the light theme")

    asyncio.run(flow())


def test_the_digits_change_screens_and_escape_comes_home(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await show("runs", pilot)
            await pilot.press("2")
            await settled(pilot, lambda: "SIRT Run " in text_of(app))
            await pilot.press("escape")
            await settled(pilot, lambda: "SIRT Runs" in text_of(app))

    asyncio.run(flow())


@pytest.mark.parametrize("name", EVERY_SCREEN)
def test_states_are_told_without_colour(recorded, name, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await show(name, pilot)
            strips = app.screen._compositor.render_strips()
            assert not [s for strip in strips for s in strip if s.style and coloured(s.style)]
            if name in ("runs", "pairs", "compose"):
                assert painted(app, "reverse"), "the cursor"
            assert SCREENS[name][1] in text_of(app)

    asyncio.run(flow())


def faint(app):
    """The words that don't stand out from their ground."""
    strips = app.screen._compositor.render_strips()
    words = (part for strip in strips for part in strip if any(map(str.isalnum, part.text)))
    return {(part.text, str(part.style)) for part in words if contrast(part.style) < ENOUGH}


def contrast(style):
    """Between a text and its ground, from 1 to 21 (WCAG 2)."""
    pair = (style.bgcolor, style.color) if style.reverse else (style.color, style.bgcolor)
    over, under = sorted((luminance(colour.triplet) for colour in pair), reverse=True)
    return (over + 0.05) / (under + 0.05)


def luminance(colour):
    linear = (
        c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.normalized
    )
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def coloured(style):
    """A grey is a colour too: only the terminal's own is none."""
    return any(c is not None and not c.is_default for c in (style.color, style.bgcolor))


def test_text_that_is_typed_before_a_dialog_is_painted_is_in_its_line(recorded):
    """And what the line holds stays: the cursor stands at its end, with nothing selected."""

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(80, 24)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            app.run_worker(app.ask_text("Which folder?", "exports/"))
            await settled_at_once(lambda: isinstance(app.screen, AskText))
            assert app.focused is None  # nothing of it is there yet
            for key in "new":
                app.post_message(events.Key(key, key))
            await settled(pilot, lambda: "exports/new" in text_of(app))
            await pilot.press("a")
            await settled(pilot, lambda: "exports/newa" in text_of(app))
            await pilot.press("ctrl+u", "b")
            await settled(pilot, lambda: app.screen.query_one(TypedLine).value == "b")
            await pilot.press("escape")
            await settled(pilot, lambda: "9 runs" in text_of(app))
            for key in "Mquit":  # at once, as over a slow line
                app.post_message(events.Key(key, key))
            await settled(pilot, lambda: app.screen.query(TypedLine), "the note")
            await settled(pilot, lambda: app.screen.query_one(TypedLine).value == "quit")

    asyncio.run(flow())


def test_keys_that_are_typed_ahead_reach_what_the_key_before_opens(recorded):
    """A question is there only when a worker has read what would be lost; no key that was typed
    before it could be read answers it."""

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            press(app, ["end", "d", "y"])
            await settled(pilot, lambda: "Keep it (n)" in text_of(app))
            assert app.screen.heeds(events.Key("y", "y"))
            await pilot.press("y")
            await settled(pilot, lambda: "8 runs" in text_of(app))
            press(app, ["enter", "z"])
            await settled(pilot, lambda: app.screen.TITLE == "Run" and app.screen.maximized)
            press(app, ["3", "escape", "1", "slash", *"both", "enter", "down"])
            await settled(pilot, lambda: app.screen.TITLE == "Runs" and app.screen.table.has_focus)
            assert app.screen.query_one("#filter").value == "both"

    asyncio.run(flow())


def test_keys_wait_once_and_no_longer_for_what_takes_long(recorded):
    class Slow(Page):
        TITLE = "Slow"
        BINDINGS: ClassVar = [("s", "slow", "Slow"), ("c", "count", "Count")]
        counted = 0

        @work
        async def action_slow(self):
            await asyncio.Event().wait()

        def action_count(self):
            self.counted += 1

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(80, 24)) as pilot:
            app.push_screen(page := Slow())
            await settled(pilot, lambda: "SIRT Slow" in text_of(app))
            press(app, ["s", *"c" * 20])
            await settled(pilot, lambda: page.counted == 20, "all keys", within_s=10)

    asyncio.run(flow())


async def settled_at_once(condition):
    """Wait without letting the screen settle."""
    for _ in range(100):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("never happened")


def test_a_dialog_lies_in_the_middle_of_its_screen(recorded):
    """Textual takes the style from a class's first base alone."""

    async def check() -> None:
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            app.push_screen(Confirm("Really?", ("something",), "Do it", "Not now"))
            await settled(pilot, lambda: "Really?" in text_of(app))
            box = app.screen.query_one(".dialog").region
            assert abs(box.x - (120 - box.right)) <= 1
            assert abs(box.y - (40 - box.bottom)) <= 1
            assert box.x > 0

    asyncio.run(check())


def test_tabs_take_a_click(recorded):
    """In Compare, Compose and Pairs, and on Run where not all panels fit."""

    async def clicked(app, pilot, selector, name):
        line = app.screen.query_one(selector)
        at = str(line.render()).index(name)
        await pilot.click(selector, offset=(at + 2, 0))
        await settled(
            pilot, lambda: painted(app, "reverse") and f" {name} " in painted(app, "reverse")
        )

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(80, 24)) as pilot:
            for name, bar, tab in (
                ("compare", "#bar", "settings"),
                ("pairs", "SourceBar", "demonstrations"),
                ("compose", "#bar", "settings"),
                ("run", "PanelBar", "log"),
            ):
                app.open_runs()
                await show(name, pilot)
                await clicked(app, pilot, bar, tab)

    asyncio.run(flow())


def test_a_zoomed_panel_leaves_the_title_and_the_way_out(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(80, 24)) as pilot:
            await show("run", pilot)
            await pilot.press("z")  # the phases have the focus
            await settled(
                pilot, lambda: app.screen.maximized is app.screen.query_one("PhasesPanel")
            )
            assert "SIRT Run" in text_of(app)
            assert "z All panels" in text_of(app)
            await pilot.press("right_square_bracket")
            await settled(pilot, lambda: app.screen.maximized is app.screen.query_one("#samples"))
            await pilot.press("escape")
            await settled(pilot, lambda: app.screen.maximized is None)
            assert "SIRT Run" in text_of(app)

    asyncio.run(flow())
