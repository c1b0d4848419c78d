"""Puts phases that were made elsewhere into a runs folder: staged beside it, then renamed."""

from __future__ import annotations

import contextlib
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from engine.store.layout import RunsFolder
from engine.store.writing import sync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.store.layout import PhaseDir


@contextmanager
def staging(runs: RunsFolder, name: str, timeout_s: float = 0.0) -> Iterator[RunsFolder]:
    """Make an empty runs folder inside the runs folder, called ``name``, and remove it at the end.
    Only one process uses it at a time (``Timeout`` where another does); it first clears what a
    killed one left behind."""
    from engine.store.locking import held

    folder = runs.root / name
    with held(runs.root / f"{name}.lock", timeout_s):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.mkdir()
            yield RunsFolder(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def place(phase: PhaseDir, mine: PhaseDir) -> bool:
    """Add a phase, or its outputs if the phase here is unfinished; False when nothing was added."""
    if not mine.path.exists():
        phase.path.rename(mine.path)
        return True
    if mine.done or not phase.done:
        return False
    return _finish(phase, mine)


def _finish(phase: PhaseDir, mine: PhaseDir) -> bool:
    """Add the outputs, then the manifest, then the attempts, renumbered; not to a running phase."""
    from engine.store.locking import Timeout, held

    with contextlib.suppress(Timeout), held(mine.lock):
        if mine.done:
            return False
        if mine.out.exists():  # an attempt died between the two renames
            shutil.rmtree(mine.out)
        phase.out.rename(mine.out)
        sync_folder(mine.path)
        for theirs, ours in (
            (phase.taken_file, mine.taken_file),
            (phase.seals_file, mine.seals_file),
            (phase.manifest_file, mine.manifest_file),  # last: it means done
        ):
            if theirs.exists():
                theirs.rename(ours)
        sync_folder(mine.path)
        for attempt in phase.attempts():
            attempt.path.rename(mine.next_attempt().path)
        return True
    return False
