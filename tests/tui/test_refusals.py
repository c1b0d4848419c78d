"""What the system refuses is told in the interface as on the command line: in words."""

from __future__ import annotations

import asyncio
import errno
import os

import pytest

from engine.queries.following import RunFollower
from sirt_tui import failures
from tests.tui.conftest import run_of
from tests.tui.helpers import app_on, settled, text_of


@pytest.mark.parametrize("code", [errno.EROFS, errno.EIO, errno.ESTALE, errno.ENOSPC])
def test_a_refusal_is_words_without_its_number(code: int) -> None:
    said = failures.said(OSError(code, os.strerror(code), "/somewhere/run.json"))
    assert said.startswith(f"/somewhere/run.json: {os.strerror(code)}")
    assert "[Errno" not in said


def test_a_run_that_cannot_be_read_says_why_on_its_screen(recorded, monkeypatch) -> None:
    def refuse(_: RunFollower) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), "/disk/run.json")

    monkeypatch.setattr(RunFollower, "advance", refuse)

    async def flow() -> None:
        app = app_on(recorded)
        async with app.run_test(size=(120, 40)) as pilot:
            app.open_run(run_of(recorded, "baseline"))
            await settled(pilot, lambda: "Input/output error" in text_of(app), "the refusal")
            assert "[Errno" not in text_of(app)

    asyncio.run(flow())
