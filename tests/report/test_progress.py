"""What takes minutes says how far it is, on a terminal only."""

from __future__ import annotations

import itertools
import re
import sys
import time

import pytest

from engine.cli.progress import Progress


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_tells_rate_and_time_left(
    terminal: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = itertools.count(100.0, 10.0)
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    progress = Progress()
    for done in (0, 5):
        progress.watch("runs", done, 20)
    progress.watch("figures", 0, 2)
    progress.clear()
    shown, said = capsys.readouterr()
    assert shown == ""
    lines = re.split(r"\r\x1b\[K", said)
    told = ["", "runs: 0/20", "runs: 5/20, 2.0 s/item, 30 s left", "figures: 0/2", ""]
    assert lines == (told if terminal else [""])
