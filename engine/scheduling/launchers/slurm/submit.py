"""Hands a job's script over to Slurm, once.

The name is written down before (``process.json``), so that whoever comes after a client that was
killed finds the job by it. As long as an ``sbatch`` of an attempt lives, though its client is dead,
it holds the attempt's lock: until then nobody can say that it has handed nothing over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from engine.scheduling.launchers.slurm.program import TooSlow, ask, job_environment
from engine.store.locking import handed_on, is_held
from engine.store.writing import atomic_write

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import AttemptDir

SUBMIT_S = 60.0
_ID = re.compile(r"^(\d+)(;\S+)?$", re.MULTILINE)
# refusals after which the job may be in the queue all the same
_UNSURE = re.compile(r"timed out|timeout|Zero Bytes|reset by peer|aborted|Transport", re.IGNORECASE)


class Refused(OSError):
    """Slurm would not take the job; nothing was handed over."""


def submit(script: Path, submitting: Path, text: str) -> str:
    """The job's id; "" when it can't be said whether there is a job. :class:`Refused` with Slurm's
    own words when there is none. ``submitting``: the lock that is held meanwhile."""
    atomic_write(script, text)
    with handed_on(submitting) as lock:
        command = ("sbatch", "--parsable", str(script.resolve()))
        try:
            said = ask(command, SUBMIT_S, job_environment(), (lock,))
        except TooSlow:
            return ""
    found = _ID.search(said.out.strip())
    if found:
        return found[1]
    if said.code == 0 or _UNSURE.search(said.err):
        return ""
    raise Refused(f"sbatch: {said.complaint}")


def try_out(script: Path) -> None:
    """Have Slurm check a script without taking it; :class:`Refused` with its own words."""
    said = ask(("sbatch", "--test-only", str(script)), SUBMIT_S, job_environment())
    if said.code:
        raise Refused(f"sbatch: {said.complaint}")


def being_submitted(attempt: AttemptDir) -> bool:
    """Whether an ``sbatch`` of this attempt still lives."""
    return is_held(attempt.submitting)
