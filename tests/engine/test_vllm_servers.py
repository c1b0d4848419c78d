"""Servers of vLLM, with a fake in its place: started, shared, ended; never left behind."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from engine.generation.vllm.folder import server_dirs, servers_of
from engine.generation.vllm.shared import leasing, reap
from engine.generation.vllm.wanted import tell_wanted
from engine.generation.vllm.wire import Refused, call
from engine.machine import processes
from engine.schema.errors import UserError
from tests.engine.vllm_helpers import FakeVllm, fake_vllm, lease, wait_until


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVllm]:
    with fake_vllm(tmp_path, monkeypatch, idle_s=0.1) as made:
        yield made


@pytest.fixture
def long_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIRT_SERVER_IDLE_S", "1000")


def test_a_server_ends_when_its_only_user_does(fake: FakeVllm, tmp_path: Path) -> None:
    with lease(tmp_path, fake.launch()) as mine:
        assert len(fake.starts) == 1
        assert mine.lives
        assert len(fake.alive()) == 2
    wait_until(lambda: not fake.alive())
    wait_until(lambda: mine.folder.read() is None)


@pytest.mark.usefixtures("long_idle")
def test_two_users_of_one_model_share_a_server_and_others_do_not(
    fake: FakeVllm, tmp_path: Path
) -> None:
    first = lease(tmp_path, fake.launch())
    again = lease(tmp_path, fake.launch(threads=2))
    other = lease(tmp_path, fake.launch(model="/another"))
    assert again.server.mark == first.server.mark != other.server.mark
    assert len(fake.starts) == 2
    for one in (first, again, other):
        one.file.unlink()
        one.folder.stop.touch()


@pytest.mark.usefixtures("long_idle")
def test_a_server_that_is_told_to_stop_stays_while_somebody_uses_it(
    fake: FakeVllm, tmp_path: Path
) -> None:
    with lease(tmp_path, fake.launch()) as mine:
        mine.folder.stop.touch()
        wait_until(lambda: not mine.folder.stop.exists())
        assert mine.lives
    mine.folder.stop.touch()
    wait_until(lambda: not fake.alive())


def test_what_phases_that_are_ready_want_stays(fake: FakeVllm, tmp_path: Path) -> None:
    with lease(tmp_path, fake.launch()) as mine:
        tell_wanted(servers_of(tmp_path), {"a-model"})
    again = lease(tmp_path, fake.launch())
    assert len(fake.starts) == 1
    assert again.server.mark == mine.server.mark
    again.file.unlink()
    tell_wanted(servers_of(tmp_path), set())
    wait_until(lambda: not fake.alive())


@pytest.mark.usefixtures("long_idle")
def test_a_user_that_is_killed_needs_nothing_any_more(fake: FakeVllm, tmp_path: Path) -> None:
    with lease(tmp_path, fake.launch()) as mine:
        dead = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        held = mine.folder.leases / f"{dead.pid}-x.json"
        held.write_text(json.dumps({"who": processes.identity(dead.pid)}))
        assert len(mine.folder.holders()) == 2
        dead.kill()
        dead.communicate()
        assert len(mine.folder.holders()) == 1
    mine.folder.stop.touch()


@pytest.mark.usefixtures("long_idle")
@pytest.mark.parametrize("who", ["keeper", "leader"])
def test_no_process_is_left_when_one_is_killed(fake: FakeVllm, tmp_path: Path, who: str) -> None:
    with lease(tmp_path, fake.launch()) as mine:
        os.kill(getattr(mine.server, who)["pid"], signal.SIGKILL)
        wait_until(lambda: not fake.alive())
        wait_until(lambda: not mine.lives)
        with lease(tmp_path, fake.launch()) as next_one:
            assert len(fake.starts) == 2
            assert next_one.lives
            next_one.folder.stop.touch()


@pytest.mark.usefixtures("long_idle")
def test_what_was_left_when_all_that_watch_were_killed_is_taken_away(
    fake: FakeVllm, tmp_path: Path
) -> None:
    mine = lease(tmp_path, fake.launch())
    keeper = mine.server.keeper["pid"]
    guards = [p for p in psutil.Process(keeper).children() if p.name() == "sh"]
    for pid in [*(g.pid for g in guards), keeper, mine.server.leader["pid"]]:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not mine.lives)
    wait_until(lambda: len(fake.alive()) == 1)  # the worker, that nobody minds any more
    wait_until(lambda: len(reap(tmp_path)) == 1)
    wait_until(lambda: not fake.alive())
    assert reap(tmp_path) == []


@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("RuntimeError: CUDA out of memory. Tried to allocate 2 GiB\n", "out of memory"),
        ("ValueError: max_model_len (9000) is greater than 2048\n", "context doesn't hold"),
        ("KeyError: 'no such layer'\nRuntimeError: Engine failed\n", "KeyError: 'no such layer'"),
        ("Segmentation fault\n", "Segmentation fault"),
    ],
)
def test_a_start_that_fails_is_told_in_a_line(
    fake: FakeVllm, tmp_path: Path, log: str, words: str
) -> None:
    fake.fails(log)
    with pytest.raises(UserError, match=words) as told:
        lease(tmp_path, fake.launch())
    assert "\n" not in str(told.value)


def test_a_port_that_is_taken_is_another_the_next_time(fake: FakeVllm, tmp_path: Path) -> None:
    fake.fails("OSError: [Errno 98] Address already in use\n")
    with pytest.raises(UserError, match="its port was taken"):
        lease(tmp_path, fake.launch())


def test_a_program_that_is_not_there_is_told(fake: FakeVllm, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="/no/where"):
        lease(tmp_path, fake.launch(executable="/no/where"))


@pytest.mark.usefixtures("long_idle")
def test_only_who_knows_the_key_is_answered(fake: FakeVllm, tmp_path: Path) -> None:
    with lease(tmp_path, fake.launch()) as mine:
        assert mine.folder.server.stat().st_mode & 0o077 == 0
        body = {"max_tokens": 1, "seed": 1}
        call(mine.server, "/v1/completions", body)
        stranger = dataclasses.replace(mine.server, key="guessed")
        with pytest.raises(Refused, match="wrong key"):
            call(stranger, "/v1/completions", body)
    mine.folder.stop.touch()


@pytest.mark.usefixtures("long_idle")
def test_who_is_asked_to_stop_waits_for_no_server(fake: FakeVllm, tmp_path: Path) -> None:
    waiting = leasing(tmp_path, fake.launch(), "", lambda _text: None, None)
    assert next(waiting) == []
    waiting.close()
    (folder,) = server_dirs(tmp_path)
    assert not list(folder.leases.iterdir())
