"""Copy what a run's phases published into a folder."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from engine.schema.errors import UserError
from engine.store.run import read_run
from engine.store.sealing import sealed_files, verified

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.store.layout import PhaseDir, RunsFolder


def export(runs: RunsFolder, run_id: str, folder: Path) -> list[Path]:
    """Copy what a run's phases published into a folder; return the new files and folders.

    ``UserError`` rather than overwriting anything.
    """
    planned: list[tuple[Path, Path]] = []
    for spec in read_run(runs, run_id).spec.phases:
        source = runs.phase(spec.id)
        if not source.done:
            continue
        planned += (
            (verified(source, name), folder / f"{spec.id}-{name}") for name in _published(source)
        )
    if not planned:
        raise UserError(f"{run_id}: none of its phases is done; there is nothing to export")
    for _, target in planned:
        if target.exists():
            raise UserError(f"{target}: is there already; give another folder or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    for source_path, target in planned:
        if source_path.is_dir():
            shutil.copytree(source_path, target)
        else:
            shutil.copy2(source_path, target)
    return [target for _, target in planned]


def _published(folder: PhaseDir) -> Iterator[str]:
    """Yield the names of what a phase published. Weights may have been left out of a bundle;
    everything else must be there."""
    sealed = sealed_files(folder)
    for name in dict.fromkeys(path.split("/")[1] for path in sealed):
        if f"out/{name}" in sealed or (folder.out / name).exists():
            yield name
