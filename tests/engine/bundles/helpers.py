"""What is in a folder and in an archive, and archives made by hand."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from engine.store.layout import hash_file

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import RunsFolder

Members = dict[str, bytes]


def contents(runs: RunsFolder) -> dict[str, str]:
    """Every file with its hash: what a refused import must leave as it was."""
    if not runs.root.exists():
        return {}
    return {
        str(p.relative_to(runs.root)): hash_file(p)
        for p in sorted(runs.root.rglob("*"))
        if p.is_file() and p.name not in {".import.lock", ".lock"}
    }


def members(file: Path) -> Members:
    with tarfile.open(file) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive}  # type: ignore[union-attr]


def repacked(file: Path, content: Members, extra: tarfile.TarInfo | None = None) -> Path:
    with tarfile.open(file, "w:gz") as archive:
        for name, raw in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(raw)
            archive.addfile(member, io.BytesIO(raw))
        if extra is not None:
            archive.addfile(extra, io.BytesIO(b""))
    return file
