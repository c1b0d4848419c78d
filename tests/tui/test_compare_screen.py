"""The compare screen: what it says of two runs, one, twelve, live ones, and what it exports."""

from __future__ import annotations

import asyncio
import shutil
import threading

import pytest
from textual.widgets import Input

from engine.queries import comparison
from engine.queries.comparison import Compared
from engine.schema.errors import UserError
from engine.schema.events import Metric
from engine.store.eventlog import EventWriter
from engine.store.run import RunFile, read_run
from sirt_tui.panels.compared_accuracies import accuracies_table
from sirt_tui.panels.comparison import legend
from sirt_tui.screens.compare import ComparePage
from sirt_tui.screens.compare_bar import VIEWS
from sirt_tui.screens.compare_runs import ComparedRuns
from sirt_tui.screens.run_commands import leave_out
from sirt_tui.widgets.chart import Chart
from tests.report.made_up import row
from tests.tui.conftest import in_two_rounds, run_of
from tests.tui.helpers import app_on, settled, text_of


def comparing(runs, run_ids, check, size=(120, 40)):
    """Open the screen, wait until all is tested, and let ``check(app, pilot)`` look at it."""

    async def flow():
        app = app_on(runs)
        async with app.run_test(size=size, notifications=True) as pilot:
            await settled(pilot, lambda: " runs" in text_of(app))
            app.open_compare(run_ids)
            await settled(pilot, lambda: isinstance(app.screen, ComparePage))
            if run_ids:
                await settled(pilot, lambda: app.screen._compared is not None, "accuracies")
                await settled(pilot, lambda: app.screen._compared.differences, "tests")
                await settled(pilot, lambda: app.screen._whole.overview is not None, "the matrix")
            return await check(app, pilot)

    return asyncio.run(flow())


def some(runs, *which):
    return [run_of(runs, arm, teacher) for arm, teacher in which]


TWO = (("instruct-only", "wren-3m"), ("both", "wren-3m"))


@pytest.mark.slow
def test_a_reference_without_scores_is_the_reason_that_nothing_is_tested(recorded):
    async def check(app, pilot):
        await settled(pilot, lambda: "unscored: no tests, B for another" in text_of(app))
        assert "no question in common" not in text_of(app)
        await pilot.press("B")  # the other is the reference now
        await settled(pilot, lambda: "no tests" not in text_of(app))
        await settled(pilot, lambda: "not scored yet" in text_of(app))

    live, done = ("both", "otter-3m"), ("both", "wren-3m")
    comparing(recorded, some(recorded, live, done), check)


