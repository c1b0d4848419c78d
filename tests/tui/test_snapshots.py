"""Screens as pictures, at three sizes, with a clock that stands still.

After a wanted change:  pytest tests/tui/test_snapshots.py --snapshot-update, and look at them.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store.layout import RunsFolder
from sirt_tui.app import LIGHT
from tests.tui.conftest import copy_recorded
from tests.tui.gallery import EVERY_SCREEN, SIZES, show
from tests.tui.helpers import app_on


@pytest.mark.parametrize("size", SIZES, ids=lambda s: f"{s[0]}x{s[1]}")
@pytest.mark.parametrize("name", EVERY_SCREEN)
def test_a_screen_looks_as_it_did(name, size, snap_compare, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the folder's name is on the screen
    copy_recorded(Path("runs"))
    app = app_on(RunsFolder(Path("runs")))
    assert snap_compare(app, terminal_size=size, run_before=lambda pilot: show(name, pilot))


@pytest.mark.slow
def test_the_light_theme_looks_as_it_did(snap_compare, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    copy_recorded(Path("runs"))
    app = app_on(RunsFolder(Path("runs")))

    async def show_in_light(pilot):
        await show("run", pilot)
        app.theme = LIGHT
        await pilot.pause()

    assert snap_compare(app, terminal_size=(120, 40), run_before=show_in_light)
