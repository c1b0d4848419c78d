"""A checkpoint that was changed is told and not used; the training goes on from an earlier one."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from engine.schema.errors import UserError
from engine.store.writing import write_json
from engine.training import checkpoints

if TYPE_CHECKING:
    from pathlib import Path

LAYOUT = {"per_device": 4, "accumulation": 1}


def save(folder: Path, step: int, best: int | None = None) -> Path:
    checkpoint = folder / checkpoints.name(step)
    checkpoint.mkdir(parents=True)
    (checkpoint / "adapter_model.safetensors").write_bytes(bytes([step]) * 4_000)
    (checkpoint / "optimizer.pt").write_bytes(b"\1" * 900)
    checkpoints.state_file(checkpoint).write_text(json.dumps({"best_global_step": best}))
    checkpoints.seal(checkpoint, LAYOUT)
    return checkpoint


def change(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[100:500] = bytes(400)
    file.write_bytes(raw)


def test_the_newest_that_is_as_it_was_saved_is_taken(tmp_path: Path) -> None:
    first, second, third = (save(tmp_path, step) for step in (2, 4, 6))
    assert checkpoints.newest(tmp_path, pytest.fail) == third
    assert checkpoints.sealed_layout(third) == LAYOUT
    change(third / "optimizer.pt")
    told: list[str] = []
    assert checkpoints.newest(tmp_path, told.append) == second
    assert len(told) == 1
    assert told[0].startswith(f"{third}: optimizer.pt was changed")
    assert not third.exists()
    (second / "optimizer.pt").write_bytes(b"")  # as a full disk leaves it: nothing to be told
    assert checkpoints.newest(tmp_path, pytest.fail) == first
    change(first / "adapter_model.safetensors")
    assert checkpoints.newest(tmp_path, told.append) is None


def test_those_of_a_nodes_own_disk_are_kept_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, kept = tmp_path / "node", tmp_path / "kept"
    for step in (2, 4):
        save(here, step)
        checkpoints.keep(here, kept)
    shutil.rmtree(here / checkpoints.name(2))  # the trainer keeps so many
    save(here, 6)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as moment:  # the last one is copied, and has not got its name
        moment.setattr(checkpoints, "sync_tree", killed)
        with pytest.raises(KeyboardInterrupt):
            checkpoints.keep(here, kept)
    checkpoints.bring(kept, tmp_path / "other")  # another node goes on, by the one before
    newest = checkpoints.newest(tmp_path / "other", pytest.fail)
    assert newest is not None
    assert checkpoints.step_of(newest) == 4
    save(tmp_path / "other", 6)
    shutil.rmtree(tmp_path / "other" / checkpoints.name(2))
    checkpoints.keep(tmp_path / "other", kept)
    assert sorted(p.name for p in kept.iterdir()) == ["checkpoint-4", "checkpoint-6"]
    shutil.rmtree(tmp_path / "other" / checkpoints.name(6))
    (save(tmp_path / "other", 6) / "more").write_text("made again, otherwise")
    checkpoints.seal(tmp_path / "other" / checkpoints.name(6), LAYOUT)
    checkpoints.keep(tmp_path / "other", kept)
    assert (kept / checkpoints.name(6) / "more").exists()


def test_without_the_best_so_far_there_is_no_going_on(tmp_path: Path) -> None:
    save(tmp_path, 2, best=2)
    best = save(tmp_path, 4, best=4)
    save(tmp_path, 6, best=4)
    change(best / "adapter_model.safetensors")
    with pytest.raises(UserError, match=r"adapter_model\.safetensors was changed"):
        checkpoints.whole(tmp_path, 4)
    told: list[str] = []
    found = checkpoints.newest(tmp_path, told.append)
    assert found == tmp_path / checkpoints.name(2)
    assert "checkpoint-4, is gone" in told[1]
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-2"]


def test_a_seal_of_sizes_alone_counts_as_before(tmp_path: Path) -> None:
    checkpoint = save(tmp_path, 2)
    sizes = {p.name: p.stat().st_size for p in checkpoint.iterdir() if p.name != "complete.json"}
    write_json(checkpoint / "complete.json", {"files": sizes, "layout": LAYOUT})
    assert checkpoints.newest(tmp_path, pytest.fail) == checkpoint
    assert checkpoints.whole(tmp_path, 2) == checkpoint


def test_a_damaged_seal_is_not_believed(tmp_path: Path) -> None:
    checkpoint = save(tmp_path, 2)
    for content in (b"", b"[]", b"\xff", b"{}", b"[" * 100_000):
        (checkpoint / "complete.json").write_bytes(content)
        with pytest.raises(UserError, match="not whole"):
            checkpoints.whole(tmp_path, 2)
    assert checkpoints.newest(tmp_path, pytest.fail) is None
