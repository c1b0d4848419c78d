"""Judging from several shells at once, with a real conductor."""

from __future__ import annotations

import signal
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest

from engine.store.judgement_dir import finished
from engine.store.layout import RunsFolder
from tests.acceptance.conftest import SIRT, CommandLine, wait_for
from tests.engine.judging.helpers import BARE, TEACHER, card_file, longer
from tests.engine.misbehaving_server import MisbehavingServer
from tests.tui.conftest import copy_recorded

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow(25)


def slowly(prompt: str) -> str:
    threading.Event().wait(0.1)
    return longer(prompt)


def shell(sirt: CommandLine, *arguments: str) -> subprocess.Popen[str]:
    """One that minds ctrl+c, even where the tests were started without."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [str(SIRT), "--runs", str(sirt.runs), *arguments],
            env=sirt.env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    finally:
        signal.signal(signal.SIGINT, before)


def test_shells_that_judge_the_same_pay_once_and_one_that_leaves_stops_nothing(
    sirt: CommandLine, tmp_path: Path
) -> None:
    runs = copy_recorded(sirt.runs)
    with MisbehavingServer(answer=slowly) as server:
        judge = card_file(tmp_path, server)
        same = ("judge", TEACHER, BARE, "--task", "pocket-sums", "--prompt", "plain")
        call = (*same, "--judge", judge, "--format", "csv")
        few = [shell(sirt, *call, "--limit", "12") for _ in range(2)]
        every = shell(sirt, *call, "--all")
        wait_for(lambda: len(server.requests) > 3, "replies")
        few[0].send_signal(signal.SIGINT)
        _, left = few[0].communicate(timeout=60)
        assert few[0].returncode == 130, left
        assert "the runs go on" in left
        said = {}
        for name, one in (("few", few[1]), ("every", every)):
            said[name], told = one.communicate(timeout=300)
            assert one.returncode == 0, told
        assert set(server.delivered.values()) == {1}
        assert sum(server.delivered.values()) == 48
    assert ',gpt,12,"100.0' in said["few"]
    assert ',gpt,24,"100.0' in said["every"]
    judged = [run_id for run_id in runs.run_ids() if "-judge-" in run_id]
    assert len(judged) == 2
    assert sirt(*call, "--limit", "12") == said["few"]  # the server is gone: nobody is asked


def test_a_judgement_is_stopped_from_another_shell(sirt: CommandLine, tmp_path: Path) -> None:
    copy_recorded(sirt.runs)
    stopped = threading.Event()

    def held_at_the_fifth(prompt: str) -> str:
        if len(server.requests) == 5:
            stopped.wait(120)
        return longer(prompt)

    with MisbehavingServer(answer=held_at_the_fifth) as server:
        judge = card_file(tmp_path, server)
        same = ("judge", TEACHER, BARE, "--task", "pocket-sums", "--prompt", "plain")
        waiting = shell(sirt, *same, "--judge", judge)
        wait_for(lambda: len(server.requests) == 5, "replies")
        (row,) = [row for row in sirt.json("status") if row["arm"] == "judge"]
        assert row["state"] == "running"
        sirt("stop", row["run_id"])
        stopped.set()
        _, told = waiting.communicate(timeout=120)
        assert waiting.returncode == 1, told
        assert "stopped" in told
        assert len(server.requests) == 5  # the one under way was taken in
        sirt("retry", row["run_id"], "--follow")
        assert set(server.delivered.values()) == {1}
        assert sum(server.delivered.values()) == 48
    assert finished(RunsFolder(sirt.runs)) == []
