"""Starts and keeps a phase's processes, one for each GPU, on each machine that it works on.

Each gets torchrun's variables, by which libraries find each other. torchrun itself would end them
when it is asked to end; ours save their work first. When one dies, the others can only wait for it:
all are ended, and the attempt's folder says which one died, and how.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final

from engine.machine import allocation
from engine.store.layout import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.interfaces import Devices
    from engine.store.layout import AttemptDir

POLL_S: Final = 0.1
GRACE_S: Final = 10.0  # for the others to say what they know, once one has died
LAST_S: Final = 5.0  # for the others to end, once the first one has
PORTS: Final = range(10_000, 30_000)  # below those that systems give to whoever asks for any
DIED: Final = 1


def keep(attempt: AttemptDir, devices: Devices) -> int:
    """Run this command once for each process of this machine, told which it is; returns the first
    process's exit code where that is one of them, 0 where all went well elsewhere."""
    asked = attempt.goes_on if allocation.job() else attempt.stop
    signal.signal(signal.SIGTERM, lambda *_: asked.touch())
    children = {}
    try:
        for rank, environment in _places(devices):
            children[rank] = subprocess.Popen(sys.orig_argv, env=os.environ | environment)
        return _outcome(attempt, devices, children)
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def _places(devices: Devices) -> Iterator[tuple[int, dict[str, str]]]:
    """The ranks of this machine's processes, with the variables that tell them."""
    here, node = devices.processes_a_node, allocation.node_rank() if devices.nodes > 1 else 0
    threads = str(max(1, devices.threads // here))
    together = {
        "WORLD_SIZE": str(devices.processes),
        "LOCAL_WORLD_SIZE": str(here),
        "MASTER_ADDR": allocation.first_address() if devices.nodes > 1 else "127.0.0.1",
        "MASTER_PORT": str(_port(devices)),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }
    for local in range(here):
        rank = node * here + local
        yield rank, together | {"RANK": str(rank), "LOCAL_RANK": str(local)}


def _port(devices: Devices) -> int:
    """One that nobody uses now; several machines must all know it beforehand, by their job."""
    if devices.nodes > 1:
        return PORTS[int(allocation.job() or 0) % len(PORTS)]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def _outcome(
    attempt: AttemptDir, devices: Devices, children: dict[int, subprocess.Popen[bytes]]
) -> int:
    """Wait for their end. The first process's own end is that of the phase; when another one ends
    badly, that is written down, and the first one has a moment to tell it."""
    until = None
    while True:
        codes = {rank: child.poll() for rank, child in children.items()}
        bad = next((rank for rank, code in codes.items() if code), None)
        first = codes.get(0)
        if until is None and first is not None and first >= 0:
            until = time.monotonic() + LAST_S
        elif until is None and bad is not None:
            _note_death(attempt, devices, bad, codes[bad] or 0)
            until = time.monotonic() + (GRACE_S if bad else 0.0)
        over = None not in codes.values() or (until is not None and time.monotonic() > until)
        if over and first is not None and first >= 0:
            return first
        if over:
            return DIED if bad is not None else 0
        time.sleep(POLL_S)


def _note_death(attempt: AttemptDir, devices: Devices, rank: int, code: int) -> None:
    how = f"died: signal {-code}" if code < 0 else f"ended with exit code {code}"
    with contextlib.suppress(OSError):
        if code > 0 and (said := attempt.of_rank(rank).error.read_text()):
            how += f": {said}"
    text = f"process {rank + 1} of {devices.processes} (node {allocation.node()}) {how}"
    sys.stderr.write(f"{text}\n")
    with contextlib.suppress(OSError):  # a full disk; or the attempt was deleted
        atomic_write(attempt.death, text)