def test_runs_that_are_being_read_are_not_called_unchosen(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test() as pilot:
            app.open_compare(some(recorded, *TWO))
            await settled(pilot, lambda: isinstance(app.screen, ComparePage))
            assert "Tick runs" not in text_of(app)

    asyncio.run(flow())


@pytest.mark.slow
def test_each_view_of_two_runs(recorded):
    async def check(app, pilot):
        pages = {}
        for view in VIEWS:
            await pilot.pause()
            pages[view] = text_of(app)
            await pilot.press("tab")
        return pages

    pages = comparing(recorded, some(recorded, *TWO), check)
    assert "82.3 [79.1, 85.2]" in pages["accuracies"]
    assert "on 24: +8.3 [-10.2, +25.0] p 1" in pages["accuracies"]
    why = "B: only 24 of 600 answers can be paired (A kept 24, B kept 24)"
    assert why in pages["accuracies"]
    assert "◂ reference" in pages["accuracies"]
    assert "refine loss" in pages["curves"]
    assert "━ B" in pages["curves"]
    assert "instruct-only" in pages["settings"]
    assert "out-family" in pages["matrix"]
    assert "████  93.7 [91.4, 95.4]" in pages["matrix"]
    assert "100 %" in pages["fractions"]


@pytest.mark.slow
def test_keys_change_reference_curve_prompt_and_settings(recorded):
    async def check(app, pilot):
        await pilot.press("B")
        await settled(pilot, lambda: app.screen._compared.reference == 1)
        await settled(pilot, lambda: "-8.3 [-25.0, +10.2]" in text_of(app))
        await pilot.press("tab", "n")
        await settled(pilot, lambda: "refine loss, held out" in text_of(app))
        await pilot.press("tab", "A")
        await settled(pilot, lambda: "seed" in text_of(app) and " all settings" in text_of(app))
        await pilot.press("tab", "P")
        await settled(pilot, lambda: "66.0 [62.1, 69.7]" in text_of(app))

    comparing(recorded, some(recorded, *TWO), check)


@pytest.mark.slow
def test_rounds_have_curves_of_their_own_over_steps_time_or_epochs(recorded):
    once = run_of(recorded, "both", "wren-3m")

    async def check(app, pilot):
        await settled(pilot, lambda: app.screen.curves.views, "the logs")
        chart = app.screen.query_one("#curves", Chart)
        await pilot.press("tab")
        await settled(pilot, lambda: "refine 1 loss, train  over steps" in text_of(app))
        assert len(chart._series) == 2
        steps = chart._series[0].x
        await pilot.press("X")
        await settled(pilot, lambda: "over time" in text_of(app))
        assert chart._series[0].x != steps
        await pilot.press("X")
        await settled(pilot, lambda: "over epochs" in text_of(app))
        await pilot.press("n")
        await settled(pilot, lambda: "refine 2 loss, train  over epochs" in text_of(app))
        assert [series.name for series in chart._series] == ["B"]

    comparing(recorded, [once, in_two_rounds(recorded, once)], check)


@pytest.mark.slow
def test_one_run_is_set_beside_its_experiment(recorded):
    async def check(app, pilot):
        return len(app.screen._compared.rows), text_of(app)

    count, text = comparing(recorded, some(recorded, ("both", "wren-3m")), check, (80, 24))
    assert count == 9
    assert "and 4 more (1 failed, 1 lost, 1 running): W shows all" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_reference_stays_when_a_run_before_it_is_left_out_meanwhile(recorded):
    async def check(app, pilot):
        page = app.screen
        await pilot.press("B")
        await settled(pilot, lambda: page._compared.reference == 1)
        reference = page._compared.rows[1].run_id
        leave_out(recorded, [page._compared.rows[0].run_id], True)
        app.feed.hurry()
        await settled(pilot, lambda: [r.run_id for r in page._compared.rows] == [reference])
        assert page._compared.reference == 0
        await settled(pilot, lambda: len(page.curves.views) == 1, "curves with today's letters")
        leave_out(recorded, [reference], True)
        app.feed.hurry()
        await settled(pilot, lambda: "these runs are left out" in text_of(app))
        await pilot.press("B")  # there is none to go to
        assert not page.subject.startswith("failed")

    comparing(recorded, some(recorded, *TWO), check)


def test_no_run_says_how_to_choose_some(recorded):
    async def check(app, pilot):
        return text_of(app)

    assert "Tick runs with space" in comparing(recorded, (), check)


def test_the_questions_behind_a_difference_are_asked_for_by_enter(recorded):
    runs = some(recorded, *TWO, ("baseline", None))

    async def check(app, pilot):
        await pilot.press("B", "enter")
        await settled(pilot, lambda: "Answers of B (the reference) and of which?" in text_of(app))
        await pilot.press("down", "enter")
        await settled(pilot, lambda: f"B {runs[1]}   C {runs[2]}" in text_of(app))
        assert app.screen.query_one("#filter", Input).value == "flipped"
        app.go_back()
        page = app.screen
        last = list(page._compared.cells)[-1]
        await pilot.press("end", "enter")  # those of the row under the cursor
        await settled(pilot, lambda: "and of which?" in text_of(app))
        await pilot.press("enter")
        await settled(pilot, lambda: f"predictions  {last.label}" in text_of(app))
        app.go_back()
        assert "enter Questions" in text_of(app)
        await pilot.press("tab", "enter")
        await settled(pilot, lambda: "nothing to open in curves; alt+1: accuracies" in text_of(app))
        assert "enter Questions" not in text_of(app)

    comparing(recorded, runs, check)


def test_the_tests_are_told_where_they_will_stand_and_what_came_of_them(recorded, monkeypatch):
    runs = some(recorded, ("baseline", None), ("teacher", "wren-3m"), ("both", "wren-3m"))
    gate, true = threading.Event(), comparison.with_differences

    def slow(*args):
        return gate.wait(60) and true(*args)

    def failing(*_):
        raise UserError("the disk is gone")

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(80, 24)) as pilot:
            monkeypatch.setattr("engine.queries.comparison.with_differences", slow)
            app.open_compare(runs)
            await settled(pilot, lambda: "testing the differences from A …" in text_of(app))
            head, _, *rows = text_of(app).partition("task ")[2].splitlines()
            assert head.split()[1:3] == ["A", "◂"]
            assert head.endswith(" more →")  # and none is cut
            assert rows[0].strip().split() == ["testing…"]
            gate.set()
            await settled(pilot, lambda: "▲: the best of its row" in text_of(app))
            assert "testing" not in text_of(app)
            assert "significant after Holm" in text_of(app)
            await pilot.press("right", "right")
            await settled(pilot, lambda: " ← 2" in text_of(app))
            assert " C both" in text_of(app)
            assert any(line.endswith("▲") for line in text_of(app).splitlines())
            await pilot.press("question_mark")
            await settled(pilot, lambda: "the best of its row, and what can't be" in text_of(app))
            await pilot.press("escape")
            monkeypatch.setattr("engine.queries.comparison.with_differences", failing)
            await pilot.press("B")
            await settled(pilot, lambda: "not tested: the disk is gone" in text_of(app))
            await pilot.resize_terminal(200, 50)  # there is room for a curve below
            await settled(pilot, lambda: "refine loss, train  over steps" in text_of(app))
            assert "not tested: the disk is gone" in text_of(app)

    asyncio.run(flow())


