"""Composing: choose and set, and see the plan and the problems."""

from __future__ import annotations

import asyncio
import re

import pytest

from engine.commands import composing
from engine.queries import settings_form
from engine.queries.machine import (
    Gpu,
    GpuProcess,
    Machine,
    MachineNow,
)
from engine.scheduling import daemon
from sirt_tui.panels.planned import plan_text
from sirt_tui.panels.tree_choice import Offered, rows_of_setting
from sirt_tui.screens.compose import ComposePage
from sirt_tui.screens.compose_launch import request
from sirt_tui.widgets.dialogs import AskText, Choose
from tests.tui.composing import at, composing_from, planned, typed
from tests.tui.helpers import settled, text_of

SETTINGS = {setting.key: setting for setting in settings_form.settings()}
SIZES = [(80, 24), (120, 40), (200, 50)]


@pytest.fixture(autouse=True)
def no_conductor(monkeypatch):
    """Nothing is started: what is queued is looked at."""
    monkeypatch.setattr(daemon, "ensure_running", lambda runs: None)
    monkeypatch.setattr("sirt_tui.screens.draft_plan.REST_S", 0.02)


@pytest.mark.slow
@pytest.mark.parametrize("size", SIZES)
def test_a_preset_is_shown_with_its_plan(recorded, size):
    async def check(app, pilot):
        page = await planned(app, pilot)
        shown = [text_of(app)]
        for _ in range(2):
            await pilot.press("tab")
            shown.append(text_of(app))
        assert page.focused is page.query_one("#plan")
        await pilot.press("tab")
        assert page.focused is page.panes.choices
        return "\n".join(shown)

    text = composing_from(recorded, check, size, preset="pocket")
    assert "from preset pocket" in text
    assert "wren-3m, otter-3m" in text
    assert "[x]" in text or size == (80, 24)
    assert "the authors' code" in text
    assert "5.3e-4" in text
    assert "9 runs" in text
    assert "52 phases to do" in text or re.search(r"all +52 +14", text)
    assert "fits in" in text


@pytest.mark.slow
def test_choosing_changes_the_plan_and_a_problem_stands_at_its_field(recorded):
    async def check(app, pilot):
        page = app.screen
        before = len(page._plan.planned.plan.runs)
        await at(app, pilot, "choices", "teachers/otter-3m")
        await pilot.press("space")
        await planned(app, pilot)
        assert len(page._plan.planned.plan.runs) < before
        await at(app, pilot, "choices", "teachers/wren-3m")
        await pilot.press("space")
        await planned(app, pilot)
        assert page._plan.planned is None
        await settled(pilot, lambda: "! is empty" in text_of(app), "at the field")
        assert "1 problem has to be solved before it can be planned" in text_of(app)
        await at(app, pilot, "settings", "settings.refine.beta")
        await pilot.press("ctrl+l")
        await settled(
            pilot, lambda: page.panes.choices.row.key == "teachers", "the cursor is at it"
        )
        assert "not yet: teachers" in text_of(app)
        await at(app, pilot, "choices", "teachers/wren-3m")
        await pilot.press("space")
        await planned(app, pilot)
        assert page._plan.planned is not None

    composing_from(recorded, check, preset="pocket")


@pytest.mark.slow
def test_settings_are_edited_cycled_put_back_and_filtered(recorded):
    async def check(app, pilot):
        page = app.screen
        await at(app, pilot, "settings", "settings.refine.beta")
        await pilot.press("enter")
        await settled(pilot, lambda: "inferred" in text_of(app), "where the default comes from")
        await typed(app, pilot, "high")
        await planned(app, pilot)
        assert "! high" in text_of(app)
        assert "settings.refine.beta" in text_of(app)
        await pilot.press("enter")
        await settled(pilot, lambda: isinstance(app.screen, AskText))
        app.screen.query_one("Input").value = "{"
        await pilot.press("enter")
        await settled(pilot, lambda: "not valid YAML" in text_of(app))
        assert isinstance(app.screen, AskText)
        assert app.screen.query_one("Input").value == "{"
        app.screen.query_one("Input").value = "0.3"
        await pilot.press("enter")
        await planned(app, pilot)
        assert page._document.draft["settings"]["refine"]["beta"] == 0.3
        await pilot.press("D")
        assert "beta" not in page._document.draft["settings"]["refine"]
        await at(app, pilot, "settings", "settings.elicit.pair_prompt")
        await pilot.press("space")
        assert "pair_prompt" not in page._document.draft["settings"].get("elicit", {})
        await pilot.press("enter")
        await settled(pilot, lambda: isinstance(app.screen, Choose))
        await pilot.press("k", "enter")
        await settled(pilot, lambda: page._document.draft["settings"].get("elicit"))
        await pilot.press("slash", *"rank")
        await settled(pilot, lambda: len(page.panes.settings.table.rows) == 2, "two ranks")
        await pilot.press("enter")
        assert page.focused is page.panes.settings.table
        await pilot.press("escape")
        assert len(page.panes.settings.table.rows) > 40
        assert isinstance(app.screen, ComposePage)

    composing_from(recorded, check, preset="pocket")


