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
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from engine.machine import allocation, ranks
from engine.machine import devices as hardware
from engine.planning.memory import rough_gib
from engine.store.writing import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.interfaces import Devices
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import AttemptDir, PhaseDir

POLL_S: Final = 0.1
GRACE_S: Final = 10.0  # for the others to say what they know, once one has died
LAST_S: Final = 5.0  # for the others to end, once the first one has
PORTS: Final = range(10_000, 30_000)  # below those that systems give to whoever asks for any
DIED: Final = 1


def keep(phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> int:
    """Run this command once for each process of this machine, told which it is; returns the first
    process's exit code where that is one of them, 0 where all went well elsewhere."""
    spec = phase.spec()
    if not spec.trains:
        devices = replace(devices, each=_each(spec, devices))
    command = [*sys.orig_argv, "--each", str(devices.each)]
    asked = attempt.goes_on if allocation.job() else attempt.stop
    signal.signal(signal.SIGTERM, lambda *_: asked.touch())
    children = {}
    try:
        for rank, environment in _places(devices, spec.trains):
            children[rank] = subprocess.Popen(command, env=os.environ | environment)
        code = _outcome(attempt, devices, children)
        if code and devices.nodes > 1:
            time.sleep(LAST_S)  # srun ends the others now, and would give their ends for this one
        return code
    finally:
        for child in children.values():
            child.kill()
            child.wait()


def _each(spec: PhaseSpec, devices: Devices) -> int:
    """How many GPUs a process needs for its model to fit; each has a model of its own."""
    needed = rough_gib(spec, on_gpu=True) or 0.0
    count = len(devices.gpus)
    sizes = [n for n in range(1, count + 1) if count % n == 0]
    fits = (n for n in sizes if n * hardware.smallest_card() >= needed)
    return next(fits, max(count, 1))


def _places(devices: Devices, together: bool) -> Iterator[tuple[int, dict[str, str]]]:
    """The ranks of this machine's processes, with the variables that tell them. ``together``: they
    see all its GPUs, as those that compute together must."""
    here, node = devices.processes_a_node, allocation.node_rank() if devices.nodes > 1 else 0
    threads = str(max(1, devices.threads // here))
    common = {
        "WORLD_SIZE": str(devices.processes),
        "LOCAL_WORLD_SIZE": str(here),
        "MASTER_ADDR": allocation.first_address() if devices.nodes > 1 else "127.0.0.1",
        "MASTER_PORT": str(_port(devices)),
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
    }
    visible = allocation.gpus() or devices.gpus
    for local in range(here):
        rank = node * here + local
        own = {"RANK": str(rank), "LOCAL_RANK": str(local)}
        if together:
            own[ranks.TOGETHER] = "1"
        elif devices.gpus:
            mine = visible[local * devices.each :][: devices.each]
            own["CUDA_VISIBLE_DEVICES"] = ",".join(map(str, mine))
        yield rank, common | own


def _port(devices: Devices) -> int:
    """One that nobody uses now; several machines must all know it beforehand, by their job."""
    if devices.nodes > 1:
        return PORTS[allocation.number() % len(PORTS)]
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
