"""What is said of a phase that died: by whose hand, after how long, and what it needs."""

from __future__ import annotations

import errno
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from engine.interfaces import Devices
from engine.machine import cgroups, deaths, processes
from engine.machine.state import alive_age, phase_state
from engine.scheduling.phase_process import become
from engine.schema.durations import duration
from engine.store import clock as stamps
from engine.store.eventlog import STALE_AFTER_S, EventWriter
from engine.store.layout import AttemptDir, RunsFolder
from tests.engine.fakes import chain, write_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def attempt(tmp_path: Path) -> AttemptDir:
    """Of a phase whose process is gone: started ten minutes ago, its last heartbeat at 192 s."""
    runs = RunsFolder(tmp_path / "runs")
    spec = write_run(runs, "r", chain())
    found = runs.phase(spec.phases[1].id).new_attempt()
    gone = processes.identity() | {"started": 1}
    processes.write_owner(found, "local", gone, Devices())
    began = time.time() - 600
    os.utime(found.process, (began, began))
    found.alive.touch()
    os.utime(found.alive, (began + 192, began + 192))
    return found


def said(attempt: AttemptDir) -> str:
    found = phase_state(RunsFolder(attempt.path.parents[2]).phase(attempt.path.parent.name))
    assert found.state == "lost"
    return found.error


def ended(attempt: AttemptDir, code: int) -> None:
    """As whoever saw it writes it down, at the time of the last heartbeat."""
    processes.write_exit_code(attempt, code)
    at = attempt.alive.stat().st_mtime
    os.utime(attempt.exit_code, (at, at))


def test_a_signal_is_named_with_how_long_it_ran(attempt: AttemptDir) -> None:
    ended(attempt, -9)
    assert said(attempt) == "killed (signal 9) after 3 min 12 s"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-15, "killed (signal 15)"),
        (-11, "crashed (signal 11, SIGSEGV)"),
        (3, "the process ended with exit code 3"),
        (None, "the process is gone, and nobody saw how it ended"),
    ],
)
def test_other_ends_have_other_words(code: int | None, words: str) -> None:
    assert deaths.how(code) == words


def test_stderr_is_quoted_without_progress_bars(attempt: AttemptDir) -> None:
    ended(attempt, 1)
    attempt.stderr.write_text("first\n 30%|### | 3/10\nlast\n")
    assert said(attempt).endswith("exit code 1 after 3 min 12 s; stderr ends: first / last")


def test_no_time_is_made_up_where_the_clock_went_back(attempt: AttemptDir) -> None:
    later = time.time() + 3e8
    os.utime(attempt.process, (later, later))
    ended(attempt, -9)
    assert said(attempt) == "killed (signal 9)"
    assert duration(-157679996) == "0 s"


