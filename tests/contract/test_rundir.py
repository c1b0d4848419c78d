from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from engine.schema.errors import UserError
from engine.schema.jsonfile import read_json
from engine.store.layout import PhaseDir, RunsFolder
from engine.store.writing import atomic_write

if TYPE_CHECKING:
    from pathlib import Path


def test_atomic_write_leaves_old_or_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.json"
    atomic_write(file, "old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write(file, "new")
    assert file.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_attempts_are_numbered_and_unique(tmp_path: Path) -> None:
    phase = PhaseDir(tmp_path)
    assert phase.last_attempt() is None
    assert [phase.new_attempt().number for _ in range(3)] == [1, 2, 3]
    (tmp_path / "attempt-004").mkdir()
    last = phase.last_attempt()
    assert last is not None
    assert last.number == 4


def test_publishing_is_done_only_with_the_manifest(tmp_path: Path) -> None:
    phase = PhaseDir(tmp_path)
    (phase.work / "staging").mkdir(parents=True)
    (phase.work / "staging" / "x.txt").write_text("hello")
    assert not phase.done
    phase.publish(phase.work / "staging", {"n": 1})
    assert phase.done
    manifest = phase.manifest()
    assert manifest["files"]["out/x.txt"]["bytes"] == 5
    assert manifest["figures"] == {"n": 1}


def test_publishing_again_after_dying_between_the_renames(tmp_path: Path) -> None:
    phase = PhaseDir(tmp_path)
    phase.out.mkdir()
    (phase.out / "x.txt").write_text("of the attempt that died")
    (phase.work / "staging").mkdir(parents=True)
    (phase.work / "staging" / "x.txt").write_text("new")
    phase.publish(phase.work / "staging", {})
    assert (phase.out / "x.txt").read_text() == "new"


def test_json_errors_name_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "queue.json"
    file.write_text('{"a": 1,\n oops}')
    with pytest.raises(UserError, match=r"queue\.json:2: not valid JSON"):
        read_json(file)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="can't write here"):
        RunsFolder(tmp_path / "file" / "runs").create()
