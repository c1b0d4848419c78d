"""The run screen's curves: over what, of which round and phase, and their zoom."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.schema.events import Metric
from engine.schema.metrics import metrics_of
from engine.store.phase_log import EMPTY, fold
from sirt_tui.feed import Feed
from sirt_tui.panels.curves import CurvesPanel
from sirt_tui.panels.memory import MemoryPanel
from sirt_tui.panels.phases import PhasesPanel
from sirt_tui.widgets.chart import Chart
from tests.tui.conftest import in_two_rounds, run_of
from tests.tui.helpers import NOW, settled, text_of, watching


@pytest.mark.slow
def test_curves_go_by_key_and_keep_their_zoom(recorded):
    run_id = run_of(recorded, "both", "wren-3m")

    async def check(app, pilot):
        assert app.screen.focused is app.screen.query_one(PhasesPanel)  # the keys work from there
        assert "refine loss" in text_of(app)
        await pilot.press("plus", "y", "left")
        await settled(pilot, lambda: "smooth 0.6  log" in text_of(app))
        await pilot.press("n")
        await settled(pilot, lambda: "reward margin" in text_of(app))

    watching(recorded, run_id, check)


@pytest.mark.slow
def test_curves_are_drawn_over_steps_time_or_epochs(recorded):
    run_id = run_of(recorded, "both", "wren-3m")

    async def check(app, pilot):
        chart = app.screen.query_one(Chart)
        chart.focus()
        view = next(p.view for p in app.screen._status.phases if p.spec.kind == "refine")
        steps = [step for step, _ in view.metrics["loss"]]
        await settled(pilot, lambda: chart._series[0].x == steps)
        await pilot.press("left", "X")
        await settled(pilot, lambda: "X time" in text_of(app))
        seconds = chart._series[0].x
        assert len(seconds) == len(steps)
        took = (view.finished - view.started).total_seconds()
        assert 0 < seconds[0] < seconds[-1] < took
        assert " s " in text_of(app).splitlines()[chart.region.bottom - 1]
        assert "at " not in text_of(app).splitlines()[chart.region.y]  # its cursor was at a step
        await pilot.press("X")
        await settled(pilot, lambda: "X epochs" in text_of(app))
        epochs = {moment.step: moment.epoch for moment in view.moments}
        assert chart._series[0].x == [epochs[step] for step in steps]
        await pilot.press("X")
        await settled(pilot, lambda: chart._series[0].x == steps)

    watching(recorded, run_id, check)


@pytest.mark.slow
def test_each_round_has_its_curves(recorded):
    run_id = in_two_rounds(recorded, run_of(recorded, "both", "wren-3m"))

    async def check(app, pilot):
        app.screen.query_one(Chart).focus()
        seen = set()
        for _ in range(40):
            seen.add(str(app.screen.query_one(CurvesPanel).border_title))
            await pilot.press("n")
        return seen

    seen = watching(recorded, run_id, check)
    assert {"refine loss, round 1", "refine loss, round 2", "instruct loss"} <= seen


def test_curves_and_memory_are_of_the_phase_under_the_cursor(recorded):
    async def check(app, pilot):
        curves, memory = app.screen.query_one(CurvesPanel), app.screen.query_one(MemoryPanel)
        for number, kind in ((1, "instruct"), (3, "refine"), (2, "elicit"), (1, "instruct")):
            await pilot.press("home", *["down"] * number)
            await settled(pilot, lambda k=kind: k in str(curves.border_title), f"curves of {kind}")
            await settled(
                pilot, lambda k=kind: k in str(memory.border_subtitle), f"memory of {kind}"
            )
        await pilot.press("percent_sign")  # wherever the focus is
        await settled(pilot, lambda: "use, %" in str(memory.border_title))
        await pilot.press("percent_sign")
        await settled(pilot, lambda: "memory, GiB, peak process 0." in str(memory.border_title))

    watching(recorded, run_of(recorded, "both", "wren-3m"), check, (200, 50))


def test_the_chart_goes_with_the_work_until_a_person_chooses(recorded):
    run_id = run_of(recorded, "both", "wren-3m")

    async def check(app, pilot):
        page = app.screen
        curves = page.query_one(CurvesPanel)
        await settled(pilot, lambda: page._status and page._status.phases[3].view.metrics)
        whole = page._status
        refine = next(n for n, p in enumerate(whole.phases) if p.spec.kind == "refine")

        def at_work(at, view=None):
            """The run, when this phase is at work and none after it has begun."""
            states = ["done"] * at + ["running"] + ["queued"] * (len(whole.phases) - at - 1)
            views = [p.view for p in whole.phases[: at + 1]] + [EMPTY] * len(whole.phases)
            views[at] = views[at] if view is None else view
            both = zip(whole.phases, states, views, strict=False)
            phases = tuple(replace(p, state=s, view=v) for p, s, v in both)
            status = replace(whole, state="running", phases=phases)
            page.post_message(Feed.RunChanged(run_id, status))

        page._followed.by_person = False
        at_work(refine - 1)
        await settled(pilot, lambda: "elicit answers right" in str(curves.border_title))
        at_work(refine, EMPTY)
        at_work(refine)
        await settled(pilot, lambda: "refine loss" in str(curves.border_title))
        await pilot.press("n")
        await settled(pilot, lambda: "refine reward margin" in str(curves.border_title))
        at_work(refine + 1)
        next_one = whole.phases[refine + 1].id
        await settled(pilot, lambda: page._followed.phase_id == next_one)
        page._draw_pictures()
        assert "refine reward margin" in str(curves.border_title)
        at_work(refine)
        await settled(pilot, lambda: "backspace Live" in text_of(app))
        await pilot.press("backspace")
        await settled(pilot, lambda: "refine loss" in str(curves.border_title), "the live curve")
        await settled(pilot, lambda: "backspace Live" not in text_of(app))

    watching(recorded, run_id, check)


def test_what_was_measured_once_is_said_in_words(recorded):
    async def check(app, pilot):
        panel, phases = app.screen.query_one(CurvesPanel), app.screen._status.phases
        elicit = next(phase for phase in phases if phase.spec.kind == "elicit")
        view = EMPTY
        for name in next(m for m in metrics_of("elicit")).series:
            view = fold(view, Metric(ts=NOW, step=1, values={name: 0.25}))
        panel.draw(
            replace(panel.of, status=replace(panel.of.status, phases=(replace(elicit, view=view),)))
        )
        await settled(pilot, lambda: "measured once: " in text_of(app) and "0.25" in text_of(app))

    watching(recorded, run_of(recorded, "both", "wren-3m"), check)
