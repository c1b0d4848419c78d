"""Our jobs and the cluster's nodes as a person looks at them, and holding jobs that wait."""

from __future__ import annotations

import shutil
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.scheduling.launchers.slurm.arrays import key_of
from engine.scheduling.launchers.slurm.handles import handle_of
from engine.scheduling.launchers.slurm.program import NoAnswer, ask
from engine.scheduling.launchers.slurm.queries import KEPT_S, Job, shared_queue
from engine.scheduling.launchers.slurm.states import ENDED, short
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.store.layout import AttemptDir

NODES = ("sinfo", "--noheader", "--format=%P|%a|%l|%T|%D")
FREE = ("idle", "mixed")
BUSY = ("allocated", "completing")


@dataclass(frozen=True, slots=True)
class PartitionNow:
    """How many nodes of a partition are in which state. ``limit``: its longest time as Slurm writes
    it; "" without one."""

    name: str
    limit: str
    nodes: dict[str, int]

    @property
    def said(self) -> str:
        """``2 idle, 1 mixed, 5 allocated of 8 nodes; 1-00:00:00 at most``."""
        order = [state for state in (*FREE, *BUSY) if state in self.nodes]
        order += sorted(self.nodes.keys() - set(order))
        counts = ", ".join(f"{self.nodes[state]} {state}" for state in order)
        total = sum(self.nodes.values())
        nodes = f"{total} node{'' if total == 1 else 's'}"
        return f"{counts} of {nodes}; " + (f"{self.limit} at most" if self.limit else "no limit")


@dataclass(frozen=True, slots=True)
class ClusterNow:
    """The cluster that this machine belongs to. ``problem``: why it could not be asked. ``others``:
    how many of the user's jobs are not ours, by state."""

    partitions: tuple[PartitionNow, ...] = ()
    problem: str = ""
    others: tuple[tuple[str, int], ...] = ()


class Cluster:
    """The cluster as last asked, at most every ``kept_s`` seconds."""

    def __init__(self, kept_s: float = KEPT_S) -> None:
        self._kept_s = kept_s
        self._lock = threading.Lock()
        self._next = 0.0
        self._seen: ClusterNow | None = None

    def look(self) -> ClusterNow | None:
        """None where this machine has no Slurm."""
        if shutil.which(NODES[0]) is None:
            return None
        with self._lock:
            if self._seen is None or time.monotonic() >= self._next:
                self._seen = _asked(self._seen)
                self._next = time.monotonic() + self._kept_s
        return self._seen


def _asked(before: ClusterNow | None) -> ClusterNow:
    try:
        said = ask(NODES)
        if said.code:
            raise NoAnswer(f"sinfo: {said.complaint}")
    except NoAnswer as error:
        return ClusterNow(before.partitions if before else (), str(error))
    counts: dict[str, int] = {}
    for job in shared_queue().look().others:
        if short(job.state) not in ENDED:
            counts[job.state.lower()] = counts.get(job.state.lower(), 0) + 1
    return ClusterNow(of_nodes(said.out), "", tuple(counts.items()))


def of_nodes(text: str) -> tuple[PartitionNow, ...]:
    """From lines of ``sinfo``; marks behind a state (``idle~``, powered down) are left out."""
    found: dict[str, PartitionNow] = {}
    for line in text.splitlines():
        parts = line.strip().split("|")
        if len(parts) != 5 or not parts[4].isdigit():
            continue
        name, up, limit, state, count = parts
        name = name.replace("*", " (default)")
        one = found.setdefault(name, PartitionNow(name, "" if limit == "infinite" else limit, {}))
        state = "closed" if up != "up" else state.rstrip("*~#!%$@^-+")
        one.nodes[state] = one.nodes.get(state, 0) + int(count)
    return tuple(found.values())


def job_of(attempt: AttemptDir) -> Job | None:
    """An attempt's job as the queue has it; None for one of another launcher."""
    handle = handle_of(attempt)
    return shared_queue().look().jobs.get(key_of(handle)) if handle else None


def hold(attempts: Iterable[AttemptDir], held: bool) -> int:
    """Hold the jobs of these attempts that wait in the queue, or release those that are held;
    returns how many. ``UserError`` with Slurm's own words."""
    jobs = [job for attempt in attempts if (job := job_of(attempt)) and job.state == "PENDING"]
    if not held:
        jobs = [job for job in jobs if "held" in job.reason.lower()]
    ids = [job.id for job in jobs]
    if not ids:
        return 0
    word = "hold" if held else "release"
    try:
        said = ask(("scontrol", word, *ids))
        if said.code:
            raise NoAnswer(f"scontrol {word}: {said.complaint}")
    except NoAnswer as error:
        raise UserError(f"{error}; jobs {', '.join(ids)} are as they were") from error
    finally:
        shared_queue().forget()
    return len(ids)
