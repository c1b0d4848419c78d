"""What a reader sees at 80 columns: frames, cut texts, reference lines, whose work it is."""

from __future__ import annotations

import asyncio

import pytest

from engine.schema.events import Message
from engine.schema.metrics import metrics_of
from engine.schema.settings import RefineSettings
from engine.schema.specs import RefineSpec
from engine.store.run import read_run
from sirt_tui.panels.log import LogPanel
from sirt_tui.panels.plots import thresholds
from sirt_tui.widgets.table import RowTable
from tests.tui.conftest import run_of
from tests.tui.gallery import open_devices
from tests.tui.helpers import app_on, painted, settled, text_of, watching
from tests.tui.test_charts import drawn, line
from tests.tui.test_run_screen import going_on, live_phase


def framed(app):
    """The titles of the panels whose frame is heavy."""
    tops = (text.partition("┏━ ")[2] for text in text_of(app).splitlines() if "┏━" in text)
    return [top.partition(" ━")[0] for top in tops]


def test_the_line_at_ln_2_is_there_only_where_the_loss_begins_there():
    (loss,) = [metric for metric in metrics_of("refine") if metric.name == "loss"]

    def chart(**settings):
        spec = RefineSpec.model_construct(settings=RefineSettings(**settings))
        return "\n".join(drawn([line("loss", [0.8, 0.6])], thresholds=thresholds(loss, spec)))

    assert "╌ ln 2" in chart()
    assert "ln 2" not in chart(sft_weight=1.0)


@pytest.mark.slow
def test_the_focus_has_a_frame_and_the_zoomed_panel_is_the_one_that_had_it(recorded):
    async def check(app, pilot):
        assert framed(app) == ["phases"]
        assert "Live" not in text_of(app).splitlines()[-1]
        await pilot.press("backspace")  # the key for it says why there is nothing to follow
        await settled(pilot, lambda: "no phase is at work: this run is done" in text_of(app))
        await pilot.press("tab")
        await settled(pilot, lambda: framed(app) == ["refine loss"])
        assert "╭─ phases" in text_of(app)
        await pilot.press("z")
        await settled(pilot, lambda: "╭─ phases" not in text_of(app))
        assert framed(app) == ["refine loss"]  # with its title
        lines = text_of(app).splitlines()
        assert lines[0].startswith(" SIRT Run")
        assert "z All panels" in lines[-1]  # the way out
        await pilot.press("escape")
        await settled(pilot, lambda: "╭─ phases" in text_of(app))
        await pilot.press("shift+tab", "z")
        await settled(pilot, lambda: framed(app) == ["phases"])
        assert "refine loss" not in text_of(app)

    watching(recorded, run_of(recorded, "both", "wren-3m"), check, (80, 24))


LONG = " ".join(f"word-{n}" for n in range(60))  # some 460 characters: more than four lines


@pytest.mark.slow
def test_a_long_warning_is_whole_in_the_log_and_stderr_is_as_a_terminal_shows_it(recorded):
    run_id = run_of(recorded, "both", "otter-3m")
    attempt = live_phase(recorded, run_id).last_attempt()
    attempt.stderr.write_text("first\n 10% of it\r 50% of it\r100% of it\nlast\n")
    with going_on(attempt) as writer:
        writer.emit(Message(level="warning", text=LONG, code="long"))

    async def check(app, pilot):
        await settled(pilot, lambda: "shows all of them whole" in text_of(app))
        app.screen.action_panel_at(2)
        log = app.screen.query_one(LogPanel)
        await settled(pilot, lambda: log.display and "word-59" in text_of(app))
        await pilot.press("l")
        await settled(pilot, lambda: "100% of it" in text_of(app))
        assert "50% of it" not in text_of(app)

    watching(recorded, run_id, check, (80, 40))


@pytest.mark.slow
def test_devices_say_whose_work_it_is_and_which_table_has_the_keys(recorded):
    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            await settled(pilot, lambda: "9 runs" in text_of(app))
            open_devices(app)
            await settled(pilot, lambda: "held" in text_of(app))
            live = run_of(recorded, "both", "otter-3m")
            (work,) = [text for text in text_of(app).splitlines() if "▶ running GPU 0" in text]
            assert live[-6:] in work  # cut in the middle, so its end tells it from others
            assert "queue" in "".join(painted(app, "underline"))
            await pilot.press("shift+tab")
            await settled(pilot, lambda: "at work" in "".join(painted(app, "underline")))
            await pilot.press("shift+tab")
            await settled(pilot, lambda: framed(app) == ["devices"])

    asyncio.run(flow())


@pytest.mark.slow
def test_ids_keep_what_tells_them_apart_and_a_setting_without_a_default_says_so(recorded):
    run_id = run_of(recorded, "both", "wren-3m")
    file = recorded.phase(read_run(recorded, run_id).spec.phases[2].id).out / "pairs.jsonl"
    long = "commonsense-question-number-"
    file.write_text(file.read_text().replace('"train-', f'"{long}'))

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            app.open_pairs(run_id)
            await settled(pilot, lambda: " 24 " in f" {text_of(app)}")
            table = app.screen.query_one(RowTable)
            await settled(pilot, lambda: table.row.item is not None)
            assert f" {table.row.item.id} " in text_of(app)
            await pilot.resize_terminal(80, 24)
            await settled(pilot, lambda: f"…{table.row.item.id[-4:]} " in text_of(app))
            app.open_compose("pocket")
            await settled(pilot, lambda: "to do" in text_of(app))
            await pilot.press("tab", "slash", *"epochs", "enter")
            await settled(pilot, lambda: "refine.epochs" in text_of(app))
            (epochs,) = [text for text in text_of(app).splitlines() if " refine.epochs" in text]
            assert "(none)" not in epochs.lower()

    asyncio.run(flow())