def test_a_run_that_was_not_scored_says_so(recorded):
    lost = ("refine-only", "otter-3m")

    async def check(app, pilot):
        await settled(pilot, lambda: "not scored yet" in text_of(app))
        assert "no question in common" not in text_of(app)
        app.open_compare(some(recorded, ("both", "otter-3m"), lost))
        why = "none of these runs was scored yet (1 running, 1 lost)"
        await settled(pilot, lambda: why in text_of(app))
        await pilot.press("shift+tab")
        await settled(pilot, lambda: "yet; V asks one" in text_of(app))

    comparing(recorded, some(recorded, *TWO, lost), check)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
def test_twelve_runs_have_a_letter_each(recorded, size):
    original = run_of(recorded, "both", "wren-3m")
    copies = [copied(recorded, original, number) for number in range(12)]

    async def check(app, pilot):
        await pilot.press("W")
        await settled(pilot, lambda: "copy 11" in text_of(app), "the whole legend")
        assert "L copy 11" in text_of(app)
        await pilot.press("W", "tab")
        await settled(pilot, lambda: "refine loss" in text_of(app))
        return text_of(app)

    text = comparing(recorded, copies, check, size)
    assert max(map(len, text.splitlines())) <= size[0]


def copied(runs, run_id, number):
    """The same phases under another name."""
    new = f"copy-{number}"
    shutil.copytree(runs.run_folder(run_id), runs.run_folder(new))
    file = read_run(runs, run_id).model_copy(update={"run_id": new, "name": f"copy {number}"})
    assert isinstance(file, RunFile)
    runs.run_file(new).write_text(file.model_dump_json())
    return new


