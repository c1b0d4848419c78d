"""Runs phases as processes of this machine, each in its own session: forked where that is faster,
else spawned. They outlive the process that started them.

Only a parent can see how a process ends, so that is written down by the one that sees it.
"""

from __future__ import annotations

import logging
import socket
import sys
import time
from typing import TYPE_CHECKING

from engine.interfaces import Capacity, Poll
from engine.machine import devices as hardware
from engine.machine import processes
from engine.schema.errors import explain

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from engine.interfaces import Devices, Handle, Held
    from engine.scheduling.launchers.forked import Forks
    from engine.store.layout import AttemptDir, PhaseDir

ENGINE = (sys.executable, "-m", "engine")
LOOK_S = 2.0  # asking all GPUs for their users, or listing the machine's processes, takes a while
log = logging.getLogger(__name__)


class LocalLauncher:
    """``program``: command to append ``phase PHASE_DIR ATTEMPT_DIR …`` to. ``forks``: forks phases
    on one GPU or none; all are spawned without it, or once it has failed too often. ``gives_way``:
    whether nobody is on a GPU but what ends when a phase needs its place."""

    def __init__(
        self,
        program: tuple[str, ...] = ENGINE,
        forks: Forks | None = None,
        gives_way: Callable[[hardware.Gpu], bool] = lambda _card: False,
    ) -> None:
        self._program = program
        self._forks = forks
        self._gives_way = gives_way
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._seen: tuple[float, tuple[hardware.Gpu, ...]] = (-LOOK_S, ())
        self._held: dict[int, tuple[float, float]] = {}
        self._said: set[str] = set()

    # --- what could be started ---

    def capacity(self, held: Sequence[Held], at_once: int | None) -> Capacity:
        cards = self._cards()
        taken = {gpu for one in held for gpu in one.devices.gpus}
        busy = [card for card in cards if card.busy and not self._gives_way(card)]
        for card in busy:
            if card.index not in taken:
                self._say(f"GPU {card.index}: in use by {card.users}; left alone unless named")
        indices = tuple(c.index for c in cards)
        total, available = (size / 1024 for size in hardware.memory())
        if not self._ready():
            return Capacity(indices, memory=available, memory_total=total)
        on_cpu = [one.devices.threads for one in held if one.slot == "cpu"]
        cpu, share = cpu_free(hardware.cores(), at_once, on_cpu)
        return Capacity(
            cards=indices,
            gpus=tuple(i for i in indices if i not in taken),
            quiet=tuple(c.index for c in cards if c.index not in taken and c not in busy),
            cpu=cpu,
            share=share,
            threads=max(1, hardware.cores() // max(1, len(cards))),
            memory=max(0.0, available - sum(map(self._still_to_take, held))),
            memory_total=total,
            card_memory={c.index: (c.total - c.used) / 1024 for c in busy},
            alone=not on_cpu,
        )

    def _cards(self) -> tuple[hardware.Gpu, ...]:
        if time.monotonic() - self._seen[0] >= LOOK_S:
            self._seen = time.monotonic(), hardware.allowed_gpus(hardware.gpus())
        return self._seen[1]

    def _still_to_take(self, one: Held) -> float:
        """The memory, in GiB, that the phase will still take before it reaches its peak."""
        if not one.memory or one.handle.get("host") != socket.gethostname():
            return 0.0
        pid = one.handle["pid"]
        at, holds = self._held.get(pid, (-LOOK_S, 0.0))
        if time.monotonic() - at >= LOOK_S:
            at, holds = time.monotonic(), hardware.resident_mib(pid) / 1024
            self._held[pid] = at, holds
        return max(0.0, one.memory - holds)

    def _ready(self) -> bool:
        """Whether a phase can be started now; False while the imports for forking still run.
        The first call begins them."""
        if self._forks is None or not self._forks.usable:
            return True
        try:
            return self._forks.ready()
        except OSError as error:
            self._say(f"{explain(error)}; phases are spawned meanwhile")
            return True

    # --- starting ---

    def start(self, phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> Handle:
        if self._forks is not None and self._forks.imported and devices.processes == 1:
            try:
                return self._forks.start(phase, attempt, devices)
            except OSError as error:
                self._say(f"{explain(error)}; {phase.id} is spawned instead")
        command = phase_command(self._program, phase, attempt, devices)
        environment = hardware.environment(devices)
        child = processes.spawn(command, attempt.stdout, attempt.stderr, environment)
        self._children[child.pid] = child
        return processes.identity(child.pid)

    # --- how they fare ---

    def poll(self, handles: Mapping[AttemptDir, Handle]) -> Mapping[AttemptDir, Poll]:
        if self._forks is not None:
            self._forks.reap()
        return {attempt: self._poll(attempt, handle) for attempt, handle in handles.items()}

    def _poll(self, attempt: AttemptDir, handle: Handle) -> Poll:
        child = self._children.get(handle["pid"])
        if child is not None and child.poll() is not None:
            del self._children[child.pid]
            processes.write_exit_code(attempt, child.returncode)
            return Poll("exited", child.returncode)
        state = processes.probe(handle)
        return Poll(state, processes.read_exit_code(attempt) if state == "exited" else None)

    def cancel(self, handles: Mapping[AttemptDir, Handle]) -> None:
        for handle in handles.values():
            if handle["host"] == socket.gethostname():
                processes.kill_group(handle["pid"])  # with workers that it may have left behind
                processes.wait_gone(handle, processes.KILL_WAIT_S)

    def _say(self, text: str) -> None:
        """Log a line once, though the caller comes here several times a second."""
        if text not in self._said:
            self._said.add(text)
            log.warning("%s", text)


def cpu_free(cores: int, at_once: int | None, running: Iterable[int]) -> tuple[int, int]:
    """``cpu`` and ``share`` of :class:`Capacity`, from the threads of each CPU phase that runs."""
    threads = list(running)
    if at_once is None:
        return max(0, cores - sum(threads)), 0
    return max(0, at_once - len(threads)), max(1, cores // at_once)


def phase_command(
    program: tuple[str, ...], phase: PhaseDir, attempt: AttemptDir, devices: Devices
) -> tuple[str, ...]:
    """The command of a phase; on several nodes it is started once on each of them."""
    arguments = ["phase", str(phase.path.resolve()), str(attempt.path.resolve())]
    arguments += ["--threads", str(devices.threads)]
    if devices.gpus:
        arguments += ["--gpus", ",".join(map(str, devices.gpus))]
    if devices.nodes > 1:
        arguments += ["--nodes", str(devices.nodes)]
    if devices.on_cpu > 1 and not devices.gpus:
        arguments += ["--processes", str(devices.on_cpu)]
    if devices.shard is not None:
        arguments += ["--shard" if devices.shard else "--no-shard"]
    return (*program, *arguments)
