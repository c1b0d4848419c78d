"""The cluster's job that this process is part of, if it is of one."""

from __future__ import annotations

import os
import socket

JOB = "SIRT_JOB"  # set by a job's script: its id
BARREN = 5  # allocations in a row that brought a phase no further end it; a few may be cut short
GOES_ON = 75  # exit code of a phase that has saved its work and wants another allocation


def job() -> str:
    """The job's id; "" outside of one."""
    return os.environ.get(JOB, "")


def node() -> str:
    return os.environ.get("SLURMD_NODENAME") or socket.gethostname()
