"""Read this machine's CPU, memory and GPUs, and who uses them now."""

from __future__ import annotations

from dataclasses import dataclass

from engine.machine import devices
from engine.machine.devices import Gpu, GpuProcess, Machine

__all__ = ["Gpu", "GpuProcess", "Machine", "MachineNow", "look"]


@dataclass(frozen=True, slots=True)
class MachineNow:
    """CPU and memory of the machine, and its GPUs."""

    machine: Machine
    gpus: tuple[Gpu, ...]


def look() -> MachineNow:
    """Take one reading; ``gpus`` is empty without an NVIDIA driver."""
    return MachineNow(devices.machine(), devices.gpus())
