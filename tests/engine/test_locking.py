"""Disks without locks, and who may read what the program makes."""

from __future__ import annotations

import errno
import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from engine.commands import bundling, run_changes
from engine.queries.runs import list_runs
from engine.schema.errors import UserError, explain
from engine.store.eventlog import EventWriter
from engine.store.locking import Timeout, acquire, held
from engine.store.registry import folder_lock
from engine.store.writing import atomic_write, follow_umask, replacing
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.store.layout import RunsFolder


@pytest.fixture
def recorded(tmp_path: Path) -> RunsFolder:
    return copy_recorded(tmp_path / "runs")


@pytest.fixture(params=["ENOLCK", "EOPNOTSUPP"])
def without_locks(request, monkeypatch: pytest.MonkeyPatch) -> None:
    code = getattr(errno, request.param)

    def refuse(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refuse)


def test_a_disk_without_locks_is_told_by_file_with_what_to_do(without_locks, tmp_path) -> None:
    with pytest.raises(UserError, match=r"\.lock: this disk gives no file locks .*--runs"):
        acquire(tmp_path / ".lock")


@pytest.mark.usefixtures("without_locks")
def test_runs_on_a_disk_without_locks_are_read_and_not_changed(recorded: RunsFolder) -> None:
    assert list_runs(recorded)
    run_id = run_of(recorded, "baseline")
    with pytest.raises(UserError, match="no file locks"):
        run_changes.describe(recorded, run_id, name="new")


def test_a_held_lock_is_waited_for_and_then_given_up(tmp_path) -> None:
    with held(tmp_path / "lock"), pytest.raises(Timeout):
        acquire(tmp_path / "lock")
    acquire(tmp_path / "lock").release()


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o002, 0o022, 0o077])
def test_the_umask_says_who_may_read_what_is_made(recorded: RunsFolder, mask: int) -> None:
    made = recorded.root / "made"
    with umask(mask):
        made.mkdir()
        atomic_write(made / "whole", "x")
        with EventWriter(made / "events", made / "alive"), folder_lock(recorded):
            pass
        with replacing(made / "pack") as file:
            file.write(b"x")
        phase = next(p for p in recorded.phase_dirs() if not p.done)
        staged = phase.path / "staged"
        (staged / "adapter").mkdir(parents=True)
        (staged / "adapter" / "weights").touch(0o600)  # as safetensors does
        phase.publish(staged, {})
        run_id = run_of(recorded, "baseline")
        run_changes.describe(recorded, run_id, tags=("mine",))
        bundling.bundle(recorded, [run_id], made / "run.tar", True)
    files = [
        recorded.lock,
        *recorded.registry.iterdir(),
        recorded.run_file(run_id),
        phase.manifest_file,
        phase.out / "adapter" / "weights",
        *made.iterdir(),
    ]
    assert {oct(f.stat().st_mode & 0o777) for f in files} == {oct(0o666 & ~mask)}
    folders = {made, recorded.registry, phase.out, phase.out / "adapter"}
    assert {oct(f.stat().st_mode & 0o777) for f in folders} == {oct(0o777 & ~mask)}


def test_what_is_published_in_a_groups_folder_stays_the_groups(tmp_path: Path) -> None:
    folder = tmp_path / "group"
    folder.mkdir()
    folder.chmod(0o2775)
    (folder / "out" / "adapter").mkdir(parents=True)
    assert (folder / "out").stat().st_mode & 0o2000
    follow_umask(folder / "out")
    assert all(path.stat().st_mode & 0o2000 for path in folder.rglob("*"))


def test_what_a_link_points_at_keeps_its_rights(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.touch(0o600)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to(elsewhere)
    follow_umask(folder)
    assert elsewhere.stat().st_mode & 0o777 == 0o600


# --- what the system refuses, and what to do about it ---


def refused(code: int, path: Path | str | None = None) -> OSError:
    error = OSError(code, os.strerror(code))
    error.filename = None if path is None else str(path)
    return error


def test_advice_fits_what_was_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "free some space" in explain(refused(errno.ENOSPC, file))
    for code in (errno.EIO, errno.EACCES, errno.EROFS, errno.ENOENT, errno.EISDIR):
        assert "space" not in explain(refused(code, file))
    assert "may write to" in explain(refused(errno.EROFS, file))
    assert "may write to" in explain(refused(errno.EACCES, file))
    assert "may write to" in explain(refused(errno.EACCES, tmp_path / "new"))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    assert "may write to" not in explain(refused(errno.EACCES, file))
    assert "right to read" in explain(refused(errno.EACCES, file))


def test_a_disk_full_of_files_is_told_with_the_file_that_was_to_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.statvfs(tmp_path)
    fields = list(real)
    fields[5:8] = [1000, 0, 0]  # files: all, free, free for us
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))

    def full(path: Path, *_: object) -> None:
        raise refused(errno.ENOSPC, path)

    monkeypatch.setattr("pathlib.Path.open", full)
    with pytest.raises(OSError, match="No space") as caught:
        atomic_write(tmp_path / "registry.json", "x")
    said = explain(caught.value)
    assert said.startswith(f"{tmp_path / 'registry.json'}: ")
    assert "no more files" in said
