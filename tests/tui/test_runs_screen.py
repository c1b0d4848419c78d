"""The list of runs: filter, order, preview, and what is done with several runs at once."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from engine.commands.run_changes import describe
from engine.queries.runs import list_runs
from engine.scheduling.queue import read_queue
from engine.schema.errors import UserError
from engine.store.run import read_run
from sirt_tui.feed import Feed
from sirt_tui.screens import run_commands
from sirt_tui.screens.run_names import name_apart
from sirt_tui.widgets.dialogs import AskText, Choose, Confirm
from tests.tui.conftest import run_of
from tests.tui.helpers import NOW, app_on, said_by, settled, text_of


def listing(runs, check, size=(120, 40)):
    """Open the list, wait until all is read, and let ``check(app, pilot)`` look at it."""

    async def flow():
        app = app_on(runs)
        async with app.run_test(size=size) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app), "the list of runs")
            return await check(app, pilot)

    return asyncio.run(flow())


def test_the_filter_says_what_it_does_not_know(recorded):
    words = {
        "stat:done": "no field 'stat': did you mean 'state'?",
        "acc:80": "'acc' is a figure: ask for acc>80",
        "acc>abc": "'abc' is no number: acc>80, say",
        "lrate>1e-5": "no figure 'lrate'",
        "age<2x": "'2x' is no time: age<2h, say",
        "state:faild": "no state 'faild': did you mean 'failed'?",
        "arm>1": "'arm' is no figure: ask for arm:",
        "plaim>1": "no figure 'plaim': did you mean 'plain'?",
        "acc>": "  acc>80  ",
        "sta": "state:",
        "arm:": "arm:baseline, ",
    }

    async def check(app, pilot):
        await pilot.press("slash")
        box = app.screen.query_one("#filter")
        for text, said in words.items():
            box.value = text
            await settled(pilot, lambda said=said: said in typed_line(app), said)
            assert len(app.screen.table.rows) == 9 or text == "sta"  # nothing else hides anything
        box.value = ""
        await pilot.press(*"arm:both")
        await settled(pilot, lambda: typed_line(app).endswith(" 2 of 9 runs"))
        await pilot.press("x")
        await settled(pilot, lambda: "no arm 'bothx'" in typed_line(app))
        await pilot.press("ctrl+u", *"nosuchrun")
        none = "no run is found; esc shows all"
        await settled(pilot, lambda: none in typed_line(app))
        assert none in text_of(app).splitlines()[4], "where the rows would be"

    listing(recorded, check, (80, 24))


def typed_line(app):
    return text_of(app).splitlines()[2]


def test_the_head_says_which_accuracy_a_filter_means(recorded):
    async def check(app, pilot):
        box = app.screen.query_one("#filter")
        assert "acc=plain" not in text_of(app)
        box.value = "acc>=98.5"
        await settled(pilot, lambda: "acc=plain" in text_of(app))
        rows = app.screen.table.rows
        assert len(rows) == 3
        assert all(row.plain > 0.98 for row in rows)  # none for its 100 with the other prompt
        box.value = ""
        await settled(pilot, lambda: "acc=plain" not in text_of(app))

    listing(recorded, check, (80, 24))


def test_figures_of_every_column_can_be_asked_for(recorded):
    counts = {
        "plain>99": 2,
        "cot<50": 1,
        "minutes>0": 9,
        "days>0 state:failed": 1,
        "seed=0": 9,
        "age>1h": 9,
        "took>65s": 2,
        "plain=98.5": 1,
        "plain>9.85e1": 2,
    }

    async def check(app, pilot):
        box = app.screen.query_one("#filter")
        for text, count in counts.items():
            box.value = text
            await settled(pilot, lambda n=count: len(app.screen.table.rows) == n, text)

    listing(recorded, check)


@pytest.mark.slow
def test_any_column_orders_the_list_and_a_hidden_one_is_named(recorded):
    async def check(app, pilot):
        table = app.screen.table
        await pilot.press("O")
        await settled(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("down", "down", "enter")  # from age by took to tags
        await settled(pilot, lambda: table.sorted_by[0] == "tags")
        await settled(pilot, lambda: "by tags ▴" in text_of(app))
        await pilot.press("S")
        await settled(pilot, lambda: "by tags ▾" in text_of(app))
        seen = []
        for _ in range(5):  # those that are shown, from their natural end
            await pilot.press("s")
            seen.append(tuple(table.sorted_by))
        order = [("state", False), ("name", False), ("plain", True), ("cot", True), ("age", False)]
        assert seen == order
        assert "by tags" not in text_of(app)

    listing(recorded, check, (80, 24))


@pytest.mark.slow
def test_the_preview_follows_the_cursor(recorded):
    async def check(app, pilot):
        for _ in range(3):
            await pilot.press("j")
            row = app.screen.table.row
            await settled(pilot, lambda row=row: f"─ {row.run_id} ─" in text_of(app))
        await settled(pilot, lambda: "phases\n" in text_of(app) or "✗ refine" in text_of(app))

    listing(recorded, check)


@pytest.mark.slow
def test_ticked_runs_are_exported_and_retried_together(recorded, tmp_path, monkeypatch):
    from engine.scheduling import daemon
    from engine.scheduling.queue import read_queue

    monkeypatch.setattr(daemon, "ensure_running", lambda runs: None)
    ended = [run_of(recorded, "refine-only", t) for t in ("wren-3m", "otter-3m")]

    async def check(app, pilot):
        for run_id in ended:
            app.screen.table.move_to(run_id)
            await pilot.press("space")
        await settled(pilot, lambda: "● 2 ticked" in text_of(app))
        await pilot.press("E")
        await settled(pilot, lambda: isinstance(app.screen, Choose))
        app.screen.dismiss("files")
        await settled(pilot, lambda: isinstance(app.screen, AskText))
        assert app.screen.query_one("Input").value == str(
            recorded.root.parent / "exports" / "2-runs"
        )
        app.screen.query_one("Input").value = str(tmp_path / "out")
        await pilot.press("enter")
        await settled(pilot, lambda: "2 runs: exported to" in said_by(app))
        assert {path.name for path in (tmp_path / "out").iterdir()} == set(ended)
        await pilot.press("r")
        await settled(pilot, lambda: set(read_queue(recorded).run_ids) == set(ended))

    listing(recorded, check)


def test_what_has_ended_is_neither_stopped_nor_queued(recorded):
    done = run_of(recorded, "both", "wren-3m")

    async def check(app, pilot):
        app.screen.table.move_to(done)
        await pilot.press("x")
        await settled(pilot, lambda: "there is nothing to stop" in said_by(app))
        await pilot.press("r")
        await settled(pilot, lambda: "nothing is left to do" in said_by(app))

    listing(recorded, check)


def test_all_that_the_filter_leaves_are_ticked_by_one_key(recorded):
    async def check(app, pilot):
        app.screen.query_one("#filter").value = "arm:instruct-only"
        await settled(pilot, lambda: len(app.screen.table.rows) == 2)
        counts = text_of(app).splitlines()[1]
        assert "2 of 9 runs" in counts
        assert "failed" not in counts, "it is none of these two"
        await pilot.press("a")
        await settled(pilot, lambda: "● 2 ticked" in text_of(app))
        await pilot.press("a")
        await settled(pilot, lambda: "ticked" not in text_of(app))

    listing(recorded, check)


@pytest.mark.parametrize("width", [80, 120, 200])
def test_the_list_says_what_a_queued_run_waits_for(recorded, width):
    why = "waits for a free GPU"

    async def check(app, pilot):
        first, *rest = app.screen._rows
        waiting = replace(first, state="queued", waits=why)
        app.screen.on_feed_runs_changed(Feed.RunsChanged((waiting, *rest), ()))
        await settled(pilot, lambda: f"○ 1 queued ({why})" in text_of(app).splitlines()[1])
        row = text_of(app).splitlines()[3]
        assert ("○ queued: waits for a free GPU" if width == 200 else "○ queued ") in row
        assert width == 80 or text_of(app).count(why) > 1  # beside the list too

    listing(recorded, check, (width, 24))


def test_ticks_are_told_also_where_there_is_no_room_and_where_they_are_hidden(recorded):
    async def check(app, pilot):
        await pilot.press("space", "space")
        await settled(pilot, lambda: text_of(app).splitlines()[1].startswith(" ● 2 ticked  9 runs"))
        app.screen.query_one("#filter").value = "no such run"
        ticked = " ● 2 ticked, 2 of them hidden by the filter"
        await settled(pilot, lambda: text_of(app).splitlines()[1].startswith(ticked))
        await pilot.press("escape", "escape")
        await settled(pilot, lambda: "2 ticks taken off" in said_by(app))

    listing(recorded, check, (60, 15))


def columns_of(app):
    return [column.key for column, _ in app.screen.table._look.shown(app.screen.table.size.width)]


def test_what_other_runs_bring_takes_no_column_away(recorded, measured):
    """Paid runs of several tasks and experiments, and one at work, beside a person's own."""
    shown = ["state", "name", "plain", "cot", "age"]

    async def check(app, pilot):
        assert columns_of(app) == shown
        rows = [*app.screen._rows, *list_runs(measured)]
        assert len({row.scored_on for row in rows}) > 1
        at_work = replace(rows[0], state="running", share=34, ends=NOW + timedelta(minutes=80))
        app.screen.on_feed_runs_changed(Feed.RunsChanged((at_work, *rows[1:]), ()))
        await settled(pilot, lambda: "▶ 34 % ~80 min" in text_of(app))
        assert columns_of(app) == shown
        assert re.search(r" \d+\.\d% \(600\) ", text_of(app))  # no fraction

    listing(recorded, check, (80, 24))


