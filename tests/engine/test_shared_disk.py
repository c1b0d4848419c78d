"""Network disks: what is cached, clocks that differ, handles that go stale, disks that are away."""

from __future__ import annotations

import errno
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from engine.interfaces import Devices
from engine.machine import state
from engine.machine.state import alive_age, standstill
from engine.phases.context import Context
from engine.scheduling import queue
from engine.scheduling.queue import DeviceRequest
from engine.schema.errors import UserError
from engine.schema.events import Activity, Message, Progress
from engine.schema.jsonfile import read_json
from engine.store.eventlog import STALE_AFTER_S, EventReader, EventWriter
from engine.store.layout import AttemptDir, RunsFolder
from engine.store.locking import handed_on, held, is_held
from engine.store.registry import folder_lock
from engine.store.ticker import Ticker
from tests.engine.lagging import LaggingView
from tests.engine.test_locking import without_locks  # noqa: F401  a fixture
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from pathlib import Path


LATER_S = 10 * STALE_AFTER_S


@pytest.fixture
def recorded(tmp_path: Path) -> RunsFolder:
    return copy_recorded(tmp_path / "runs")


@pytest.fixture
def live(recorded: RunsFolder) -> AttemptDir:
    """A phase that is at work."""
    phases = (p for p in recorded.phase_dirs() if not p.done)
    attempts = (attempt for p in phases if (attempt := p.last_attempt()))
    return next(attempt for attempt in attempts if not attempt.exit_code.exists())


def passes(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """Let time go on, on this machine and on the disk's."""
    monkeypatch.setattr(
        "engine.machine.state.time", SimpleNamespace(time=lambda: time.time() + seconds)
    )


# --- a view that lags ---


def test_a_heartbeat_is_seen_though_its_time_is_cached(
    live: AttemptDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    LaggingView(live.path.parents[2], monkeypatch)
    cached = live.alive.stat().st_mtime
    later = time.time() + LATER_S
    os.utime(live.alive, (later, later))  # by its host, meanwhile
    passes(monkeypatch, LATER_S)
    assert live.alive.stat().st_mtime == cached, "the view does not lag"
    age = alive_age(live)
    assert age is not None
    assert abs(age) < STALE_AFTER_S


def test_an_input_that_was_finished_on_another_node_a_moment_ago_is_there(
    recorded: RunsFolder, live: AttemptDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = next(phase for phase in recorded.phase_dirs() if phase.done)
    hidden = done.manifest_file.with_name("hidden")
    done.manifest_file.rename(hidden)
    LaggingView(recorded.root, monkeypatch)
    assert not done.done
    hidden.rename(done.manifest_file)
    assert not done.done, "the view does not lag"
    with EventWriter(live.events, live.alive) as writer:
        ours = Context(recorded, recorded.phase(live.path.parent.name), live, writer, Devices())
        assert ours.input(done.id).done


def test_the_lock_shows_what_its_last_holder_wrote(
    recorded: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run_of(recorded, "baseline")
    queue.enqueue(recorded, [first], DeviceRequest())
    theirs = recorded.queue.rename(recorded.root / "theirs")
    LaggingView(recorded.root, monkeypatch)
    assert not recorded.queue.exists()
    theirs.rename(recorded.queue)
    assert not recorded.queue.exists(), "the view does not lag"
    with folder_lock(recorded):
        assert recorded.queue.exists()


# --- clocks ---


@pytest.mark.parametrize("off_s", [-3600.0, 3600.0])
def test_progress_is_judged_by_the_disks_clock_though_its_hosts_is_wrong(
    live: AttemptDir, off_s: float
) -> None:
    live.events.unlink()
    theirs = datetime.now(UTC) + timedelta(seconds=off_s)
    with EventWriter(live.events, live.alive) as writer:
        writer.emit(Progress(done=1, total=2, unit="x", ts=theirs - timedelta(seconds=90)))
        writer.emit(Activity(text="…", ts=theirs))
    found = standstill(live)
    assert found is not None
    assert abs(found[1]) < 30


def test_a_heartbeat_is_judged_by_the_disks_clock(
    live: AttemptDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.alive.touch()
    passes(monkeypatch, LATER_S)  # on this machine alone: its clock is ahead
    monkeypatch.setattr(state, "ahead", lambda _: LATER_S)
    age = alive_age(live)
    assert age is not None
    assert abs(age) < STALE_AFTER_S


# --- handles, and disks that are away ---


def test_a_stale_handle_is_opened_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = AttemptDir(tmp_path)
    stale = [errno.ESTALE]
    real = os.write

    def write(fd: int, data: bytes) -> int:
        if stale:
            raise OSError(stale.pop(), "Stale file handle")
        return real(fd, data)

    with EventWriter(attempt.events, attempt.alive) as writer:
        writer.emit(Message(level="info", text="one"))
        monkeypatch.setattr(os, "write", write)
        writer.emit(Message(level="info", text="two"))
    assert [e.text for e in EventReader(attempt.events).read()] == ["one", "two"]

    file = tmp_path / "x.json"
    file.write_text("{}")
    stale.append(errno.ESTALE)
    read = type(file).read_bytes

    def read_bytes(path: Path) -> bytes:
        if stale:
            raise OSError(stale.pop(), "Stale file handle")
        return read(path)

    monkeypatch.setattr(type(file), "read_bytes", read_bytes)
    assert read_json(file) == {}


def test_a_heartbeat_goes_on_when_the_disk_comes_back() -> None:
    beats = threading.Semaphore(0)
    calls = iter((OSError(errno.EIO, "away"), OSError(errno.ENOENT, "away")))

    def beat() -> None:
        if (error := next(calls, None)) is not None:
            raise error
        beats.release()

    with Ticker("beat", beat, 0.001):
        assert beats.acquire(timeout=10)


@pytest.mark.usefixtures("without_locks")
def test_where_locks_fail_nobody_is_taken_for_free(tmp_path: Path) -> None:
    (tmp_path / "lock").touch()
    assert is_held(tmp_path / "lock")  # so nothing is handed over twice
    with pytest.raises(UserError, match="no file locks"), handed_on(tmp_path / "lock"):
        pass


def test_a_lock_is_held_as_long_as_whoever_it_was_handed_to_lives(tmp_path: Path) -> None:
    with handed_on(tmp_path / "lock") as fd:
        kept = os.dup(fd)
    assert is_held(tmp_path / "lock")
    os.close(kept)
    assert not is_held(tmp_path / "lock")
    with held(tmp_path / "lock"):
        pass
