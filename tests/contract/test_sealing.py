"""What was changed after it was published is named, accepted or made again, and never just used."""

from __future__ import annotations

import json
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest

from engine.schema.errors import UserError
from engine.schema.jsonfile import read_json, with_seal
from engine.store import sealing
from engine.store.layout import PhaseDir
from engine.store.sealing import (
    accept,
    accepted,
    problems,
    seals,
    verified,
    verified_bytes,
)
from engine.store.writing import write_json

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def phase(tmp_path: Path) -> PhaseDir:
    folder = PhaseDir(tmp_path / "elicit-0123456789abcdef")
    staging = folder.work / "staging"
    (staging / "adapter").mkdir(parents=True)
    (staging / "pairs.jsonl").write_text('{"id":"a"}\n{"id":"b"}\n')
    (staging / "adapter" / "adapter_model.safetensors").write_bytes(b"\0" * 5_000)
    folder.publish(staging, {"pairs": 2})
    return folder


def rewrite(path: Path, content: bytes) -> None:
    """As a careless tool does: same size, same time of change."""
    before = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_what_was_published_is_used_and_what_was_changed_is_named(phase: PhaseDir) -> None:
    assert verified(phase, "pairs.jsonl") == phase.out / "pairs.jsonl"
    assert verified(phase, "adapter") == phase.out / "adapter"
    rewrite(phase.out / "pairs.jsonl", b'{"id":"a"}\n{"id":"c"}\n')
    with pytest.raises(UserError) as caught:
        verified(phase, "pairs.jsonl")
    line = str(caught.value)
    assert line.startswith(f"{phase.out / 'pairs.jsonl'}: is not what its phase published")
    assert f"sirt retry {phase.id}" in line
    assert f"sirt accept {phase.id}" in line
    with pytest.raises(UserError, match="is not what its phase published"):
        verified_bytes(phase, "pairs.jsonl")
    assert problems(phase) == [line]
    assert verified(phase, "adapter")


@pytest.mark.parametrize("what", ["cut", "changed", "gone", "added", "a folder"])
def test_a_folder_of_files_is_checked_file_by_file(phase: PhaseDir, what: str) -> None:
    weights = phase.out / "adapter" / "adapter_model.safetensors"
    match what:
        case "cut":
            weights.write_bytes(b"\0" * 2_500)
        case "changed":
            rewrite(weights, b"\0" * 4_600 + b"\1" * 400)
        case "gone":
            weights.unlink()
        case "added":
            weights = weights.with_name("other.safetensors")
            weights.write_bytes(b"more")
        case "a folder":
            weights.unlink()
            weights.mkdir()
    with pytest.raises(UserError, match=weights.name):
        verified(phase, "adapter")


def test_a_file_is_read_once_for_each_state(
    phase: PhaseDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    hashed = sealing.hash_file

    def counted(path: Path) -> str:
        read.append(path.name)
        return hashed(path)

    monkeypatch.setattr(sealing, "hash_file", counted)
    for _ in range(3):
        verified(phase, "pairs.jsonl")
    assert read == ["pairs.jsonl"]
    (phase.out / "pairs.jsonl").touch()
    verified(phase, "pairs.jsonl")
    assert read == ["pairs.jsonl"] * 2


def test_what_is_accepted_is_used_and_told_from_then_on(phase: PhaseDir) -> None:
    rewrite(phase.out / "pairs.jsonl", b'{"id":"a"}\n{"id":"c"}\n')
    (seal,) = accept(phase)
    assert (seal.file, seal.why) == ("out/pairs.jsonl", "accepted")
    assert seal.was == phase.manifest()["files"]["out/pairs.jsonl"]["sha256"] != seal.sha256
    assert verified(phase, "pairs.jsonl")
    assert problems(phase) == []
    (line,) = accepted(phase)
    assert "out/pairs.jsonl: changed after it was made, accepted" in line
    assert accept(phase) == []
    rewrite(phase.out / "pairs.jsonl", b'{"id":"a"}\n{"id":"d"}\n')
    with pytest.raises(UserError, match="is not what"):
        verified(phase, "pairs.jsonl")
    (phase.out / "pairs.jsonl").unlink()
    with pytest.raises(UserError, match="can't be accepted"):
        accept(phase)


def test_an_old_phase_is_sealed_at_first_sight_and_that_is_told_once(
    phase: PhaseDir, caplog: pytest.LogCaptureFixture
) -> None:
    manifest = phase.manifest()
    names: dict[str, Any] = {name: {"bytes": 1} for name in manifest["files"]}
    write_json(phase.manifest_file, {"finished": "", "files": names, "figures": {}})
    with caplog.at_level(logging.WARNING):
        verified(phase, "pairs.jsonl")
        verified(phase, "adapter")
    assert [r.getMessage() for r in caplog.records] == [
        f"{phase.path}: made without hashes; its outputs are sealed as they are now"
    ]
    assert {seal.why for seal in seals(phase)} == {"first sight"}
    sealing._first_seen.clear()  # as in another process
    rewrite(phase.out / "pairs.jsonl", b'{"id":"a"}\n{"id":"c"}\n')
    with pytest.raises(UserError, match="is not what"):
        verified(phase, "pairs.jsonl")


def test_where_nothing_can_be_written_an_old_phase_is_read_all_the_same(
    phase: PhaseDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_json(phase.manifest_file, {"finished": "", "figures": {}})

    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(sealing, "write_json", refuse)
    assert verified(phase, "pairs.jsonl")
    assert not phase.seals_file.exists()


@pytest.mark.parametrize("file", ["manifest_file", "seals_file"])
def test_what_tells_of_files_is_itself_sealed(phase: PhaseDir, file: str) -> None:
    rewrite(phase.out / "pairs.jsonl", b'{"id":"a"}\n{"id":"c"}\n')
    accept(phase)
    path: Path = getattr(phase, file)
    raw = path.read_bytes()
    at = raw.index(b'"sha256": "') + 11
    path.write_bytes(raw[:at] + (b"0" if raw[at : at + 1] != b"0" else b"1") + raw[at + 1 :])
    with pytest.raises(UserError, match=f"{path.name}: was changed after it was written"):
        verified(phase, "pairs.jsonl")


DAMAGED = {
    "empty": (b"", "the file is empty"),
    "half": (b'{"a": [1,', "not valid JSON"),
    "not UTF-8": (b'{"a":\n "\xff\xfe"}', ":2: not UTF-8"),
    "deep": (b"[" * 100_000, "nested too deep"),
    "digits": (b'{"a": ' + b"9" * 5_000 + b"}", "not valid JSON"),
    "half a character": (b'{"a": "\\ud800"}', "half a character"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_the_reader_says_what_is_wrong_and_where(tmp_path: Path, name: str) -> None:
    content, said = DAMAGED[name]
    file = tmp_path / "some.json"
    file.write_bytes(content)
    with pytest.raises(UserError, match=said) as caught:
        read_json(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)
    file.unlink()
    file.mkdir()
    with pytest.raises(UserError, match="a folder stands where this file should be"):
        read_json(file)


def test_a_seal_is_of_what_a_file_gives_back() -> None:
    value = {"a": (1, 2.5), 3: {"x": None}, "z": "ä"}
    assert with_seal(json.loads(json.dumps(value)))["seal"] == with_seal(value)["seal"]
