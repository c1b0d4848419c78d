"""The processes that work on one phase together: which of them this one is, and what they tell
each other.

There is one for each GPU, on one machine or several; :mod:`engine.scheduling.rank_processes` starts
them with torchrun's variables. The first (rank 0) is the one that reports and publishes. Outside of
such a group everything here is as for a single process.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar

from engine.machine import allocation

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.interfaces import Devices

T = TypeVar("T")
TOGETHER: Final = "SIRT_GPUS_TOGETHER"  # set for those that see the GPUs of their machine's others
MEETING: Final = timedelta(minutes=30)  # until all have started and found each other
PATIENCE: Final = timedelta(hours=2)  # one that died is noticed elsewhere, and at once


def rank() -> int:
    return int(os.environ.get("RANK", "0"))


def world() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Which of its machine's processes this one is, and so which of the GPUs is its own."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_first() -> bool:
    return rank() == 0


def mine(things: Sequence[T]) -> Sequence[T]:
    """This process's share: all shares together are all things, each once."""
    return things[rank() :: world()]


def own(devices: Devices) -> Devices:
    """Which of a phase's devices are this process's own, where it sees no others."""
    here = devices.processes_a_node
    if here == 1:
        return devices
    gpus = devices.gpus[local_rank() * devices.each :][: devices.each]
    if gpus and (told := allocation.gpus()) and all(name.isdigit() for name in told):
        gpus = tuple(map(int, told))
    return replace(devices, gpus=gpus, threads=max(1, devices.threads // here), on_cpu=1)


def own_gpu() -> int | None:
    """The index of this process's GPU where it sees those of the others too; None where it sees
    its own alone."""
    return local_rank() if world() > 1 and TOGETHER in os.environ else None


def join(on_gpu: bool) -> None:
    """Meet the other processes; to be called once, before anything is told or asked here.
    ``on_gpu``: they compute together on their GPUs, by NCCL."""
    if world() == 1:
        return
    import torch
    import torch.distributed as dist

    if on_gpu:
        torch.cuda.set_device(local_rank())
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        store=dist.PrefixStore("group", store()),
        rank=rank(),
        world_size=world(),
        timeout=PATIENCE,
    )


@cache
def store() -> Any:
    """What all processes can write to and read from: torch's store, kept by the first process."""
    import torch.distributed as dist

    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return dist.TCPStore(host, port, world(), is_master=is_first(), timeout=MEETING)


def gathered(value: T) -> list[T]:
    """The values of all processes, in the order of their ranks."""
    if world() == 1:
        return [value]
    import torch.distributed as dist

    found: list[Any] = [None] * world()
    dist.all_gather_object(found, value)
    return found


def anywhere(flag: bool) -> bool:
    """Whether it is so in any process; the same answer in all of them."""
    return any(gathered(flag))


def meet() -> None:
    """Wait until every process is here."""
    gathered(None)


def from_first(make: Callable[[], T]) -> T:
    """What the first process makes, in all of them."""
    if world() == 1:
        return make()
    import torch.distributed as dist

    box: list[Any] = [make() if is_first() else None]
    dist.broadcast_object_list(box)
    found: T = box[0]
    return found
