"""The cluster's job that this process is part of, if it is of one."""

from __future__ import annotations

import os
import socket
from pathlib import Path

JOB = "SIRT_JOB"  # set by a job's script: its id
BARREN = 5  # allocations in a row that brought a phase no further end it; a few may be cut short
SCRATCH = "SIRT_SCRATCH"  # set by a job's script: a folder on the node's own disk
GOES_ON = 75  # exit code of a phase that has saved its work and wants another allocation


def job() -> str:
    """The job's id; "" outside of one."""
    return os.environ.get(JOB, "")


def number() -> int:
    """The cluster's own number of it, which each task of an array has for itself."""
    return int(os.environ["SLURM_JOB_ID"])


def scratch() -> Path | None:
    """The folder on this node's own disk for what is often written; None without one."""
    named = os.environ.get(SCRATCH)
    return Path(named) if named and Path(named).is_dir() else None


def node() -> str:
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()


def gpus() -> tuple[str, ...]:
    """The job's GPUs on this node, which may be others on each, as CUDA is told; none outside."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return tuple(told.split(",")) if job() and told else ()


def node_rank() -> int:
    """Which of the job's nodes this is, counted from 0."""
    return int(os.environ.get("SLURM_NODEID", "0"))


def first_address() -> str:
    """How the job's nodes reach the one that started them all, which is the first."""
    return os.environ["SLURM_LAUNCH_NODE_IPADDR"]
