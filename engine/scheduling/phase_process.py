"""What a phase process does around its attempt, whether it was spawned or forked."""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.machine import processes
from engine.schema.errors import explain
from engine.store.layout import AttemptDir, PhaseDir, RunsFolder

if TYPE_CHECKING:
    from pathlib import Path

    from engine.interfaces import Devices


def become(phase: PhaseDir, attempt: AttemptDir, devices: Devices, launcher: str) -> int:
    """Run the attempt in this process; returns the exit code.

    The starter may be killed before it records which process runs the attempt, so this process
    records it before anything heavy is imported. On several GPUs there is one process per GPU;
    the first (rank 0) runs the attempt, the others only compute.
    """
    rank = int(os.environ.get("RANK", "0"))
    if rank:
        return _compute(phase, attempt, devices, rank)
    if not attempt.process.exists():
        processes.write_owner(attempt, launcher, processes.identity(), devices)
    from engine.scheduling.runner import run_attempt

    try:
        return run_attempt(phase, attempt, devices)
    except OSError as error:  # its log can't be written; the exit code may get through
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stderr.write(f"{explain(error)}\n")
        return errno.ENOSPC


def _compute(phase: PhaseDir, attempt: AttemptDir, devices: Devices, rank: int) -> int:
    """Run the recipe for its collective steps: own log, the common stop file, no outputs."""
    from engine import catalog
    from engine.phases.context import Context
    from engine.store.eventlog import EventWriter

    @dataclass
    class Worker(Context):
        @property
        def staging(self) -> Path:
            return own.path / "staging"

    own = AttemptDir(attempt.path / f"rank-{rank}")
    own.path.mkdir(exist_ok=True)  # the attempt may go on in a next allocation
    for mine, common in ((own.stop, attempt.stop), (own.goes_on, attempt.goes_on)):
        mine.unlink(missing_ok=True)
        mine.symlink_to(common)
    runs, spec = RunsFolder(phase.path.parent.parent), phase.spec()
    with EventWriter(own.events, own.alive) as writer:
        worker = Worker(runs, phase, own, writer, devices)
        worker.clear_staging()
        catalog.recipe(spec)(worker, spec)
    return 0
