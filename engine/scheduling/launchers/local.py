"""A phase as a process of its own on this machine, in its own session.

It outlives whoever started it. Only its parent can see the exit status, so that is written
when the parent still lives and asks.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from engine.machine import processes
from engine.machine.devices import environment

if TYPE_CHECKING:
    import subprocess

    from engine.interfaces import Devices, Handle
    from engine.store.layout import AttemptDir, PhaseDir
    from engine.store.phase_log import Probe

ENGINE = (sys.executable, "-m", "engine")


class LocalLauncher:
    """``program``: what ``phase PHASE_DIR ATTEMPT_DIR …`` is appended to."""

    name = "local"

    def __init__(self, program: tuple[str, ...] = ENGINE) -> None:
        self._program = program
        self._children: dict[int, subprocess.Popen[bytes]] = {}

    def ready(self) -> bool:
        return True

    def start(self, phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> Handle:
        command = phase_command(self._program, phase, attempt, devices)
        child = processes.spawn(command, attempt.stdout, attempt.stderr, environment(devices))
        self._children[child.pid] = child
        return processes.identity(child.pid)

    def probe(self, handle: Handle, attempt: AttemptDir) -> tuple[Probe, int | None]:
        child = self._children.get(handle["pid"])
        if child is not None and child.poll() is not None:
            del self._children[child.pid]
            processes.write_exit_code(attempt, child.returncode)
            return "exited", child.returncode
        state = processes.probe(handle)
        return state, processes.read_exit_code(attempt) if state == "exited" else None

    def stop(self, handle: Handle, attempt: AttemptDir, grace_s: float) -> None:
        processes.stop(handle, attempt, grace_s)


def phase_command(
    program: tuple[str, ...], phase: PhaseDir, attempt: AttemptDir, devices: Devices
) -> tuple[str, ...]:
    """With several cards, one process a card by ``accelerate launch``: a trainer in one plain
    process refuses to see more than one."""
    arguments = ["phase", str(phase.path.resolve()), str(attempt.path.resolve())]
    arguments += ["--threads", str(devices.threads)]
    if devices.gpus:
        arguments += ["--gpus", ",".join(map(str, devices.gpus))]
    if len(devices.gpus) < 2:
        return (*program, *arguments)
    python, *rest = program
    accelerate = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_machines", "1"]
    accelerate += ["--num_processes", str(len(devices.gpus)), "--main_process_port", "0"]
    accelerate += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    return (python, *accelerate, *rest, *arguments)
