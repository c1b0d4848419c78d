"""A site among the devices of Compose, and its jobs on the Run screen."""

from __future__ import annotations

import pytest

from engine.scheduling import daemon
from engine.scheduling.queue import read_queue
from tests.tui.composing import at, composing_from, planned
from tests.tui.helpers import settled, text_of


@pytest.mark.slow
def test_an_experiment_is_launched_on_a_site_from_compose(cluster, monkeypatch):
    monkeypatch.setattr(daemon, "ensure_running", lambda runs: None)
    folder = cluster.runs.root / "sites"
    folder.mkdir()
    (folder / "ours.yaml").write_text(cluster.site.read_text())
    sbatch = cluster.here / "bin" / "sbatch"
    taken = sbatch.read_text()
    sbatch.write_text("#!/bin/sh\necho 'sbatch: error: no such account' >&2\nexit 1\n")

    async def check(app, pilot):
        page = app.screen
        await at(app, pilot, "choices", "devices/site:ours")
        assert "site ours" in text_of(app)
        await pilot.press("space")
        await planned(app, pilot)
        assert page._offered.on == "site ours"
        await pilot.press("ctrl+l")
        await settled(pilot, lambda: "no such account" in text_of(app), "the refusal")
        assert read_queue(cluster.runs).entries == ()
        sbatch.write_text(taken)
        await pilot.press("ctrl+l")
        await settled(pilot, lambda: app.screen is not page, "the question")
        assert "site ours" in text_of(app)
        await pilot.press("y")
        await settled(pilot, lambda: read_queue(cluster.runs).entries, "the queue")

    composing_from(cluster.runs, check, preset="pocket")
    launchers = {entry.devices.launcher for entry in read_queue(cluster.runs).entries}
    assert launchers == {f"slurm:{folder / 'ours.yaml'}"}
