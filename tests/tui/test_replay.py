"""A recorded phase played again into a copy, and the run screen that follows it to its end."""

from __future__ import annotations

import itertools
import shutil
import threading
import time

import pytest

from engine.scheduling.launchers.replay import replay
from engine.store.layout import RunsFolder
from engine.store.run import read_run
from sirt_tui.app import SirtApp
from sirt_tui.panels.phases import PhasesPanel
from sirt_tui.widgets.chart import Chart
from tests.tui.conftest import RECORDED, run_of
from tests.tui.helpers import DEADLINE_S, settled, text_of
from tests.tui.test_run_screen import watching

SPEED = 10.0
MIDDLE = 30  # of more than sixty events


@pytest.mark.slow
def test_the_run_screen_follows_a_replayed_phase_to_its_end(recorded):
    run_id = run_of(recorded, "both", "wren-3m")
    specs = read_run(recorded, run_id).spec.phases
    refine = next(spec for spec in specs if spec.kind == "refine")
    phase = recorded.phase(refine.id)
    shutil.rmtree(phase.path)
    phase.create(refine)
    source = RunsFolder(RECORDED).phase(refine.id).last_attempt()
    seen, played = threading.Event(), itertools.count()

    def sleep(seconds: float) -> None:
        """As recorded, only shorter; in the middle it waits until the screen has shown it."""
        time.sleep(min(seconds, 0.05))
        if next(played) == MIDDLE:
            seen.wait(DEADLINE_S)

    player = threading.Thread(target=replay, args=(source, phase, SPEED, sleep))

    async def check(app, pilot):
        assert "waiting" in text_of(app)
        player.start()
        await settled(pilot, lambda: "▶ refine" in text_of(app), "it runs")
        await settled(pilot, lambda: app.screen.query_one(Chart)._series, "its curve")
        seen.set()
        await settled(pilot, lambda: "✓ refine" in text_of(app), "it is done")
        await settled(pilot, lambda: "refine loss" in text_of(app))
        assert app.screen.query_one(PhasesPanel).count == len(specs)
        player.join()

    watching(recorded, run_id, check, app_of=SirtApp)
    assert phase.done
    whole = source.events.read_bytes().count(b"\n")
    assert phase.last_attempt().events.read_bytes().count(b"\n") == whole
