"""The Slurm cluster that this machine belongs to, as it is now."""

from __future__ import annotations

from functools import cache

from engine.scheduling.launchers.slurm.jobs import Cluster, ClusterNow, PartitionNow

__all__ = ["ClusterNow", "PartitionNow", "lines", "look"]


@cache
def _shared() -> Cluster:
    return Cluster()


def look() -> ClusterNow | None:
    """Ask at most every half minute; None where there is no Slurm. It may take ten seconds."""
    return _shared().look()


def lines(now: ClusterNow) -> list[tuple[str, str]]:
    """What is told of the cluster: names and words, a pair for each line."""
    told = [(f"partition {one.name}", one.said) for one in now.partitions]
    if now.others:
        counts = ", ".join(f"{count} {state}" for state, count in now.others)
        told.append(("your other jobs", counts))
    if now.problem:
        told.append(("the cluster", f"unknown for now: {now.problem}"))
    return told