# --- out of memory ---


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A control group as the kernel shows it, and how to have it kill something."""
    root, mine = tmp_path / "cgroup", tmp_path / "mine"
    monkeypatch.setattr(cgroups, "ROOT", root)
    monkeypatch.setattr(cgroups, "MINE", mine)
    monkeypatch.setattr(cgroups, "VMSTAT", tmp_path / "vmstat")

    def count(version: str, kills: int) -> None:
        if version == "machine":
            mine.write_text("0::/\n")
            (tmp_path / "vmstat").write_text(f"pgfault 7\noom_kill {kills}\n")
            return
        line, file = {
            "v2": ("0::/job/a", root / "job/a/memory.events"),
            "v1": ("4:cpu,memory:/job/a\n0::/", root / "memory/job/a/memory.oom_control"),
        }[version]
        mine.write_text(line + "\n")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"low 0\noom 9\noom_kill {kills}\noom_group_kill 0\n")

    return count


@pytest.mark.parametrize("version", ["v2", "v1", "machine"])
def test_the_kernels_own_count_says_that_memory_ran_out(attempt, kernel, version) -> None:
    kernel(version, 4)
    processes.write_owner(attempt, "local", processes.identity() | {"started": 1}, Devices())
    kernel(version, 5)
    ended(attempt, -9)
    assert "the kernel was out of memory" in said(attempt)
    assert processes.read_exit_code(attempt) == -9


def test_where_nobody_saw_the_end_the_count_is_still_a_hint(attempt, kernel) -> None:
    kernel("v2", 4)
    gone = processes.identity() | {"started": 1}
    processes.write_owner(attempt, "local", gone, Devices())
    assert "memory" not in said(attempt)
    kernel("v2", 6)
    assert "the kernel was out of memory meanwhile" in said(attempt)
    processes.write_owner(attempt, "local", gone | {"boot": "an earlier one"}, Devices())
    kernel("v2", 7)
    assert "memory" not in said(attempt)


@pytest.mark.parametrize(("kills", "code"), [(4, -9), (5, -15), (5, 1)])
def test_other_kills_and_other_ends_are_not_blamed_on_memory(attempt, kernel, kills, code) -> None:
    kernel("v2", 4)
    processes.write_owner(attempt, "local", processes.identity() | {"started": 1}, Devices())
    kernel("v2", kills)
    ended(attempt, code)
    assert "memory" not in said(attempt)


# --- full disks ---


def test_a_full_disk_is_named_first_and_not_by_a_tracebacks_end(attempt: AttemptDir) -> None:
    ended(attempt, 1)
    attempt.stderr.write_text(
        "Traceback …\n  line 3\nOSError: [Errno 28] No space left on device\n"
    )
    told = said(attempt)
    assert told.startswith("the disk was full: ")
    assert "Traceback" not in told
    assert "free some space" in told


def test_a_disk_too_full_for_any_last_word_is_named_as_well(attempt, monkeypatch) -> None:
    full = os.statvfs_result([*list(os.statvfs(attempt.path))[:3], 0, 0, 9, 9, 9, 0, 255])
    monkeypatch.setattr(os, "statvfs", lambda _: full)
    assert said(attempt).startswith("the disk is full: ")


def test_an_attempt_that_left_nothing_is_told_with_its_likely_cause(attempt: AttemptDir) -> None:
    attempt.process.unlink()
    assert "as it does on a full disk" in said(attempt)


def test_a_killed_phase_on_a_full_disk_was_killed(attempt: AttemptDir) -> None:
    ended(attempt, -9)
    attempt.stderr.write_text("retrying: No space left on device\n")
    assert said(attempt).startswith("killed (signal 9)")


def test_a_phase_whose_log_cannot_be_written_ends_with_a_code_that_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = RunsFolder(tmp_path / "runs")
    spec = write_run(runs, "r", chain())
    phase = runs.phase(spec.phases[0].id)
    attempt = phase.new_attempt()
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(EventWriter, "emit", full)
    ended(attempt, become(phase, attempt, Devices(), "local"))
    assert "No space left" in capsys.readouterr().err
    processes.write_owner(attempt, "local", processes.identity() | {"started": 1}, Devices())
    assert said(attempt).startswith("the disk was full: ")


# --- clocks ---


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    """Set this process's clock apart from the one that stamps files."""
    real = time.time
    monkeypatch.setattr(stamps, "_AHEAD", {})

    def skew(seconds: float) -> None:
        stamps._AHEAD.clear()
        monkeypatch.setattr(time, "time", lambda: real() + seconds)

    return skew


@pytest.mark.parametrize("seconds", [0, 3600, -3600, 40, -40])
def test_a_beating_heart_is_seen_by_a_viewer_whose_clock_is_off(attempt, clock, seconds) -> None:
    elsewhere = processes.identity() | {"host": "elsewhere"}
    processes.write_owner(attempt, "local", elsewhere, Devices())
    attempt.alive.touch()
    clock(seconds)
    phase = RunsFolder(attempt.path.parents[2]).phase(attempt.path.parent.name)
    assert phase_state(phase).state == "running"
    dead = time.time() - seconds - 3 * STALE_AFTER_S
    os.utime(attempt.alive, (dead, dead))
    assert phase_state(phase).state == "unreachable"


def test_the_fresh_file_is_made_rarely_and_leaves_nothing(attempt, clock, monkeypatch) -> None:
    made = []
    real = stamps.tempfile.TemporaryFile
    monkeypatch.setattr(
        stamps.tempfile, "TemporaryFile", lambda **given: made.append(given) or real(**given)
    )
    clock(3600)
    root = attempt.path.parents[2]
    before = sorted(root.iterdir())
    for _ in range(5):
        assert alive_age(attempt) == pytest.approx(600 - 192, abs=5)
    assert len(made) == 1
    assert sorted(root.iterdir()) == before


def test_where_no_file_can_be_made_the_own_clock_is_believed(attempt, clock, monkeypatch) -> None:
    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(stamps.tempfile, "TemporaryFile", refuse)
    clock(3600)
    assert alive_age(attempt) == pytest.approx(3600 + 600 - 192, abs=5)
