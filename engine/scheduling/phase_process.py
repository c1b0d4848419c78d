"""What a phase process does around its attempt, whether it was spawned or forked."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import sys
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.machine import allocation, processes, ranks
from engine.schema.errors import explain
from engine.store.layout import AttemptDir, PhaseDir, RunsFolder

if TYPE_CHECKING:
    from pathlib import Path

    from engine.interfaces import Devices


def become(phase: PhaseDir, attempt: AttemptDir, devices: Devices, launcher: str) -> int:
    """Run the attempt in this process, or on several GPUs or nodes in one for each GPU; returns the
    exit code.

    The starter may be killed before it records which process runs the attempt, so this process
    records it before anything heavy is imported. The first of several (rank 0) runs the attempt,
    the others work with it.
    """
    if devices.processes > 1 and "RANK" not in os.environ:
        from engine.scheduling.rank_processes import keep

        _record(attempt, devices, launcher)
        return keep(phase, attempt, devices)
    if devices.processes > 1 or devices.each > 1:
        processes.end_with_parent()
    if not ranks.is_first():
        return _work_along(phase, attempt, devices)
    _record(attempt, devices, launcher)
    from engine.scheduling.runner import run_attempt

    try:
        return run_attempt(phase, attempt, devices)
    except OSError as error:  # its log can't be written; the exit code may get through
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stderr.write(f"{explain(error)}\n")
        return errno.ENOSPC


def _record(attempt: AttemptDir, devices: Devices, launcher: str) -> None:
    if not attempt.process.exists():
        processes.write_owner(attempt, launcher, processes.identity(), devices)


def _work_along(phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> int:
    """Run the recipe with the first process: with a log of its own, the common stop file, and
    outputs that nobody publishes."""
    from engine import catalog
    from engine.phases.context import Context, Stopped
    from engine.scheduling.runner import one_line
    from engine.store.eventlog import EventWriter

    @dataclass
    class Worker(Context):
        @property
        def staging(self) -> Path:
            return own.path / "staging"

    asked = attempt.goes_on if allocation.job() else attempt.stop
    signal.signal(signal.SIGTERM, lambda *_: asked.touch())
    own = attempt.of_rank(ranks.rank())
    own.path.mkdir(exist_ok=True)  # the attempt may go on in a next allocation
    own.error.unlink(missing_ok=True)
    for mine, common in ((own.stop, attempt.stop), (own.goes_on, attempt.goes_on)):
        mine.unlink(missing_ok=True)
        mine.symlink_to(common)
    runs, spec = RunsFolder(phase.path.parent.parent), phase.spec()
    with EventWriter(own.events, own.alive) as writer:
        worker = Worker(runs, phase, own, writer, devices)
        worker.clear_staging()
        try:
            ranks.join(bool(devices.gpus) and spec.trains)
            catalog.recipe(spec)(worker, spec)
        except Stopped:
            return 0
        except Exception as problem:
            traceback.print_exc()
            own.error.write_text(one_line(problem))
            return 1
        finally:
            shutil.rmtree(worker.staging, ignore_errors=True)
    return 0
