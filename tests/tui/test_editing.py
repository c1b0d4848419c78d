"""The person's own editor on the draft's file, and back to the checked draft."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest

from engine.commands import drafts
from sirt_tui.app import SirtApp
from tests.tui.composing import planned
from tests.tui.helpers import app_on, said_by, settled, text_of


def editor(tmp_path, monkeypatch, script):
    """A program that edits the file it is given, as ``script`` says."""
    program = tmp_path / "my editor"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("VISUAL", f"'{program}' -x")
    return program


@pytest.fixture
def _handed_over(monkeypatch):
    """The terminal of a test can't be given away; what follows is the same."""
    monkeypatch.setattr(SirtApp, "suspend", lambda self: nullcontext())


def composing(runs, preset, check):
    async def flow():
        app = app_on(runs)
        async with app.run_test(size=(120, 40)) as pilot:
            app.open_compose(preset)
            page = await planned(app, pilot)
            await settled(pilot, lambda: "to do" in text_of(app))
            await check(app, pilot, page)

    asyncio.run(flow())


@pytest.mark.usefixtures("_handed_over")
@pytest.mark.slow
def test_a_draft_is_edited_checked_and_kept_and_nothing_written_is_lost(
    recorded, tmp_path, monkeypatch
):
    async def check(app, pilot, page):
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.delenv("EDITOR", raising=False)
        await pilot.press("e")
        await settled(pilot, lambda: "no editor is set" in said_by(app))

        editor(tmp_path, monkeypatch, "sed -i 's/wren-3m/wren-33m/' \"$2\"")
        await pilot.press("e")
        await settled(pilot, lambda: "no model card 'wren-33m'" in text_of(app))
        assert page._document.draft["teachers"] == ["wren-33m", "otter-3m"]

        editor(tmp_path, monkeypatch, "echo 'tasks: [' >> \"$2\"")
        await pilot.press("e")
        await settled(
            pilot, lambda: "not valid YAML" in said_by(app) or "given twice" in said_by(app)
        )
        broken = page._document.broken
        assert "tasks: [" in broken.read_text()
        assert page._document.draft["teachers"] == ["wren-33m", "otter-3m"]

        editor(tmp_path, monkeypatch, "sed -i -e '$d' -e 's/wren-33m/wren-3m/' \"$2\"")
        await pilot.press("e")  # the same text again, not the draft before it
        await settled(pilot, lambda: page._document.draft["teachers"] == ["wren-3m", "otter-3m"])
        assert page._document.broken is None

        editor(tmp_path, monkeypatch, "exit 3")
        await pilot.press("e")
        await settled(pilot, lambda: "ended with status 3" in said_by(app))
        monkeypatch.setenv("VISUAL", str(tmp_path / "nothing-there"))
        await pilot.press("e")
        await settled(pilot, lambda: "No such file" in said_by(app))

    composing(recorded, "pocket", check)


@pytest.mark.usefixtures("_handed_over")
def test_a_file_of_ones_own_is_edited_where_it_is(recorded, tmp_path, monkeypatch):
    file = tmp_path / "mine.yaml"
    drafts.save({**drafts.draft_of_preset("pocket"), "name": "mine"}, file)

    async def check(app, pilot, page):
        editor(tmp_path, monkeypatch, "sed -i 's/^name: mine/name: yours/' \"$2\"")
        await pilot.press("e")
        await settled(pilot, lambda: "yours, from" in text_of(app))
        assert not page._document.unsaved

    composing(recorded, str(file), check)
    assert file.read_text().startswith("name: yours")
    assert drafts.kept(recorded) == ()


def test_a_terminal_that_cant_be_given_away_says_so(recorded, tmp_path, monkeypatch):
    async def check(app, pilot, page):
        editor(tmp_path, monkeypatch, "true")
        await pilot.press("e")
        await settled(pilot, lambda: "can't be given to another program" in said_by(app))

    composing(recorded, "pocket", check)
