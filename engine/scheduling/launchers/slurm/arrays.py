"""A job array: evaluations that are alike, handed over as one job with a task for each.

The array's folder has, for each task, a link to its attempt. So every task writes its log where a
job of its own would, and the attempt has the script and the lock of handing over as its own would.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.store.conductor_dir import ConductorDir
from engine.store.layout import AttemptDir, PhaseDir

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from engine.interfaces import Handle
    from engine.store.layout import RunsFolder

MOST = 1000  # tasks; Slurm's own default limit is 1001
KEPT_S = 3600.0  # a folder is younger than that: its job may not be in the queue yet
_TASKS = re.compile(r"(\d+)_(?:\[([\d,-]+)(?:%\d+)?\]|(\d+))")


@dataclass(frozen=True, slots=True)
class ArrayDir:
    """``conductor/arrays/NAME/``: one array's script and, by their numbers, links to its tasks'
    attempts."""

    path: Path

    @property
    def script(self) -> Path:
        return self.path / "job.sh"

    @property
    def submitting(self) -> Path:
        """The lock held while the script is handed over."""
        return self.path / ".submitting"

    def attempts(self) -> list[AttemptDir]:
        """Of its tasks, those that are still there."""
        links = [one for one in self.path.iterdir() if one.name.isdigit()]
        return [AttemptDir(one.resolve()) for one in links if one.exists()]


def make_array(runs: RunsFolder, attempts: Sequence[AttemptDir]) -> ArrayDir:
    """The folder of an array of these attempts, in their order. They share its script and lock."""
    names = "\n".join(str(attempt.path.resolve()) for attempt in attempts)
    name = hashlib.sha256(names.encode()).hexdigest()[:16]
    found = ArrayDir(ConductorDir(runs.conductor).arrays / name)
    shutil.rmtree(found.path, ignore_errors=True)  # of the same attempts, handed over in vain
    found.path.mkdir(parents=True)
    for number, attempt in enumerate(attempts):
        (found.path / str(number)).symlink_to(attempt.path.resolve())
        attempt.script.symlink_to(found.script)
        attempt.submitting.symlink_to(found.submitting)
    return found


def clean(runs: RunsFolder, keys: Iterable[str]) -> None:
    """Remove the folders of this user's arrays of which no task is in the queue any more. ``keys``:
    of all jobs there."""
    queued = {name_of(key).rpartition(":")[2] for key in keys}
    for path in ConductorDir(runs.conductor).arrays.glob("*"):
        with contextlib.suppress(OSError):  # another client was faster
            found = path.stat()
            old = time.time() - found.st_mtime > KEPT_S
            if old and found.st_uid == os.getuid() and path.name not in queued:
                shutil.rmtree(path)


def progress(handle: Handle, runs: RunsFolder) -> str:
    """``3 of 12 of its array are done``; "" for a job of its own."""
    if "task" not in handle:
        return ""
    with contextlib.suppress(OSError):
        array = ConductorDir(runs.conductor).arrays / str(handle["array"])
        phases = [PhaseDir(one.path.parent) for one in ArrayDir(array).attempts()]
        return f"{sum(phase.done for phase in phases)} of {handle['of']} of its array are done"
    return ""


def key_of(handle: Handle) -> str:
    """What a handle's job is found by: its name, and in an array its task."""
    name, task = str(handle.get("name", "")), handle.get("task")
    return name if task is None else f"{name}#{task}"


def name_of(key: str) -> str:
    """The name of a key's job, which all tasks of an array share."""
    return key.partition("#")[0]


def tasks_of(job: str, name: str) -> Iterator[tuple[str, str]]:
    """Id and key of each task that Slurm means by ``job``: ``7_3``, ``7_[2-5,8%2]``; a job of its
    own has its id, and its name as the key."""
    found = _TASKS.fullmatch(job.strip())
    if found is None:
        yield job.strip(), name
        return
    array, several, one = found.groups()
    for part in (one or several).split(","):
        first, _, last = part.partition("-")
        for task in range(int(first), int(last or first) + 1):
            yield f"{array}_{task}", f"{name}#{task}"
