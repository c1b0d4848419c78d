"""Following runs from the command line: what is told, and who sees to a conductor."""

from __future__ import annotations

import os
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from engine.cli import follow as following
from engine.cli.follow import follow
from engine.machine import processes
from engine.queries import following as logs
from engine.scheduling import daemon, queue
from engine.scheduling.queue import DeviceRequest
from engine.schema import events as ev
from engine.schema.errors import UserError
from engine.store.conductor_dir import ConductorDir
from engine.store.layout import RunsFolder
from engine.store.run import read_run
from engine.store.writing import write_json
from tests.engine.fakes import chain, write_run

if TYPE_CHECKING:
    from pathlib import Path

HEARD = 12  # followers that notice at once


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    """A queued run that nobody conducts."""
    folder = RunsFolder(tmp_path / "runs")
    write_run(folder, "one", chain())
    queue.enqueue(folder, ["one"], DeviceRequest(cpu=True))
    folder.conductor.mkdir()
    return folder


def after_a_look(monkeypatch: pytest.MonkeyPatch, happens) -> None:
    """What happens where a follower rests between two looks."""
    monkeypatch.setattr(following.time, "sleep", lambda _: happens())


@pytest.mark.parametrize("made_anew", [False, True])
def test_a_folder_that_goes_is_told_and_stays_gone(runs, monkeypatch, made_anew) -> None:
    monkeypatch.setattr(following, "CONDUCTOR_EVERY_S", -1.0)
    monkeypatch.setattr(daemon, "revive", lambda _: None)
    moved = runs.root.with_name("moved")

    def move() -> None:
        runs.root.rename(moved)
        if made_anew:
            runs.root.mkdir()

    after_a_look(monkeypatch, move)
    with pytest.raises(UserError, match="moved or deleted") as caught:
        follow(runs, ["one"], quiet=True)
    assert str(runs.root) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    assert not list(runs.root.glob("**/*"))
    assert (moved / "one" / "run.json").exists()


def test_nothing_is_started_where_the_folder_is_gone(runs) -> None:
    runs.root.rename(runs.root.with_name("moved"))
    with pytest.raises(FileNotFoundError):
        daemon.ensure_running(runs)
    assert not runs.root.exists()


def test_of_many_followers_one_starts_the_conductor(runs, monkeypatch) -> None:
    started = []
    ready = threading.Barrier(HEARD)

    def start(_: RunsFolder, program: object) -> None:
        started.append(program)
        write_json(ConductorDir(runs.conductor).process, processes.identity())

    monkeypatch.setattr(daemon, "ensure_running", start)

    def notice() -> None:
        ready.wait()
        daemon.revive(runs)

    followers = [threading.Thread(target=notice) for _ in range(HEARD)]
    for follower in followers:
        follower.start()
    for follower in followers:
        follower.join()
    assert len(started) == 1
    daemon.revive(runs)  # one lives now
    assert len(started) == 1


def test_a_conductor_of_another_machine_lives_while_its_heart_beats(runs, monkeypatch) -> None:
    started = []
    monkeypatch.setattr(daemon, "START_S", 0.0)
    monkeypatch.setattr(daemon, "ensure_running", lambda *_: started.append(True))
    folder = ConductorDir(runs.conductor)
    write_json(folder.process, processes.identity() | {"host": "elsewhere"})
    folder.alive.touch()
    daemon.revive(runs)
    assert not started
    os.utime(folder.alive, (1, 1))
    daemon.revive(runs)
    assert started


def _ended(runs: RunsFolder, first: list[ev.Event], others: list[ev.Event]) -> None:
    for number, spec in enumerate(read_run(runs, "one").spec.phases):
        told = others if number else first
        phase = runs.phase(spec.id)
        attempt = phase.new_attempt()
        lines = (e.model_copy(update={"seq": n}) for n, e in enumerate(told))
        attempt.events.write_bytes(b"".join(map(ev.encode, lines)))
        (phase.path / "staged").mkdir()
        phase.publish(phase.path / "staged", {})


@pytest.mark.parametrize("clock", ["silent", "set back"])
def test_a_duration_that_is_not_known_is_not_told(runs, monkeypatch, capsys, clock) -> None:
    now = datetime.now(UTC)
    begin = ev.PhaseStarted(ts=now, phase="p", attempt=1, host="h", pid=1, devices=())
    end = ev.PhaseFinished(ts=now - timedelta(days=1825), outcome="done")
    told = [] if clock == "silent" else [begin, end]
    after_a_look(monkeypatch, lambda: _ended(runs, told, told))
    monkeypatch.setattr(daemon, "revive", lambda _: None)
    assert follow(runs, ["one"])
    said = capsys.readouterr().err
    assert " done" in said
    assert "unknown" not in said
    assert " in " not in said


def test_a_long_log_is_read_to_its_end_before_it_is_told_how_long_it_took(
    runs, monkeypatch, capsys
) -> None:
    now = datetime.now(UTC)
    begin = ev.PhaseStarted(ts=now, phase="p", attempt=1, host="h", pid=1, devices=())
    steps = [ev.Metric(ts=now, step=n, values={"loss": 1.0}) for n in range(12_000)]
    end = ev.PhaseFinished(ts=now + timedelta(seconds=75), outcome="done")
    after_a_look(monkeypatch, lambda: _ended(runs, [begin, *steps, end], [begin, end]))
    monkeypatch.setattr(daemon, "revive", lambda _: None)
    assert follow(runs, ["one"])
    assert capsys.readouterr().err.count("done in 1 min 15 s") == 3


def test_the_end_of_a_long_log_is_known_before_its_history(runs, monkeypatch) -> None:
    monkeypatch.setattr(logs, "READ_MS", 1.0)  # history takes many looks
    now = datetime.now(UTC)
    old = now - timedelta(hours=1)
    begin = ev.PhaseStarted(ts=old, phase="p", attempt=1, host="here", pid=1, devices=())
    steps = [ev.Metric(ts=old, step=n, values={"loss": 1.0}) for n in range(20_000)]
    lately = ev.Progress(ts=now, done=7, total=9, unit="steps")
    spec = read_run(runs, "one").spec.phases[0]
    attempt = runs.phase(spec.id).new_attempt()
    lines = (e.model_copy(update={"seq": n}) for n, e in enumerate([begin, *steps, lately]))
    attempt.events.write_bytes(b"".join(map(ev.encode, lines)))
    follower = logs.RunFollower(runs, "one")
    first = follower.advance()
    assert first is not None
    phase = first.phases[0]
    assert phase.reading
    assert (phase.view.last_event, phase.view.host, phase.view.gaps) == (now, "here", 0)
    assert phase.view.progress is not None
    assert phase.view.progress.done == 7
    whole = follower.advance_to_the_end()
    assert whole is not None
    assert not whole.phases[0].reading
    assert len(whole.phases[0].view.metrics["loss"]) == 20_000
