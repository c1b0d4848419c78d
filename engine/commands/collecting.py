"""Find and remove what no run needs: phases of no run, copies of the program, leftovers of servers
and of killed writers.

Nothing is touched that a run names, that lies in the trash, or that a process works on.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.commands.deleting import BUSY, at_work, marked, needed
from engine.generation.vllm.folder import server_dirs
from engine.queries.runs import headless
from engine.schema.errors import UserError
from engine.store import program, trash
from engine.store.layout import CHECKPOINTS
from engine.store.locking import Timeout, held
from engine.store.registry import folder_lock
from engine.store.writing import bytes_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from engine.generation.vllm.folder import ServerDir
    from engine.store.layout import RunsFolder
    from engine.store.phase_log import State

UNSURE: frozenset[State] = BUSY | {"unreachable"}  # its machine may go on with it
YOUNG_S = 3_600.0  # what was written within the hour may belong to a launch or an import under way
_HALF_WRITTEN = re.compile(r"\..+\.[0-9a-f]{8}\Z")  # beside a file that it was to replace


@dataclass(frozen=True, slots=True)
class Needless:
    """Something that no run needs, why, and its size in bytes."""

    path: Path
    why: str
    size: int


def needless(runs: RunsFolder, checkpoints: bool = False) -> list[Needless]:
    """Everything that could go; ``checkpoints``: those of trainings that are done too.
    ``UserError`` when a run can't be read: what it needs is unknown."""
    wanted = needed(runs, runs.run_ids())
    for run_id in headless(runs):
        raise UserError(
            f"{runs.run_file(run_id)}: not there, so the run's phases are unknown; launch its "
            "experiment again to restore it, or move its folder away"
        )
    wanted.update(phase for one in trash.deletions(runs) for phase in one.phases)
    found = [
        *_phases(runs, wanted),
        *(_checkpoints(runs, wanted) if checkpoints else ()),
        *_servers(runs),
        *_half_written(runs),
        *_programs(runs),
        *((path, "left by a deletion that was cut off") for path in trash.leftovers(runs)),
    ]
    return [Needless(path, why, bytes_of(path)) for path, why in found]


def collect(
    runs: RunsFolder, chosen: Iterable[Needless], checkpoints: bool = False
) -> list[Needless]:
    """Remove what was found, but for what a run needs by now; return what is gone."""
    gone = []
    with folder_lock(runs):
        still = {one.path for one in needless(runs, checkpoints)}
        for one in chosen:
            if one.path in still:
                _remove(runs, one.path)
                gone.append(one)
    return gone


def _phases(runs: RunsFolder, wanted: set[str]) -> Iterator[tuple[Path, str]]:
    for phase in runs.phase_dirs():
        if phase.id not in wanted and not _young(phase.path) and not at_work(phase, UNSURE):
            notes = marked(runs, [phase.id])
            yield (
                phase.path,
                "phase of no run" + (f", {notes} of its items marked" if notes else ""),
            )


def _checkpoints(runs: RunsFolder, wanted: set[str]) -> Iterator[tuple[Path, str]]:
    """Checkpoints of trainings that are done. Their adapter is published; only a damaged one would
    be made from them again."""
    for phase in runs.phase_dirs():
        folder = phase.work / CHECKPOINTS
        if phase.id in wanted and phase.done and folder.is_dir() and not at_work(phase, UNSURE):
            yield folder, "checkpoints of a training that is done"


def _servers(runs: RunsFolder) -> Iterator[tuple[Path, str]]:
    """Folders of servers that have ended. Those of other machines can't be asked and stay."""
    for folder in server_dirs(runs.root):
        if not _young(folder.path) and _has_ended(folder):
            yield folder.path, "logs and model of a server that has ended"


def _has_ended(folder: ServerDir) -> bool:
    with suppress(Timeout), held(folder.lock):
        return folder.living() is None and not folder.holders()
    return False


def _programs(runs: RunsFolder) -> Iterator[tuple[Path, str]]:
    """Copies of the program whose jobs are over. A phase that is tried again gets a new one."""
    for path in program.unnamed(runs):
        if not _young(path):
            yield path, "copy of the program that no unfinished phase runs on a cluster"


def _half_written(runs: RunsFolder) -> Iterator[tuple[Path, str]]:
    """What killed writers have left beside the files that they were to replace."""
    folders = (runs.root, runs.registry, runs.drafts, *(runs.run_folder(i) for i in runs.run_ids()))
    for folder in (*folders, *(phase.path for phase in runs.phase_dirs())):
        with suppress(FileNotFoundError):
            for path in folder.iterdir():
                if _HALF_WRITTEN.match(path.name) and path.is_file() and not _young(path):
                    yield path, "half-written, by a process that was killed"


def _young(path: Path) -> bool:
    with suppress(OSError):
        return time.time() - path.stat().st_mtime < YOUNG_S
    return True


def _remove(runs: RunsFolder, path: Path) -> None:
    if path.is_dir():
        trash.remove(path, runs.trash)
    else:
        path.unlink(missing_ok=True)
