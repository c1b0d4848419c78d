"""Marks on pairs: flag, note, exclude, and refining again without what was excluded."""

from __future__ import annotations

import pytest

from engine.queries.item_files import sources
from engine.queries.items import Reader
from engine.scheduling.queue import read_queue
from engine.store import item_notes
from engine.store.item_notes import Mark
from engine.store.run import read_run
from sirt_tui.widgets.dialogs import AskText, Confirm
from tests.tui.conftest import run_of
from tests.tui.helpers import said_by, settled, text_of
from tests.tui.pairs_helpers import looking, typed


@pytest.fixture
def run_id(recorded):
    return run_of(recorded, "both", "wren-3m")


@pytest.fixture
def phase_id(recorded, run_id):
    return sources(recorded, run_id)[0].phase_id


@pytest.mark.slow
def test_flag_note_and_exclude_are_kept_and_seen_by_another_at_once(recorded, run_id, phase_id):
    ids = Reader(sources(recorded, run_id)[0]).ids(range(3))

    async def check(app, pilot):
        await pilot.press("f")
        await settled(pilot, lambda: "1 flagged" in text_of(app))
        await pilot.press("M")
        await settled(pilot, lambda: isinstance(app.screen, AskText))
        await pilot.press(*"odd", "enter")
        await settled(pilot, lambda: "note: odd" in text_of(app))
        await pilot.press("j", "space", "space", "i")
        await settled(pilot, lambda: "2 left out" in text_of(app))
        # somebody else, elsewhere
        item_notes.mark(recorded, phase_id, ["far-away"], flagged=True)
        await settled(pilot, lambda: "2 flagged" in text_of(app))
        await typed(app, pilot, "left-out")
        await settled(pilot, lambda: "2 of 24 pairs" in text_of(app))

    looking(recorded, run_id, check)
    assert item_notes.read_marks(recorded, phase_id) == {
        ids[0]: Mark(flagged=True, note="odd"),
        ids[1]: Mark(excluded=True),
        ids[2]: Mark(excluded=True),
        "far-away": Mark(flagged=True),
    }


@pytest.mark.slow
def test_exclude_all_that_a_filter_finds_and_refine_again(recorded, run_id, monkeypatch):
    monkeypatch.setattr("engine.scheduling.daemon.ensure_running", lambda runs: None)

    async def check(app, pilot):
        await pilot.press("R")
        await settled(pilot, lambda: "no pair is left out" in said_by(app))
        await typed(app, pilot, "rejected:wrong")
        await settled(pilot, lambda: "13 of 24 pairs" in text_of(app))
        await pilot.press("enter", "I")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await settled(pilot, lambda: "13 left out" in text_of(app))
        await pilot.press("I")
        await settled(pilot, lambda: "Take 13 pairs in again?" in text_of(app))
        await pilot.press("y")
        await settled(pilot, lambda: "13 left out" not in text_of(app), "undone in bulk")
        await pilot.press("u")
        await settled(pilot, lambda: "13 left out" in text_of(app), "the undoing undone")
        assert "as before: 13 pairs" in said_by(app)
        await pilot.press("R")
        await settled(pilot, lambda: "Refine again without 13 of 24 pairs?" in text_of(app))
        text = text_of(app)
        assert "new: 1 refine, 6 evaluate" in text
        assert "shared: 1 annotate, 1 instruct, 1 elicit" in text
        await pilot.press("y")
        await settled(pilot, lambda: read_queue(recorded).run_ids)

    looking(recorded, run_id, check)
    (queued,) = read_queue(recorded).run_ids
    assert "13 left out" in read_run(recorded, queued).name


def test_a_curated_run_shows_what_it_left_out(recorded, run_id, monkeypatch):
    monkeypatch.setattr("engine.scheduling.daemon.ensure_running", lambda runs: None)
    from engine.commands import curating
    from engine.scheduling.queue import DeviceRequest

    source = sources(recorded, run_id)[0]
    item_notes.mark(recorded, source.phase_id, Reader(source).ids([0]), excluded=True)
    found = curating.curated(recorded, run_id)
    curating.refine_again(recorded, found, DeviceRequest(cpu=True))

    async def check(app, pilot):
        await settled(pilot, lambda: "left out of this run" in text_of(app))

    looking(recorded, found.run_id, check)


@pytest.mark.slow
def test_damaged_marks_are_told_and_kept(recorded, run_id, phase_id):
    async def check(app, pilot):
        recorded.phase(phase_id).marks.write_text("{oops")
        await settled(pilot, lambda: "marks.json" in said_by(app))
        await pilot.press("f")
        await settled(pilot, lambda: said_by(app).count("marks.json") > 1)

    looking(recorded, run_id, check)
    assert recorded.phase(phase_id).marks.read_text() == "{oops"