@pytest.mark.slow
def test_deleting_several_asks_once_and_names_what_is_lost(recorded):
    gone = [run_of(recorded, "refine-only", t) for t in ("wren-3m", "otter-3m")]

    async def check(app, pilot):
        for run_id in gone:
            app.screen.table.move_to(run_id)
            await pilot.press("space")
        await pilot.press("d")
        await settled(pilot, lambda: "Delete the 2 ticked runs?" in text_of(app))
        assert all(read_run(recorded, run_id).name in text_of(app) for run_id in gone)
        assert "since other runs need them" in text_of(app)
        await pilot.press("n")
        await settled(pilot, lambda: "Delete the 2 ticked runs?" not in text_of(app))
        assert len(recorded.run_ids()) == 9
        await pilot.press("d")
        await settled(pilot, lambda: "on disk; " in text_of(app))
        await pilot.press("y")
        await settled(pilot, lambda: "7 runs" in text_of(app))
        await settled(pilot, lambda: "ticked" not in text_of(app))
        assert not set(gone) & set(recorded.run_ids())
        await settled(pilot, lambda: "u brings them back" in said_by(app))
        await pilot.press("ctrl+t")
        await settled(pilot, lambda: "2 runs: pocket-" in text_of(app))
        with pytest.raises(UserError, match="nothing 'gone' in the trash"):
            run_commands.restore(recorded, "gone")  # by somebody else: no other comes in its place
        await pilot.press("enter")
        await settled(pilot, lambda: "9 runs" in text_of(app))
        await settled(pilot, lambda: app.screen.table.row.run_id in gone, "the cursor is on it")
        await pilot.press("d")
        await settled(pilot, lambda: "Delete the run refine-only" in text_of(app))
        await pilot.press("n", "space", "d")  # the cursor goes on, and the tick stays
        await settled(pilot, lambda: "Delete the ticked run refine-only" in text_of(app))

    listing(recorded, check)
    assert set(gone) < set(recorded.run_ids())


