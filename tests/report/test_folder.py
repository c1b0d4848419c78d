"""A report is written again over itself, never over what somebody has made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.report import folder as reports
from engine.report.folder import write_folder
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path


def test_written_again_it_replaces_its_own_and_drops_what_is_gone(tmp_path: Path) -> None:
    write_folder(tmp_path / "r", {"a.md": b"1", "deep/b.md": b"2"})
    write_folder(tmp_path / "r", {"a.md": b"3"})
    assert (tmp_path / "r" / "a.md").read_bytes() == b"3"
    assert not (tmp_path / "r" / "deep" / "b.md").exists()


@pytest.mark.parametrize("name", ["a.md", "mine.md"])
def test_what_somebody_changed_or_put_there_stays(tmp_path: Path, name: str) -> None:
    write_folder(tmp_path, {"a.md": b"1"})
    (tmp_path / name).write_bytes(b"by hand")
    with pytest.raises(UserError, match=f"{name}: .*--out"):
        write_folder(tmp_path, {"a.md": b"2", "mine.md": b"3", "new.md": b"4"})
    assert (tmp_path / name).read_bytes() == b"by hand"
    assert not (tmp_path / "new.md").exists()


def test_cut_off_half_way_it_can_be_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_folder(tmp_path, {"a.md": b"1", "b.md": b"1"})
    whole = reports.atomic_write

    def fails(path: Path, data: bytes | str) -> None:
        if path.name == "b.md":
            raise OSError(28, "No space left on device")
        whole(path, data)

    monkeypatch.setattr(reports, "atomic_write", fails)
    with pytest.raises(OSError, match="No space"):
        write_folder(tmp_path, {"a.md": b"2", "b.md": b"2"})
    monkeypatch.undo()
    write_folder(tmp_path, {"a.md": b"3", "b.md": b"3"})
    assert (tmp_path / "a.md").read_bytes() == (tmp_path / "b.md").read_bytes() == b"3"