@pytest.mark.slow
def test_curves_of_a_live_run_go_on(recorded):
    live = run_of(recorded, "both", "otter-3m")
    phases = (recorded.phase(p.id) for p in read_run(recorded, live).spec.phases)
    attempt = next(p.last_attempt() for p in phases if p.last_attempt() and not p.done)
    finished = run_of(recorded, "both", "wren-3m")

    async def check(app, pilot):
        assert "running" in text_of(app)
        await settled(pilot, lambda: app.screen.curves.views, "the logs")
        chart = app.screen.query_one("#curves", Chart)
        await pilot.press("tab")
        while "instruct loss" not in text_of(app):
            await pilot.press("n")
            await pilot.pause()
        assert len(chart._series) == 2
        view = app.screen.curves.views[1]["elicit"]
        with EventWriter(attempt.events, attempt.alive) as writer:
            writer._seq = view.next_seq
            writer.emit(Metric(step=99, values={"plain_correct": 0.25}))
        grown = len(view.metrics.get("plain_correct", ())) + 1
        now = lambda: app.screen.curves.views[1]["elicit"].metrics.get("plain_correct", ())  # noqa: E731
        await settled(pilot, lambda: len(now()) == grown, "the new point")

    comparing(recorded, [finished, live], check)


@pytest.mark.slow
@pytest.mark.parametrize("view", VIEWS)
def test_each_view_is_exported_once(recorded, view, tmp_path, monkeypatch):
    target = tmp_path / "out"
    monkeypatch.chdir(tmp_path)

    async def check(app, pilot):
        await settled(pilot, lambda: app.screen.curves.views, "the logs")
        for _ in range(VIEWS.index(view)):
            await pilot.press("tab")
        for said in ("files are in", "is there already"):
            await pilot.press("E")
            await settled(pilot, lambda: f"Export {view}" in text_of(app))
            folder = app.screen.query_one("Input").value
            assert folder == str(recorded.root.parent / "reports" / "pocket-compared")
            await pilot.press("ctrl+u", *target.name, "enter")
            await settled(pilot, lambda said=said: said in text_of(app), said)

    comparing(recorded, some(recorded, *TWO), check)
    kinds = {p.suffix for p in target.iterdir()}
    assert kinds == {".md", ".tex", ".csv", ".svg"}
    assert all(p.stem.startswith(view) and p.stat().st_size > 20 for p in target.iterdir())


def test_names_say_which_settings_differ_and_the_legend_what_is_not_compared():
    def run(number, seed, rate, **changes):
        settings = ({"instruct.learning_rate": rate},)
        made = {"run_id": f"r{number}", "name": f"both s{seed}", "settings": settings} | changes
        return row("both", {("pocket-compass", "plain"): (60, 100)}, seed, "pocket-compass", **made)

    failed = run(2, 0, 1e-3, state="failed", figures="")
    listed = (run(0, 0, 3e-4), run(1, 0, 5.3e-4), failed, run(3, 1, 3e-4), run(4, 2, 3e-4))
    chosen = ComparedRuns(["r0"])
    assert chosen.take(listed)
    assert chosen.count == "3 of 5 runs"
    assert chosen.unshown == "not compared: 2 runs with another seed (1, 2)"
    cells = {row.accuracies[0].evaluation: (row.accuracies[0], None, None) for row in listed[:1]}
    compared = Compared(chosen.rows, 0, cells, {})
    said = legend(compared, 5, 100, str).plain.splitlines()
    assert [line.split("instruct.lr=")[1].split()[0] for line in said] == [
        "3e-4",
        "0.001",
        "5.3e-4",
    ]
    assert "and 2 more (1 failed): whole_names shows all" in legend(compared, 2, 100, str).plain
    head = accuracies_table(compared, str)[0].headers[2].plain
    assert head.endswith("… lr=3e-4")
    given = ComparedRuns(["r0", "r1"])
    given.take(listed)
    assert (given.count, given.unshown) == ("2 runs", "")  # nobody asked for the others