@pytest.mark.parametrize("width", [60, 80, 120])
def test_names_are_told_apart_at_any_width(recorded, width):
    base = "both wren-1m <wren-3m pocket-compass pocket-boxes"
    for seed, run_id in enumerate(recorded.run_ids()):
        describe(recorded, run_id, name=f"{base} s{seed}")

    async def check(app, pilot):
        await settled(pilot, lambda: "both" in text_of(app))
        lines = [line[:72] for line in text_of(app).splitlines()]  # without the preview
        ends = [
            next((f"s{n}" for n in range(9) if re.search(rf"[ …]s{n} ", f"{line} ")), "")
            for line in lines
        ]
        assert sorted(filter(None, ends)) == [f"s{n}" for n in range(9)]
        assert sum("both" in line for line in lines) >= 9

    listing(recorded, check, (width, 24))


@pytest.mark.parametrize("width", [80, 120])
def test_the_experiment_is_shown_where_experiments_differ(recorded, width):
    async def check(app, pilot):
        screen = app.screen
        twin = replace(screen._rows[0], experiment="mine", run_id="twin-00000000")
        screen._rows = (twin, *screen._rows)
        screen._draw()
        await settled(pilot, lambda: "mine" in text_of(app).splitlines()[3][:78])
        screen._listing._chosen = ["state", "name"]
        screen._draw()
        await settled(pilot, lambda: "mine" in text_of(app).splitlines()[3][:78])
        named = {name_apart(row.run_id, screen._rows) for row in screen._rows}
        assert len(named) == len(screen._rows)
        assert f"{twin.name} (mine)" in named

    listing(recorded, check, (width, 24))


def test_what_is_at_work_is_neither_deleted_nor_queued_again(recorded):
    live = run_of(recorded, "both", "otter-3m")

    async def check(app, pilot):
        app.screen.table.move_to(live)
        app.screen._rows = tuple(
            replace(row, state="running") if row.run_id == live else row for row in app.screen._rows
        )
        app.screen._draw()
        await pilot.press("d")
        await settled(pilot, lambda: "running; stop it first (x)" in said_by(app))
        assert not isinstance(app.screen, Confirm)
        await pilot.press("r")
        await settled(pilot, lambda: "there is nothing to retry" in said_by(app))
        assert live not in read_queue(recorded).run_ids

    listing(recorded, check)


def test_tags_and_note_go_to_all_ticked_runs(recorded):
    describe(recorded, recorded.run_ids()[0], tags=("old",))

    async def check(app, pilot):
        await pilot.press("a", "t")
        await settled(pilot, lambda: isinstance(app.screen, AskText))
        assert "the 9 ticked runs" in text_of(app)
        app.screen.query_one("Input").value = "mine"
        await pilot.press("enter")
        await settled(
            pilot, lambda: all("mine" in read_run(recorded, r).tags for r in recorded.run_ids())
        )
        assert read_run(recorded, recorded.run_ids()[0]).tags == ("old", "mine")
        await pilot.press("M")
        await settled(pilot, lambda: isinstance(app.screen, AskText))
        app.screen.query_one("Input").value = "look again"
        await pilot.press("enter")
        await settled(
            pilot,
            lambda: all(read_run(recorded, r).note == "look again" for r in recorded.run_ids()),
        )

    listing(recorded, check)
