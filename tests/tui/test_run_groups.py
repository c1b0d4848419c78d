"""Groups of the list of runs, its columns, and the mark that leaves a run out of tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from engine.queries.runs import list_runs
from engine.store.run import read_record
from engine.store.run_row import figures_text
from sirt_tui.screens import run_groups
from sirt_tui.screens.run_columns import run_columns
from sirt_tui.widgets.dialogs import Choose
from sirt_tui.widgets.names import Names
from sirt_tui.widgets.table_lines import Head
from tests.tui.conftest import run_of
from tests.tui.helpers import NOW, said_by, settled, text_of
from tests.tui.test_runs_screen import listing


def made(row, seed, plain, **other):
    """A row like another, of this seed and with this plain accuracy on 200 questions."""
    task = row.scored_on
    figures = [[task, "plain", "match", "test", plain, 0, 1, int(200 * plain), 200]]
    run_id = f"{row.run_id}-{seed}-{plain}"
    scored = {"figures": figures_text(figures), "plain": plain, "state": "done"}
    return replace(row, run_id=run_id, seed=seed, **scored, **other)


def test_a_group_says_how_many_best_and_mean_over_seeds(recorded):
    base = next(r for r in list_runs(recorded) if r.run_id == run_of(recorded, "both", "wren-3m"))
    other = replace(base, arm="instruct-only")
    rows = [
        *(made(base, seed, plain) for seed, plain in enumerate((0.8, 0.9, 1.0))),
        *(made(other, seed, plain) for seed, plain in enumerate((0.5, 0.6))),
        made(base, 3, 0.0, left_out=True),
        replace(base, run_id="failed", figures="", plain=None, state="failed"),
    ]
    text = run_groups.summary(run_groups.cells_of(rows)).plain
    assert text.startswith("7 runs ✓6 ✗1 ⊘1")
    assert "best 100.0% (200) both" in text
    assert "mean 90.0 ± 10.0 of 3 seeds, both wren-1m" in text
    lines = run_groups.grouped(rows, "experiment", run_groups.OF["experiment"], ())
    heads = [line for line in lines if isinstance(line, Head)]
    assert [head.depth for head in heads] == [0, 1, 1]
    assert "mean 55.0 ± 7.1 of 2 seeds" in heads[2].text.plain
    assert len(lines) == len(rows) + len(heads)
    folded = run_groups.grouped(
        rows, "experiment", run_groups.OF["experiment"], {heads[1].key, "experiment=pocket"}
    )
    assert [line.key for line in folded] == ["experiment=pocket"]
    half = run_groups.grouped(rows, "experiment", run_groups.OF["experiment"], {heads[1].key})
    assert len(half) == len(lines) - 5


def test_a_run_at_work_says_how_far_and_how_long(recorded):
    base = list_runs(recorded)[0]
    columns = run_columns(lambda: NOW, lambda: True, Names(), {})
    told = {
        (34, timedelta(minutes=12)): "34 % ~12 min left",
        (99, timedelta(seconds=50)): "99 % ~50 s left",
        (5, timedelta(hours=30)): "5 % ~30 h left",
        (60, timedelta(seconds=-3)): "60 %",
    }
    for (share, left), text in told.items():
        row = replace(base, state="running", share=share, ends=NOW + left)
        assert columns["state"].cell(row)[0] == f"▶ running {text}"
        if text.endswith(" left"):
            assert columns["state"].cell_in(row, 15)[0] == f"▶ {text.removesuffix(' left')}"
        assert columns["state"].cell_in(row, 7)[0] == f"▶ {share} %"
    both = tuple(NOW - timedelta(seconds=n) for n in (20, 10))  # side by side, after 60 s of others
    assert columns["took"].cell(replace(base, seconds=60.0, at_work=both)) == "1 min 30 s"
    looking = run_columns(lambda: NOW, lambda: False, Names(), {})
    assert looking["state"].cell(replace(base, state="running", share=1))[0] == "… looking"


def test_a_run_stands_under_each_of_its_tags_and_alone_without(recorded):
    one, two, *_ = list_runs(recorded)
    rows = [replace(one, tags=("paper", "late")), two]
    lines = run_groups.grouped(rows, "tag", run_groups.OF["tag"], ())
    titles = [line.title if isinstance(line, Head) else line.run_id for line in lines]
    assert titles == ["paper", one.run_id, "late", one.run_id, "–", two.run_id]


@pytest.mark.slow
def test_the_list_is_grouped_folded_and_has_the_chosen_columns(recorded):
    run_id = run_of(recorded, "both", "wren-3m")

    def text(app):
        return text_of(app).splitlines()

    async def check(app, pilot):
        table = app.screen.table
        await pilot.press("Z")
        await settled(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("down", "enter")
        await settled(pilot, lambda: any(line.startswith("▾ pocket") for line in text(app)))
        assert "grouped by experiment" in text_of(app)
        assert "best 100.0% (600)" in text_of(app)
        await pilot.press("home", "space")
        await settled(pilot, lambda: any(line.startswith("▸ pocket") for line in text(app)))
        assert table.count == 1
        assert len(table.rows) == 9
        assert table.row is None
        panel = app.screen.query_one("PreviewPanel Static")
        await settled(pilot, lambda: "9 runs" in str(panel.render()), "the group's summary")
        await pilot.press("d")
        await settled(pilot, lambda: "this is a group; tick runs of it first" in said_by(app))
        await pilot.press("enter")
        await settled(pilot, lambda: table.count == 10)
        for by in ("state", "arm", "task", "tag", "not at all"):
            await pilot.press("Z")
            await settled(pilot, lambda: isinstance(app.screen, Choose))
            app.screen.dismiss(by)
            by = by.replace("not at all", "")  # noqa: PLW2901
            await settled(pilot, lambda by=by: (f"grouped by {by}" in text_of(app)) == bool(by))

        await pilot.press("F")
        await settled(pilot, lambda: "Columns of the list" in text_of(app))
        choice = app.screen.table
        for keys, at in ("JJ", 2), ("KK", 0):  # the cursor goes with the column
            await pilot.press(*keys)
            assert [choice.row.key, choice.rows[at].key] == ["state", "state"]
        await pilot.press("slash", *"instruct.lr", "enter", "space", "enter")
        await settled(pilot, lambda: "instruct.lr" in text_of(app), "the new column")
        await settled(pilot, lambda: "9e-4" in text_of(app))
        assert "no room for" in text_of(app)
        assert app.remembered.get("runs.columns", [])[-1] == "settings.instruct.learning_rate"
        await pilot.press("F")
        await settled(pilot, lambda: "Columns of the list" in text_of(app))
        await pilot.press("slash", *"instruct.lr", "enter", "Z")
        await settled(pilot, lambda: any(line.startswith("▾ 9e-4") for line in text(app)))
        await pilot.press("F")
        await settled(pilot, lambda: "Columns of the list" in text_of(app))
        await pilot.press("D", "home")
        assert "Columns of the list" in text_of(app), "it is left by enter"
        await pilot.press("enter")
        await settled(pilot, lambda: "instruct.lr ▴" not in text_of(app))
        assert app.remembered.get("runs.columns", ["?"]) == []
        await pilot.press("s", "0")
        await settled(pilot, lambda: "grouped by" not in text_of(app))
        assert table.sorted_by == ("age", False)

        table.move_to(run_id)
        await pilot.press("i")
        await settled(pilot, lambda: "⊘ both" in text_of(app))
        assert read_record(recorded, run_id).left_out
        await pilot.press("u")
        await settled(pilot, lambda: "⊘" not in text_of(app))
        assert not read_record(recorded, run_id).left_out
        await pilot.press("u")
        await settled(pilot, lambda: "the trash is empty" in said_by(app))

    listing(recorded, check)
