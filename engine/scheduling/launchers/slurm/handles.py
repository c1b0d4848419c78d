"""What is written down of a job: its name before it is handed over, its id afterwards."""

from __future__ import annotations

import contextlib
import getpass
import hashlib
from typing import TYPE_CHECKING

from engine.machine.state import DAMAGED
from engine.scheduling.launchers.slurm.arrays import key_of
from engine.scheduling.launchers.slurm.queries import PREFIX
from engine.schema.jsonfile import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from engine.interfaces import Handle
    from engine.scheduling.launchers.slurm.queries import Queue
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder

NAME = "slurm"


def job_name(phase: PhaseDir, attempt: AttemptDir) -> str:
    """One that no other attempt in any folder has."""
    return f"{PREFIX}{_folder(phase.path.parent.parent)}:{phase.id}:{attempt.number}"


def array_name(runs: RunsFolder, name: str) -> str:
    """One that no other array in any folder has; ``name``: of the array's own folder."""
    return f"{PREFIX}{_folder(runs.root)}:array:{name}"


def _folder(root: Path) -> str:
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]


def handle_of(attempt: AttemptDir) -> Handle:
    """As it is written down; empty for another launcher's, or where nothing is."""
    with contextlib.suppress(*DAMAGED):
        owner = read_json(attempt.process)
        if str(owner["launcher"]).startswith(f"{NAME}:"):
            return dict(owner["handle"])
    return {}


def job_id(attempt: AttemptDir, handle: Handle, queue: Queue) -> str:
    """The job's id as it was told to us, to the job itself, or as the queue has it; "" if nobody
    knows it."""
    if told := handle.get("job"):
        return str(told)
    with contextlib.suppress(OSError):
        return attempt.job.read_text().strip()
    seen = queue.look().jobs.get(key_of(handle))
    return seen.id if seen else ""


def owner_of(handle: Handle) -> str:
    """Whose job it is, if not this user's; "" otherwise."""
    user = str(handle.get("user") or "")
    return "" if user == getpass.getuser() else user


def handed_over(handle: Handle) -> float:
    """Since when the queue can have it, in Unix time."""
    at = handle.get("at")
    return float(at) if isinstance(at, int | float) else 0.0
