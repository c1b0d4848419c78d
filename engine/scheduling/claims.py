"""Memory that running phases will still take, and who waits for it."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.machine import devices as hardware
from engine.planning.memory import BESIDE_CARD
from engine.scheduling.policy import short_of_memory
from engine.schema.errors import UserError
from engine.store.layout import ConductorDir, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.interfaces import Devices, Handle
    from engine.scheduling.folders import Folders
    from engine.scheduling.policy import Free, QueuedRun
    from engine.store.layout import PhaseDir, RunsFolder

LOOK_S = 2.0
log = logging.getLogger(__name__)


class Claims:
    """In GiB of the machine's memory: what each running phase will have taken at its peak."""

    def __init__(self, runs: RunsFolder, folders: Folders) -> None:
        self._folders = folders
        self._file = ConductorDir(runs.conductor).waiting
        self._claimed: dict[str, float] = {}
        self._looked: dict[int, tuple[float, float]] = {}
        self._waiting: dict[str, str] = {}
        with contextlib.suppress(OSError):  # an earlier conductor's
            self._file.unlink()

    def free(self, running: Iterable[tuple[PhaseDir, Devices, Handle]]) -> float:
        """What can be had now, less what running phases claim and don't hold yet."""
        promised = sum(
            self._still_to_take(self._claim(phase, devices), handle)
            for phase, devices, handle in running
        )
        return max(0.0, hardware.memory()[1] / 1024 - promised)

    def _claim(self, phase: PhaseDir, devices: Devices) -> float:
        """Beside a card little more than the libraries; 0 where nobody knows."""
        if phase.id not in self._claimed:
            try:
                needed = self._folders.needed(phase.spec(), on_gpu=bool(devices.gpus))
            except (OSError, UserError, ValueError):  # the phase says it itself
                needed = 0.0
            self._claimed[phase.id] = min(needed, BESIDE_CARD) if devices.gpus else needed
        return self._claimed[phase.id]

    def tell_waiting(self, runs: Iterable[QueuedRun], left: set[str], free: Free) -> list[str]:
        """Write down who could start but for memory, for screens and ``status``, and return it.
        ``left``: ready phases that have not been started."""
        total = hardware.memory()[0] / 1024
        short = {
            node.id: f"waits for memory: needs {node.memory:.1f} of {total:.1f} GiB, "
            f"{max(0.0, total - free.memory):.1f} in use or promised"
            for run in runs
            for node in run.nodes
            if node.id in left and free.cpu and not node.remote
            if short_of_memory(node, replace(free, alone=False))
        }
        if short.keys() != self._waiting.keys():
            self._waiting = short
            write_json(self._file, short)
            for phase, why in short.items():
                log.info("%s %s", phase, why)
        return list(short)

    def _still_to_take(self, claimed: float, handle: Handle) -> float:
        if not claimed or handle.get("host") != socket.gethostname():
            return 0.0
        return max(0.0, claimed - self._held(handle["pid"]))

    def _held(self, pid: int) -> float:
        """GiB, looked at every few seconds: walking the processes of a machine takes a while."""
        at, held = self._looked.get(pid, (0.0, 0.0))
        if time.monotonic() - at > LOOK_S:
            at, held = time.monotonic(), hardware.resident_mib(pid) / 1024
            self._looked[pid] = at, held
        return held
