"""Composing: where drafts come from, where they go, and nothing of them is lost."""

from __future__ import annotations

import asyncio

import pytest

from engine.commands import composing, drafts
from engine.commands.experiments import plan_experiment
from engine.planning.yaml_file import parse
from engine.scheduling import daemon
from engine.scheduling.queue import read_queue
from engine.store.run import read_run
from sirt_tui import draft_document as documents
from sirt_tui.screens.compose import ComposePage
from sirt_tui.widgets.dialogs import AskText, Choose, Confirm
from tests.tui.composing import at, composing_from, planned, typed
from tests.tui.conftest import run_of, take_weights_as_recorded
from tests.tui.helpers import app_on, settled, text_of


@pytest.fixture(autouse=True)
def no_conductor(monkeypatch):
    """Nothing is started: what is queued is looked at."""
    monkeypatch.setattr(daemon, "ensure_running", lambda runs: None)
    monkeypatch.setattr("sirt_tui.screens.draft_plan.REST_S", 0.02)


@pytest.mark.slow
def test_a_saved_file_is_taken_by_the_command_line_unchanged(recorded, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "mine.yaml"

    async def check(app, pilot):
        page = app.screen
        await at(app, pilot, "choices", "name")
        await pilot.press("enter")
        await typed(app, pilot, "mine")
        await at(app, pilot, "choices", "seeds")
        await pilot.press("space")
        await typed(app, pilot, "0, 1")
        await planned(app, pilot)
        assert "changed" in page.subject
        assert len(drafts.kept(recorded)) == 1
        await pilot.press("ctrl+s")
        await settled(pilot, lambda: isinstance(app.screen, AskText))
        assert app.screen.query_one("Input").value == "mine.yaml"
        await pilot.press("enter")
        await settled(pilot, file.exists)
        await settled(pilot, lambda: "saved to mine.yaml" in text_of(app))
        assert drafts.kept(recorded) == ()
        first = page._plan.planned.plan
        # another's file is written over only when that is wanted; one's own without a question
        for answer, title in (("n", "theirs"), ("y", "pocket")):
            (tmp_path / "theirs.yaml").write_text("name: theirs\n")
            await pilot.press("ctrl+s")
            await typed_path(app, pilot, "theirs")
            await settled(pilot, lambda: isinstance(app.screen, Confirm))
            assert "its comments too" in text_of(app)
            await pilot.press(answer)
            await settled(pilot, lambda: isinstance(app.screen, ComposePage))
            if answer == "n":
                assert (tmp_path / "theirs.yaml").read_text() == f"name: {title}\n"
        await settled(pilot, lambda: "teachers" in (tmp_path / "theirs.yaml").read_text())
        await settled(pilot, lambda: "saved to theirs.yaml" in page.subject)
        await pilot.press("ctrl+s")
        await typed(app, pilot, "theirs.yaml")
        await settled(pilot, lambda: "saved to theirs.yaml" in text_of(app))
        return first

    first = composing_from(recorded, check, preset="pocket")
    again = plan_experiment(recorded, str(file))
    assert again.plan.runs == first.runs
    assert again.resolved.experiment.seeds == (0, 1)
    assert parse(file.read_text())["name"] == "mine"


async def typed_path(app, pilot, text):
    await settled(pilot, lambda: isinstance(app.screen, AskText))
    app.screen.query_one("Input").value = text
    await pilot.press("enter")


@pytest.mark.slow
def test_launching_says_what_will_be_done_and_goes_to_the_new_runs(recorded):
    before = set(recorded.run_ids())

    async def check(app, pilot):
        page = app.screen
        await at(app, pilot, "choices", "seeds")
        await pilot.press("enter")
        await typed(app, pilot, "5")
        await planned(app, pilot)
        new = [phase.id for phase in page._plan.planned.plan.to_do]
        await pilot.press("ctrl+l")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        text = text_of(app)
        assert "Launch 9 runs of pocket?" in text
        assert f"{len(new)} phases" in text
        assert "on        CPU" in text
        await pilot.press("n")
        await settled(pilot, lambda: isinstance(app.screen, ComposePage))
        assert set(recorded.run_ids()) == before
        await pilot.press("ctrl+l")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        await pilot.press("y")
        await settled(pilot, lambda: "SIRT Runs" in text_of(app))
        await settled(pilot, lambda: "9 runs launched, " in text_of(app))
        made = set(recorded.run_ids()) - before
        await settled(pilot, lambda: app.screen.table.row.run_id in made, "the cursor on a new one")
        return made

    made = composing_from(recorded, check, preset="pocket")
    assert {read_run(recorded, run_id).spec.seed for run_id in made} == {5}
    assert made <= set(read_queue(recorded).run_ids)
    assert len(drafts.kept(recorded)) == 1  # it was never saved


@pytest.mark.slow
def test_a_past_run_gives_its_own_cell_with_everything_reused(recorded, monkeypatch):
    take_weights_as_recorded(recorded, monkeypatch)
    run_id = run_of(recorded, "both", "wren-3m")

    async def check(app, pilot):
        page = app.screen
        (spec,) = page._plan.planned.plan.runs
        assert spec.fingerprint == read_run(recorded, run_id).spec.fingerprint
        assert not page._plan.planned.plan.to_do
        assert "everything is there already" in text_of(app)
        assert not page._document.unsaved

    composing_from(recorded, check, run_id=run_id)
    assert drafts.kept(recorded) == ()


def test_a_new_experiment_starts_from_this_run_first_and_a_screen_key_leaves_the_question(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            run_id = app.screen.table.row.run_id
            await pilot.press("3")
            await settled(pilot, lambda: "this run  both wren-1m" in text_of(app))
            await settled(pilot, lambda: f"what {run_id} was made with" in text_of(app))
            await pilot.press("4")
            await settled(pilot, lambda: "SIRT Pairs" in text_of(app))
            await pilot.press("escape")
            await settled(pilot, lambda: "SIRT Runs" in text_of(app))
            await pilot.press("3", "down")
            await settled(
                pilot, lambda: composing.about_preset(app_choice(app))[:30] in text_of(app)
            )
            await pilot.press("up", "enter")
            page = await planned(app, pilot)
            assert f"from run {run_id}" in page.subject

    asyncio.run(flow())


def app_choice(app):
    return app.screen.query_one("OptionList").highlighted_option.id


def test_a_kept_draft_that_is_only_looked_at_keeps_its_file_and_its_time(recorded):
    drafts.keep({"name": "mine", "tasks": ["csqa"]}, drafts.new_place(recorded, {"name": "mine"}))
    before = drafts.kept(recorded)
    document = documents.from_kept(before[0].path)
    documents.keep(recorded, document)
    assert drafts.kept(recorded) == before
    document.draft = document.draft | {"name": "other"}
    documents.keep(recorded, document)
    assert [one.name for one in drafts.kept(recorded)] == ["other"]


def test_c_on_a_run_composes_from_it(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            run_id = app.screen.table.row.run_id
            await pilot.press("C")
            page = await planned(app, pilot)
            assert f"from run {run_id}" in page.subject

    asyncio.run(flow())


@pytest.mark.slow
def test_what_was_left_unsaved_is_offered_again(recorded):
    async def leave(app, pilot):
        await at(app, pilot, "choices", "tasks/csqa")
        await pilot.press("space", "escape")
        await settled(pilot, lambda: "the draft is kept" in text_of(app))
        await pilot.press("3")
        await settled(pilot, lambda: isinstance(app.screen, Choose))
        assert "draft   pocket" in text_of(app)
        await pilot.press("enter")
        page = await planned(app, pilot)
        assert page._document.draft["tasks"] == ["pocket-compass", "csqa"]

    composing_from(recorded, leave, preset="pocket")
    (kept,) = drafts.kept(recorded)  # gone on with, and still not saved
    assert drafts.draft_of_preset(str(kept.path))["tasks"] == ["pocket-compass", "csqa"]


def test_a_kept_draft_is_deleted_after_one_question_and_nothing_else_is(recorded):
    for name in ("older", "newer"):
        drafts.keep({"name": name, "tasks": ["csqa"]}, drafts.new_place(recorded, {"name": name}))
    first, second = drafts.kept(recorded)

    async def check(app, pilot):
        await settled(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("d")
        await settled(pilot, lambda: isinstance(app.screen, Confirm))
        text = text_of(app)
        assert f"Delete this draft: {first.name}?" in text
        assert "saved nowhere else" in text
        assert "tasks: [csqa]" in text  # all that it says
        await pilot.press("n")
        await settled(pilot, lambda: isinstance(app.screen, Choose))
        assert len(drafts.kept(recorded)) == 2
        await pilot.press("d")
        await settled(pilot, lambda: "saved nowhere else" in text_of(app))
        await pilot.press("y")
        await settled(pilot, lambda: f"draft   {first.name}" not in text_of(app))
        assert drafts.kept(recorded) == (second,)
        assert f"draft   {second.name}" in text_of(app)
        await pilot.press("end", "d")  # no draft: not its business
        await pilot.pause()
        assert isinstance(app.screen, Choose)

    composing_from(recorded, check)
    assert drafts.kept(recorded) == (second,)


@pytest.mark.slow
def test_it_starts_from_nothing_from_a_file_and_says_why_it_cannot(recorded, tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text("name: wrong\nteachers: [nobody]\nstudents: [wren-1m]\ntasks: [csqa]\n")

    async def check(app, pilot):
        await settled(pilot, lambda: "start from?" in text_of(app))
        app.screen.dismiss("nothing")
        await settled(pilot, lambda: "3 problems have to be solved" in text_of(app))
        page = app.screen
        await pilot.press("o")
        await settled(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("end", "up", "enter")
        await typed(app, pilot, str(tmp_path / "lost.yaml"))
        await settled(pilot, lambda: "no such file" in text_of(app))
        await pilot.press("o")
        await settled(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("end", "up", "enter")
        await typed(app, pilot, str(file))
        await settled(pilot, lambda: "no model card 'nobody'" in text_of(app))
        assert page._document.file == file

    composing_from(recorded, check)


@pytest.mark.slow
def test_quitting_keeps_the_draft_too(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            app.open_compose("pocket")
            await settled(pilot, lambda: isinstance(app.screen, ComposePage))
            await planned(app, pilot)
            await at(app, pilot, "choices", "tasks/csqa")
            await pilot.press("space", "q")

    asyncio.run(flow())
    (kept,) = drafts.kept(recorded)
    assert drafts.draft_of_preset(str(kept.path))["tasks"] == ["pocket-compass", "csqa"]
