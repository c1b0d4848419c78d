"""The memory that running phases will need at their peak, and what ready phases wait for."""

from __future__ import annotations

import contextlib
import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.planning.memory import BESIDE_CARD
from engine.scheduling.policy import short_of_memory
from engine.schema.errors import UserError
from engine.store.conductor_dir import ConductorDir
from engine.store.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.interfaces import Capacity, Devices
    from engine.scheduling.folders import Folders
    from engine.scheduling.policy import Node, QueuedRun
    from engine.store.layout import PhaseDir, RunsFolder

log = logging.getLogger(__name__)


class Claims:
    """The machine's memory, in GiB, that running phases are expected to need."""

    def __init__(self, runs: RunsFolder, folders: Folders) -> None:
        self._folders = folders
        self._file = ConductorDir(runs.conductor).waiting
        self._claimed: dict[str, float] = {}
        self._short: dict[str, str] = {}
        self._full: dict[str, str] = {}
        self._told: tuple[set[str], dict[str, str]] = set(), {}
        self.refused: dict[str, str] = {}  # by phase, why it could not be started the last time
        with contextlib.suppress(OSError):  # an earlier conductor's
            self._file.unlink()

    def of(self, phase: PhaseDir, devices: Devices) -> float:
        """The memory a phase needs at its peak, in GiB; 0 when unknown. A phase on a GPU needs
        little more than what its libraries take."""
        if phase.id not in self._claimed:
            try:
                needed = self._folders.needed(phase.spec(), on_gpu=bool(devices.gpus))
            except (OSError, UserError, ValueError):  # the phase says it itself
                needed = 0.0
            self._claimed[phase.id] = min(needed, BESIDE_CARD) if devices.gpus else needed
        return self._claimed[phase.id]

    def tell_waiting(self, runs: Iterable[QueuedRun], left: set[str], free: Capacity) -> list[str]:
        """Record what phases wait for, for the screens and ``status``; return those that only lack
        memory. ``left``: ready phases that have not been started."""
        runs = list(runs)
        total = free.memory_total
        short = {
            node.id: f"waits for memory: needs {node.memory:.1f} of {total:.1f} GiB, "
            f"{max(0.0, total - free.memory):.1f} in use or promised"
            for run in runs
            for node in run.nodes
            if node.id in left and free.cpu and not node.remote
            if short_of_memory(node, replace(free, alone=False))
        }
        for phase in short.keys() - self._short.keys():
            log.info("%s %s", phase, short[phase])
        self._short = short
        nodes = (node for run in runs for node in run.nodes if node.id in left)
        self._full = {node.id: _full(node, free) for node in nodes if node.id not in short}
        self.tell()
        return list(short)

    def tell(self) -> None:
        """Record what has changed; not for each change of the memory in use."""
        now = set(self._short), self._full | self.refused
        if now != self._told:
            with contextlib.suppress(OSError):  # a full disk: told the next time
                write_json(self._file, self._full | self._short | self.refused)
                self._told = now


def _full(node: Node, free: Capacity) -> str:
    """What a phase waits for that does not lack memory."""
    if node.generation and node.generation in free.asking:
        return "waits for a phase that generates the same answers"
    if node.remote:
        return "waits for a free slot for models elsewhere"
    return f"waits for a free {'GPU' if free.cards else 'slot on the CPU'}"