@pytest.mark.slow
def test_cards_and_their_users_are_there_to_tick(recorded, monkeypatch):
    users = (GpuProcess(9, "ada", "python", 4e4, ours=False),)
    cards = (
        Gpu(0, "H100", "u0", 81_920.0, 40_960.0, 90.0, users),
        Gpu(1, "H100", "u1", 81_920.0, 0.0, 0.0),
    )
    now = MachineNow(Machine(8, 1.0, 1_000.0, 500.0), cards)
    monkeypatch.setattr("engine.queries.machine.look", lambda: now)
    monkeypatch.setattr("engine.machine.devices.gpus", lambda: cards)

    async def check(app, pilot):
        page = app.screen
        await at(app, pilot, "choices", "devices/each")
        assert "GPU 0" in text_of(app)
        assert "40/80 GiB ada" in text_of(app)
        assert page._offered.on == "any GPU"
        assert "yes: 80 GiB" in text_of(app)
        assert "on a GPU" in text_of(app)
        await at(app, pilot, "choices", "devices/1")
        await pilot.press("space")
        await planned(app, pilot)
        assert request(page._offered).gpus == (1,)
        await at(app, pilot, "choices", "devices/each")
        await pilot.press("enter")
        await typed(app, pilot, "2")
        await pilot.press("ctrl+l")
        await settled(pilot, lambda: "1 are named; ask for 1" in text_of(app), "the refusal")
        await at(app, pilot, "choices", "devices/cpu")
        await pilot.press("space")
        await planned(app, pilot)
        assert request(page._offered).cpu
        assert "on the CPU" in text_of(app)

    composing_from(recorded, check, preset="pocket")


def test_the_newest_draft_wins_and_plans_are_made_one_at_a_time(recorded, monkeypatch):
    asked, at_once = [], []
    real = composing.plan

    def slow(runs, draft, on_gpu=None):
        asked.append(draft["seeds"])
        at_once.append(len(asked) - len(done))
        found = real(runs, draft, on_gpu)
        done.append(draft["seeds"])
        return found

    done: list[list[int]] = []

    async def check(app, pilot):
        page = app.screen
        monkeypatch.setattr(composing, "plan", slow)
        for seed in range(1, 6):
            page._put(page._document.draft | {"seeds": [seed]})
            await asyncio.sleep(0)
        await planned(app, pilot)
        assert {run.seed for run in page._plan.planned.plan.runs} == {5}
        assert asked[-1] == [5]
        assert len(asked) < 5
        assert set(at_once) == {1}

    composing_from(recorded, check, preset="pocket")


def test_paid_teachers_and_phases_that_do_not_fit_are_told(recorded):
    source = {"kind": "openai_compatible", "base_url": "http://127.0.0.1:1/v1", "model": "m"}
    paid = source | {"price_in": 1.0, "price_out": 2.0, "currency": "EUR"}
    draft = {
        "name": "paid",
        "teachers": ["served"],
        "students": ["wren-1m"],
        "tasks": ["pocket-sums"],
        "cards": [{"name": "served", "family": "other", "source": paid}],
    }
    found = composing.plan(recorded, draft)
    text = plan_text(found, (1.0, 24.0), "on the CPU").plain
    assert re.search(r"teachers +about \d+\.\d\d EUR", text)
    assert "yes: 24 GiB  no: 1 GiB" in text
    panel = rows_of_setting(draft, SETTINGS["teachers"], Offered({"teachers": ()}), "", opened=True)
    assert [row.label for row in panel] == ["teachers"]
    shipped = composing.shipped()
    panel = rows_of_setting(
        draft | {"teachers": []}, SETTINGS["teachers"], Offered(shipped.choices), "", True
    )
    assert panel[-1].label == "served"  # not ticked, and still there to tick


@pytest.mark.slow
def test_the_mouse_ticks_and_folds(recorded):
    async def check(app, pilot):
        page = app.screen
        ticked = lambda: page._document.draft["teachers"]  # noqa: E731
        rows = [row.key for row in page.panes.choices.rows]
        line = 1 + rows.index("teachers/wren-1m")
        await pilot.click("#choices", offset=(15, line))
        assert page.panes.choices.row.key == "teachers/wren-1m"
        assert "wren-1m" not in ticked()  # the first click on a word moves the cursor
        await pilot.click("#choices", offset=(15, line))
        await settled(pilot, lambda: "wren-1m" in ticked())
        await pilot.click("#choices", offset=(5, line - 2))  # one on a box ticks
        other = rows[line - 3].partition("/")[2]
        await settled(pilot, lambda: other in ticked())
        await pilot.click("#choices", offset=(2, 1 + rows.index("teachers")))
        await settled(
            pilot, lambda: "teachers/wren-1m" not in [r.key for r in page.panes.choices.rows]
        )
        await pilot.click("#plan")
        assert page.focused is page.query_one("#plan")

    composing_from(recorded, check, preset="pocket")


def test_what_is_said_below_is_of_the_setting_that_would_be_edited(recorded):
    async def check(app, pilot):
        page = app.screen
        await pilot.press("slash", *"rank")
        below = page.query_one("#about")
        await settled(
            pilot, lambda: "instruct.lora.r" in str(below.render()), "the first that is left"
        )
        await pilot.press("enter", "down", "enter")
        await settled(pilot, lambda: isinstance(app.screen, AskText))
        assert "refine.lora.r" in text_of(app)
        await pilot.press("escape", "escape")
        await settled(pilot, lambda: len(page.panes.settings.table.rows) > 40)
        await settled(
            pilot, lambda: page.panes.settings.table.row.setting.name in str(below.render())
        )

    composing_from(recorded, check, preset="pocket")
