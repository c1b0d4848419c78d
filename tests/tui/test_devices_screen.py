"""Cards and their users, what is at work, and the queue: shown, re-ordered, held, stopped."""

from __future__ import annotations

import asyncio
import math

import pytest
from textual.app import App

from engine.queries.machine import Gpu, GpuProcess, Machine
from engine.scheduling import daemon, queue
from engine.scheduling.queue import DeviceRequest, read_queue
from sirt_tui.panels.gpus import GpusPanel, MachineView
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, settled, text_of


@pytest.fixture
def queued(recorded, monkeypatch):
    """Three runs in the queue, and nobody who would start them."""
    monkeypatch.setattr(daemon, "ensure_running", lambda runs: None)
    live = run_of(recorded, "both", "otter-3m")
    failed = run_of(recorded, "refine-only", "wren-3m")
    done = run_of(recorded, "both", "wren-3m")
    queue.enqueue(recorded, [live, failed, done], DeviceRequest(cpu=True))
    return recorded


def on_devices(runs, check, size=(120, 40)):
    async def flow():
        app = app_on(runs)
        async with app.run_test(size=size, notifications=True) as pilot:
            app.open_devices()
            await settled(pilot, lambda: "asks for" in text_of(app), "the queue")
            await settled(pilot, lambda: "cores, load" in text_of(app), "the machine")
            return await check(app, pilot)

    return asyncio.run(flow())


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
def test_it_says_what_is_at_work_and_that_nobody_conducts(queued, size):
    async def check(app, pilot):
        await settled(pilot, lambda: "elicit" in text_of(app))
        return text_of(app)

    text = on_devices(queued, check, size)
    assert "no conductor: nothing starts" in text
    assert "none found (no NVIDIA driver answers)" in text


@pytest.mark.slow
def test_keys_move_hold_and_stop(queued):
    first, second, third = read_queue(queued).run_ids

    async def check(app, pilot):
        await settled(pilot, lambda: first in text_of(app))
        await pilot.press("J")
        await settled(pilot, lambda: read_queue(queued).run_ids == (second, first, third))
        await settled(pilot, lambda: app.screen.queue.row[0] == 2, "the cursor goes with it")
        await pilot.press("K")
        await settled(pilot, lambda: read_queue(queued).run_ids == (first, second, third))
        await pilot.press("h")
        await settled(pilot, lambda: read_queue(queued).entry(first).hold)
        await settled(pilot, lambda: "■ held" in text_of(app))
        await pilot.press("h")
        await settled(pilot, lambda: not read_queue(queued).entry(first).hold)
        await pilot.press("x")
        await settled(pilot, lambda: "Finished work is kept" in text_of(app))
        await pilot.press("y")
        await settled(pilot, lambda: first not in read_queue(queued).run_ids)

    on_devices(queued, check)


@pytest.mark.slow
def test_the_limit_is_asked_for_and_a_wrong_one_refused(queued):
    async def check(app, pilot):
        await pilot.press("number_sign")
        await settled(pilot, lambda: "empty: all that fit" in text_of(app))
        await pilot.press("4", "enter")
        await settled(pilot, lambda: read_queue(queued).cpu_slots == 4)
        await settled(pilot, lambda: "CPU 4" in text_of(app))
        await pilot.press("number_sign")
        await settled(pilot, lambda: "empty: all that fit" in text_of(app))
        await pilot.press("x", "enter")
        await settled(pilot, lambda: "'4x' is no" in text_of(app))
        await pilot.press("ctrl+u", "0", "enter")  # the dialog stays, to be corrected
        await settled(pilot, lambda: "'0' is no number of phases" in text_of(app))
        assert read_queue(queued).cpu_slots == 4

    on_devices(queued, check)


def test_a_card_names_who_is_on_it_and_which_phase_is_ours():
    users = (
        GpuProcess(11, "ada", "python", 2_048.0, ours=True, share=82.0),
        GpuProcess(12, "eve\x1b[31m", "[red]miner", math.nan, ours=False),
    )
    cards = (
        Gpu(0, "H100", "uuid-0", 81_920.0, 40_960.0, 50.0, users, 61.0, 310.4, 700.0),
        Gpu(1, "H100 (partitioned)", "uuid-1", 81_920.0, 4_096.0, math.nan),
    )
    machine = Machine(cores=8, load=2.0, memory_total=1_000.0, memory_used=500.0)

    class One(App[None]):
        def compose(self):
            yield GpusPanel()

    async def flow():
        app = One()
        async with app.run_test(size=(80, 24)) as pilot:
            app.query_one(GpusPanel).show(MachineView(machine, cards, {11: "refine"}))
            await pilot.pause()
            return text_of(app)

    text = asyncio.run(flow())
    assert "40.0 GiB of 80.0 GiB" in text
    assert "11  ada          refine" in text
    assert "61 °C  power 310 W of 700\n" in text
    assert "–  power –\n" in text  # the other card does not tell
    assert "refine  2.0 GiB  82 %" in text
    assert "eve␛[31m" in text
    assert "[red]miner" in text
    assert "in use, by nobody seen from here" in text
