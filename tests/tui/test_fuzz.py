"""Random keys don't bring the interface down; what nobody foresaw is told and kept."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest
from textual import work

from engine.schema.errors import UserError
from sirt_tui import failures
from sirt_tui.page import Page
from tests.tui import fuzz
from tests.tui.helpers import app_on, said_by, settled

SHORT = 40  # keys


def sessions(first: int, count: int, keys: int) -> None:
    failed = {seed: why for seed in range(first, first + count) if (why := fuzz.one(seed, keys))}
    assert not failed, "\n".join(f"seed {seed}:\n{why}" for seed, why in failed.items())


def test_a_few_random_keys() -> None:
    sessions(0, 2, SHORT)


@pytest.mark.slow(25)
@pytest.mark.parametrize("first", range(1000, 1040, 20))  # the first eight of each twenty
def test_many_random_keys(first: int) -> None:
    sessions(first, 8, SHORT)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("run.json:3: no such thing"), "run.json:3: no such thing"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (ZeroDivisionError("of what?"), "internal error (ZeroDivisionError: of what?)"),
    ],
)
def test_a_worker_that_fails_says_so_and_the_program_goes_on(
    recorded, tmp_path, monkeypatch, error, words
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def verb() -> None:
        raise error

    class Failing(Page):
        TITLE = "Failing"

        def on_mount(self) -> None:
            self._fail()

        @work
        async def _fail(self) -> None:
            await self.ask(verb)

    async def check() -> None:
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            app.push_screen(Failing())
            await settled(pilot, lambda: words in said_by(app))
            assert words in app.screen.subject
            await pilot.press("1")
            await settled(pilot, lambda: app.screen.TITLE == "Runs")
        assert app.return_code in (None, 0)

    asyncio.run(check())
    kept = list((tmp_path / "state").rglob("*.txt"))
    assert bool(kept) == isinstance(error, ZeroDivisionError)
    if kept:
        assert "in verb" in kept[0].read_text()


def test_a_folder_that_cant_be_read_is_said_in_the_lists_header(recorded):
    async def check() -> None:
        app = app_on(recorded)
        with patch(
            "engine.queries.run_list.Roster.look", side_effect=UserError("queue.json: half")
        ):
            async with app.run_test(size=(120, 40)) as pilot:
                await settled(pilot, lambda: "queue.json: half" in app.screen.subject)

    asyncio.run(check())


BROKEN = """
import sys
from pathlib import Path
from unittest.mock import patch
from sirt_tui.__main__ import open_interface
from sirt_tui.screens.runs import RunsPage

def fall(self):
    raise ZeroDivisionError("in the house")

from textual.drivers.headless_driver import HeadlessDriver
def headless(self):
    return HeadlessDriver

with patch.object(RunsPage, "on_mount", fall), patch("textual.app.App.get_driver_class", headless):
    open_interface(Path(sys.argv[1]), mouse=False)
"""


def test_what_nobody_foresaw_ends_it_with_a_status_and_a_file(recorded, tmp_path):
    ended = subprocess.run(
        [sys.executable, "-c", BROKEN, str(recorded.root)],
        capture_output=True, text=True, timeout=60, check=False,
        env=dict(os.environ) | {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(Path.cwd())},
    )  # fmt: skip
    assert ended.returncode == 1, ended.stderr
    told = ended.stdout + ended.stderr
    assert "internal error (ZeroDivisionError: in the house)" in told.replace("\n", " ")
    (file,) = tmp_path.rglob("sirt-failed-*.txt")
    assert "in fall" in file.read_text()


def test_the_failures_file_falls_back_to_the_temporary_folder(tmp_path, monkeypatch):
    (tmp_path / "state").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "temporary"))
    assert failures.kept(ValueError("x")).startswith(str(tmp_path / "temporary"))
