"""Judging between two runs and merging a student, from the screens."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from engine.interfaces import Devices
from engine.machine import processes
from engine.machine.state import phase_state
from engine.scheduling.launchers.local import LocalLauncher
from engine.scheduling.queue import read_queue
from engine.store.run import read_run
from sirt_tui.screens.compare import ComparePage
from sirt_tui.screens.run import RunPage
from sirt_tui.widgets.dialogs import AskText, Choose, Confirm
from tests.engine.conducting import conduct_here
from tests.engine.handover_runs import trained_run
from tests.engine.judging.helpers import card_file, longer
from tests.engine.misbehaving_server import MisbehavingServer
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, said_by, settled, text_of

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import RunsFolder
    from sirt_tui.app import SirtApp


async def dialog(pilot: Any, kind: type) -> Any:
    return await settled(
        pilot, lambda: isinstance(pilot.app.screen, kind) and pilot.app.screen, kind.__name__
    )


async def written(pilot: Any, text: str) -> None:
    """A line into the question that is open."""
    question = await dialog(pilot, AskText)
    question.query_one("Input").value = text
    await pilot.press("enter")


async def judged_from_compare(app: SirtApp, pilot: Any, judge: str, two: list[str]) -> None:
    """Up to the judgement's own screen."""
    await settled(pilot, lambda: " runs" in text_of(app))
    app.open_compare(two)
    await settled(pilot, lambda: isinstance(app.screen, ComparePage) and app.screen._compared)
    await pilot.press("V")
    choice = await dialog(pilot, Choose)
    choice.dismiss("a file")
    await written(pilot, judge)
    method = await dialog(pilot, Choose)
    await settled(pilot, lambda: "How shall" in text_of(app))
    method.dismiss("compare")
    await dialog(pilot, Confirm)
    await settled(pilot, lambda: "queued as a run of 6 phases" in text_of(app))
    assert "about 1.56 USD" in text_of(app)
    await pilot.press("y")
    await settled(pilot, lambda: isinstance(app.screen, RunPage), "the judgement's screen")


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_compare_asks_a_judge_and_shows_what_it_prefers(
    recorded: RunsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    conduct = conduct_here(monkeypatch)
    two = [run_of(recorded, "teacher", "wren-3m"), run_of(recorded, "baseline")]

    async def flow(server: MisbehavingServer) -> None:
        app = app_on(recorded)
        async with app.run_test(size=size, notifications=True) as pilot:
            await judged_from_compare(app, pilot, card_file(tmp_path, server), two)
            await settled(pilot, lambda: "judge pocket-sums plain" in text_of(app))
            await asyncio.to_thread(conduct, recorded)
            await settled(
                pilot, lambda: "of 24, equal 0, undecided 0" in text_of(app), "findings", 90
            )
            app.open_compare(two)
            await settled(pilot, lambda: isinstance(app.screen, ComparePage))
            await settled(pilot, lambda: app.screen._judged)
            await pilot.press("shift+tab")
            await settled(pilot, lambda: "A better 100.0 [86.2, 100.0]" in text_of(app))
            assert "A against B  pocket-boxes cot, judge gpt" in text_of(app)

    with MisbehavingServer(answer=longer) as server:
        asyncio.run(flow(server))
        assert set(server.delivered.values()) == {1}


@pytest.mark.slow
def test_a_judgement_at_work_is_stopped_and_retried_from_its_screen(
    recorded: RunsFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conduct = conduct_here(monkeypatch)
    two = [run_of(recorded, "teacher", "wren-3m"), run_of(recorded, "baseline")]
    launcher = LocalLauncher()

    async def flow(server: MisbehavingServer) -> None:
        app = app_on(recorded)
        async with app.run_test(size=(120, 40), notifications=True) as pilot:
            await judged_from_compare(app, pilot, card_file(tmp_path, server), two)
            (run_id,) = read_queue(recorded).run_ids
            phase = recorded.phase(read_run(recorded, run_id).spec.phases[0].id)
            attempt = phase.new_attempt()
            handle = launcher.start(phase, attempt, Devices())
            processes.write_owner(attempt, "local", handle, Devices())
            await settled(pilot, lambda: len(server.requests) > 2, "replies")
            await settled(pilot, lambda: "running" in text_of(app))
            await pilot.press("x")
            await dialog(pilot, Confirm)
            await pilot.press("y")
            await settled(pilot, lambda: phase_state(phase).state == "stopped", "stopped")
            assert not read_queue(recorded).run_ids
            await settled(
                pilot, lambda: launcher.poll({attempt: handle})[attempt].state == "exited"
            )
            await settled(pilot, lambda: "stopped on request" in text_of(app))
            asked = len(server.requests)
            assert asked < 48
            await pilot.press("r")
            await settled(pilot, lambda: read_queue(recorded).run_ids == (run_id,))
            await asyncio.to_thread(conduct, recorded)
            await settled(pilot, lambda: "done" in app.screen.subject)

    slowly = partial(_slowly, longer)
    with MisbehavingServer(answer=slowly) as server:
        asyncio.run(flow(server))
        assert set(server.delivered.values()) == {1}


def _slowly(answer: Any, prompt: str) -> str:
    """So that it is at work for a while."""
    import threading

    threading.Event().wait(0.05)
    return str(answer(prompt))


@pytest.mark.slow
def test_a_run_is_merged_and_its_model_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from engine.store.layout import RunsFolder

    conduct = conduct_here(monkeypatch)
    runs = RunsFolder(tmp_path / "runs")
    runs.create()
    run_id = trained_run(runs, "fp32", refined=False)

    async def flow() -> None:
        app = app_on(runs)
        async with app.run_test(size=(80, 24), notifications=True) as pilot:
            await settled(pilot, lambda: "1 run" in text_of(app))
            app.open_run(run_id)
            await settled(pilot, lambda: isinstance(app.screen, RunPage) and app.screen._status)
            await pilot.press("E")
            await dialog(pilot, Confirm)
            await pilot.press("y")
            await settled(pilot, lambda: "merge" in text_of(app) and "queued" in text_of(app))
            await settled(pilot, lambda: app.screen._status)
            await pilot.press("E")
            await settled(pilot, lambda: "it is not merged yet" in said_by(app))
            await asyncio.to_thread(conduct, runs)
            await settled(pilot, lambda: "done" in app.screen.subject, "merged")
            await pilot.press("E")
            await written(pilot, str(tmp_path / "student"))
            await settled(pilot, lambda: "same greedy token in 100.0%" in said_by(app), "written")

    asyncio.run(flow())
    assert (tmp_path / "student" / "README.md").read_text().count(run_id) > 0
