"""Composing: choose and set, and see the plan and the problems."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

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
from sirt_tui.panels.tree_choice import Offered, choice_columns, rows_of_setting, with_heads
from sirt_tui.screens.compose import ComposePage
from sirt_tui.screens.compose_launch import request
from sirt_tui.widgets.columns import fit
from sirt_tui.widgets.dialogs import AskText, Choose
from sirt_tui.widgets.table_lines import Head
from tests.tui.composing import at, composing_from, planned, typed
from tests.tui.helpers import press, settled, text_of

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
    assert "fits a GPU of" in text


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
        await settled(pilot, lambda: isinstance(app.screen, AskText))
        for wrong, why in (("5o", "valid number, got '5o'"), ("{", "not valid YAML")):
            app.screen.query_one("Input").value = wrong
            await pilot.press("enter")
            await settled(pilot, lambda why=why: why in text_of(app))
            assert isinstance(app.screen, AskText)
            assert app.screen.query_one("Input").value == wrong
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
        assert "fits a GPU of 80 GiB" in text_of(app)
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

    def slow(*given):
        draft = given[1]
        asked.append(draft["seeds"])
        at_once.append(len(asked) - len(done))
        found = real(*given)
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
    assert re.search(r"to pay +about \d+\.\d\d EUR", text)
    assert "fits a GPU of 24 GiB; too large for 1 GiB" in text
    assert re.search(r"evaluate .* ~\d\.\d\n", text)
    assert "GiB estimated, largest phase" in text
    seen = composing.plan(recorded, draft)
    of_all = frozenset(seen.estimate.memory)
    text = plan_text(
        replace(seen, estimate=replace(seen.estimate, measured=of_all)), (24.0,), "on the CPU"
    ).plain
    assert "GiB measured, largest phase" in text
    assert re.search(r"evaluate .* \d\.\d\n", text)
    panel = rows_of_setting(draft, SETTINGS["teachers"], Offered({"teachers": ()}), "", opened=True)
    assert [row.label for row in panel] == ["teachers"]
    shipped = composing.shipped()
    panel = rows_of_setting(
        draft | {"teachers": []}, SETTINGS["teachers"], Offered(shipped.choices), "", True
    )
    assert "served" in {row.label for row in panel}  # not ticked, and still there to tick


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
        await pilot.press("tab", "slash", *"rank")
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


def test_keys_in_a_burst_apply_to_the_row_under_the_cursor(recorded):
    async def check(app, pilot):
        page = app.screen
        await at(app, pilot, "choices", "arms")
        before = page._document.draft.get("arms", list(SETTINGS["arms"].default))
        keys = [row.key for row in page.panes.choices.rows]
        arms = [key.partition("/")[2] for key in keys if key.startswith("arms/")]
        burst = "down down space down space down space up up space up space up space down"
        press(app, burst.split())  # the last space folds the arms
        after = lambda: set(page._document.draft["arms"])  # noqa: E731
        await settled(pilot, lambda: after() == set(before) ^ {arms[0], arms[2], arms[3]})
        assert page.panes.choices.row.key == keys[keys.index(f"arms/{arms[-1]}") + 1]

    composing_from(recorded, check, preset="pocket")


def test_choices_and_settings_are_searched_and_the_plan_says_that_nothing_is_chosen_there(recorded):
    async def check(app, pilot):
        page = app.screen
        choices, settings = page.panes.choices, page.panes.settings.table
        every = len(choices.rows), len(settings.rows)
        await pilot.press("slash", *"otter")
        await settled(pilot, lambda: 0 < len(choices.rows) < 8, "the otters and their headings")
        assert {row.label for row in choices.rows if not row.is_heading} == {"otter-1m", "otter-3m"}
        assert not settings.rows
        assert "in settings" not in text_of(app)
        await pilot.press(*"zz")
        await settled(pilot, lambda: "nothing found for otterzz, esc shows all" in text_of(app))
        await pilot.press("escape")
        await settled(pilot, lambda: page.focused is choices and len(choices.rows) == every[0])
        await pilot.press("tab", "slash", *"zz")
        await settled(pilot, lambda: "nothing found for zz, esc shows all" in text_of(app))
        assert (len(choices.rows), len(settings.rows)) == (0, 0)
        await pilot.press("ctrl+u", *"seeds")
        await settled(pilot, lambda: "nothing found here, 1 in choices (shift+tab)" in text_of(app))
        await pilot.press("shift+tab")
        await settled(pilot, lambda: page.focused is choices and " 1 found" in text_of(app))
        await pilot.press("tab", "escape")
        await settled(pilot, lambda: len(settings.rows) == every[1])
        await settled(pilot, lambda: page.focused is settings)
        await pilot.press("tab")
        assert page.focused is page.query_one("#plan")
        for key in ("enter", "space"):
            await pilot.press(key)
            assert re.search(rf"{key} .*has no effect here", text_of(app))
        await pilot.press("home")
        await settled(pilot, lambda: "nothing to choose in it" in text_of(app))

    composing_from(recorded, check, preset="pocket")


def test_models_to_download_come_last_with_their_whole_names():
    shipped = composing.shipped()
    rows = with_heads(rows_of_setting({}, SETTINGS["students"], Offered(shipped.choices), "", True))
    heads = [row for row in rows if isinstance(row, Head)]
    assert [head.title for head in heads] == ["to download"]
    folded = with_heads([row for row in rows if row not in heads], {heads[0].key})
    assert folded[-1].title == "to download"
    here, there = rows[1 : rows.index(heads[0])], rows[rows.index(heads[0]) + 1 :]
    assert {"wren-1m", "otter-3m"} <= {row.label for row in here}
    assert there[0].label == "smollm2-135m"
    assert there[-1].label == "llama-2-70b-chat"
    widths = {column.key: width for column, width in fit(choice_columns(), 45, 2)}
    assert max(len(row.label) for row in there) + 6 <= widths["label"]
    arms = rows_of_setting({}, SETTINGS["arms"], Offered(shipped.choices), "", True)
    assert {row.label: row.about for row in arms[1:]}["refine-only"].endswith("instruction-tuning")


def test_a_launch_that_joins_runs_of_its_name_says_so_and_offers_another_name(recorded):
    async def check(app, pilot):
        page = app.screen
        await pilot.press("ctrl+l")
        await settled(pilot, lambda: "experiment pocket, which has 9 runs here" in text_of(app))
        await pilot.press("r")
        await settled(pilot, lambda: isinstance(app.screen, AskText))
        app.screen.query_one("Input").value = "another"
        await pilot.press("enter")
        await settled(pilot, lambda: "of another?" in text_of(app), "asked again")
        assert "joins" not in text_of(app)
        await pilot.press("r", "n")
        await settled(pilot, lambda: app.screen is page)
        assert page._document.draft["name"] == "another"

    composing_from(recorded, check, preset="pocket")
