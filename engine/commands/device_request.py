"""Turn a choice of devices into a request, checked against this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine import catalog
from engine.scheduling.queue import DeviceRequest
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["DeviceRequest", "device_request"]


def device_request(
    gpus: Sequence[int] | None = None,
    gpu_count: int | None = None,
    cpu: bool = False,
    launcher: str = "local",
) -> DeviceRequest:
    """Request these GPUs, a number of GPUs per phase, both (that many of these), or the CPU; by
    default one GPU if there is one. ``UserError`` when the launcher is unknown or lacks what is
    asked for."""
    present = list(catalog.launcher(launcher).capacity((), None).cards)
    missing = [index for index in gpus or () if index not in present]
    if missing:
        there = ", ".join(map(str, present)) or "none"
        raise UserError(f"no GPU {missing[0]} here; there are {there}")
    if gpus is not None and (not gpus or len(set(gpus)) < len(gpus)):
        raise UserError("name each GPU once, as in 0,1")
    pool = present if gpus is None else gpus
    if gpu_count is not None and not 1 <= gpu_count <= len(pool):
        where = f"this machine has {len(present)}" if gpus is None else f"{len(pool)} are named"
        raise UserError(f"{where}; ask for 1 to {len(pool)}" if pool else where)
    if cpu or not present:
        return DeviceRequest(cpu=True, launcher=launcher)
    if gpus is None:
        return DeviceRequest(gpu_count=gpu_count or 1, launcher=launcher)
    return DeviceRequest(gpus=tuple(gpus), gpu_count=gpu_count, launcher=launcher)
