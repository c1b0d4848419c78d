"""A panel and a screen of our own, on recorded runs; a model and an experiment as files alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from tests.extending.program import Program

pytestmark = pytest.mark.slow(17)

PANEL = '''
"""How many messages each phase has said."""

from textual.binding import Binding
from textual.widgets import Static

from sirt_tui.panels.run_panel import RunPanel


class TalkPanel(RunPanel, Static):
    NAME = "talk"
    BORDER_TITLE = "talk"
    KEYS = (Binding("W", "louder", "Talk louder", show=False),)
    loud = False

    def action_louder(self):
        self.loud = True
        self.draw(self.of)

    def draw(self, of):
        said = [f"{p.spec.title} said {len(p.view.messages)}" for p in of.status.phases]
        text = "\\n".join([f"chosen: {of.chosen.spec.title}" if of.chosen else "nobody", *said])
        self.update(text.upper() if self.loud else text)
'''
SCREEN = '''
"""How large the folder is."""

from textual.widgets import Static

from sirt_tui.page import Page


class SizePage(Page):
    TITLE = "Size"

    def compose_body(self):
        count = len(list(self.runs.phase_dirs()))
        yield Static(f"{count} phases in this folder")
'''
LOOK = """
import asyncio, sys
from pathlib import Path
from engine.store.layout import RunsFolder
from sirt_tui.app import SirtApp

def text_of(app):
    strips = app.screen._compositor.render_strips()
    return "\\n".join("".join(part.text for part in strip) for strip in strips)

async def until(pilot, app, words):
    for _ in range(600):
        await pilot.pause(0.05)
        if words in text_of(app):
            return
    raise SystemExit(f"never seen: {words}\\n" + text_of(app))

async def main(folder, run_id):
    for width in (90, 120, 200):
        app = SirtApp(RunsFolder(Path(folder)))
        async with app.run_test(size=(width, 50)) as pilot:
            app.open_run(run_id)
            await until(pilot, app, "annotate pocket-compass")
            for _ in range(6):
                if "chosen: " in text_of(app):
                    break
                await pilot.press("right_square_bracket")
                await pilot.pause(0.1)
            await until(pilot, app, "annotate pocket-compass said")
            await pilot.press("W")
            await until(pilot, app, "ANNOTATE POCKET-COMPASS SAID")
            await pilot.press("7")
            await until(pilot, app, "phases in this folder")
            assert "Size" in text_of(app)
            await pilot.press("escape")

asyncio.run(main(*sys.argv[1:]))
"""
MODEL = """
name: finch
family: wren
description: a card of our own
parameters: 1.0e6
source: {kind: local, path: ../../engine/pocket/models/wren-1m, precision: fp32}
sampling: {temperature: 0, max_new_tokens: 32}
"""
EXPERIMENT = """
name: mine
teachers: [wren-3m]
students: [finch]
tasks: [pocket-sums]
arms: [baseline]
settings:
  evaluate: {limit: 8, prompts: [plain]}
"""


def test_a_panel_and_a_screen_are_placed_by_a_line(program: Program) -> None:
    line = '    "sirt_tui.panels.talk:TalkPanel",'
    program.add("panel of the Run screen", "talk", PANEL, line)
    line = (
        '    "size": Action("7", "Size of the folder", does="open('
        "'sirt_tui.screens.size:SizePage')\"),"
    )
    program.add("screen", "size", SCREEN, line)
    runs = copy_recorded(program.runs)
    program.python("-c", LOOK, str(program.runs), run_of(runs, "both", "wren-3m"))


def test_a_model_and_an_experiment_are_files_alone(program: Program) -> None:
    program.add("model", "finch", MODEL)
    program.add("experiment", "mine", EXPERIMENT)
    assert "finch" in program.sirt("presets")
    program.sirt("run", "mine", "--cpu")
    (run,) = program.json("status")
    assert (run["state"], run["student"]) == ("done", "finch")
