"""An open interface rings, and sets the terminal's title, when a run ends."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from engine.planning import notify_files
from engine.queries import notices
from engine.queries.runs import list_runs
from engine.schema.notify import Notify
from sirt_tui.feed import Feed
from sirt_tui.screens.run_names import name_apart
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, settled


def test_a_run_that_ends_rings_where_its_experiment_asks_for_it(recorded, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path))
    live = run_of(recorded, "both", "otter-3m")
    rows = {row.run_id: row for row in list_runs(recorded)}

    def ended(state: str) -> Feed.RunsChanged:
        return Feed.RunsChanged(tuple((rows | {live: replace(rows[live], state=state)}).values()))

    async def flow():
        app = app_on(recorded)
        async with app.run_test(size=(80, 24)) as pilot:
            rung, written = [], []
            monkeypatch.setattr(app, "bell", lambda: rung.append(True))
            monkeypatch.setattr(app._driver, "write", written.append)
            asked = []
            ask = app.feed.ask

            async def counted(*what):
                asked.append(what[2])
                return await ask(*what)

            monkeypatch.setattr(app.feed, "ask", counted)

            async def see(message: Feed.RunsChanged, questions: int) -> None:
                app._ringer.ends.news([rows[live]])  # it was running a moment ago
                app.on_feed_runs_changed(message)
                await settled(pilot, lambda: asked.count(live) == questions)
                await app.workers.wait_for_complete()

            await see(ended("done"), 1)
            assert rung == []  # nobody has asked for it
            notify_files.keep(recorded, live, Notify())
            await see(ended("failed"), 2)
            assert len(rung) == 1
            kept = [(one.severity, one.text) for one in app.told]
            assert kept == [("error", f"{name_apart(live, list(rows.values()))}: failed")]
            assert any(f"\x1b]2;sirt: {live} failed\a" in text for text in written)
            notify_files.keep(recorded, live, Notify(on=("failed",)))
            await see(ended("done"), 3)
            assert len(rung) == 1
            notify_files.keep(recorded, live, Notify(stuck_minutes=5))  # it was recorded days ago
            app._ringer.ends.news([rows[live]])
            for _ in range(2):
                await app._ringer.ring_for_stuck()
                assert len(rung) == 2
            assert any(f"\x1b]2;sirt: {live} stuck\a" in text for text in written)

            def gone(_: object) -> None:
                raise FileNotFoundError("attempt-001")  # its folder went between two looks

            monkeypatch.setattr(notices, "standstill", gone)
            await app._ringer.ring_for_stuck()
            assert len(rung) == 2

    asyncio.run(flow())
