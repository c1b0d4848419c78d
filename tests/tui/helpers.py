"""Waiting for the interface, and a folder of recorded runs to open it on."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from textual import events

from sirt_tui.app import SirtApp
from sirt_tui.panels.phases import PhasesPanel

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.pilot import Pilot

    from engine.store.layout import RunsFolder

DEADLINE_S = 60.0  # generous: it only matters when a test fails, or the machine is crowded
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def app_on(runs: RunsFolder) -> SirtApp:
    """The application with a clock that stands still."""
    return SirtApp(runs, clock=lambda: NOW)


async def settled(
    pilot: Pilot[Any], condition: Callable[[], Any], what: str = "", within_s: float = DEADLINE_S
) -> Any:
    """The condition's first true value; fails after a deadline."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        await pilot.pause()
        value = condition()
        if value:
            return value
        await asyncio.sleep(0.01)
    raise AssertionError(f"never happened: {what or condition}\n{text_of(pilot.app)}")


def press(app, keys):
    """Send keys faster than anything is done about them, as a terminal passes on what came in one
    piece."""
    for key in keys:
        app.post_message(events.Key(key, key if len(key) == 1 else None))


def text_of(app: SirtApp) -> str:
    """What the screen shows, as lines of text."""
    width, height = app.size
    lines = app.screen._compositor.render_strips()
    return "\n".join(strip.crop(0, width).text.rstrip() for strip in lines[:height])


def painted(app: SirtApp, *looks: str) -> list[str]:
    """The pieces of text on the screen whose style has all these looks, ``underline`` say."""
    return [
        part.text
        for strip in app.screen._compositor.render_strips()
        for part in strip
        if all(getattr(part.style, look, None) for look in looks)
    ]


def said_by(app: SirtApp) -> str:
    """What it has told beside the screen; tests don't show it."""
    return "\n".join(note.message for note in app._notifications)


def watching(runs, run_id, check, size=(120, 40), app_of=app_on):
    """Open a run and let ``check(app, pilot)`` look at it."""

    async def flow():
        app = app_of(runs)
        async with app.run_test(size=size) as pilot:
            app.open_run(run_id)
            await settled(pilot, lambda: app.screen.query(PhasesPanel), "the screen")
            panel = app.screen.query_one(PhasesPanel)
            await settled(pilot, lambda: panel.count, "the phases")
            await pilot.pause()
            return await check(app, pilot)

    return asyncio.run(flow())
