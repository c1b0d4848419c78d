"""This machine's devices and who uses them: GPUs through NVML, CPU and memory through psutil.

No driver means no GPUs, never an error. GPU numbers are NVML's, which CUDA shares when it is
told to order GPUs by PCI bus (:func:`environment`).
"""

from __future__ import annotations

import contextlib
import math
import os
import resource
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import psutil

from engine.machine.cgroups import groups
from engine.schema import events as ev
from engine.store.ticker import Ticker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from engine.interfaces import Devices

MIB = 2**20
BUSY_MIB = 1024.0
RESOURCE_EVERY_S = 2.0
SAMPLES_S = 5.0  # how far back a GPU's samples of its processes are asked for


@dataclass(frozen=True, slots=True)
class GpuProcess:
    """A process that uses a GPU. ``ours``: under this user id. ``used``: MiB. ``share``: of the
    GPU's time, in 0..100; NaN where the driver does not tell."""

    pid: int
    user: str
    name: str
    used: float
    ours: bool
    share: float = math.nan


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU: memory in MiB, utilisation in 0..100, temperature in °C, power and its limit in
    watts; NaN where the driver does not tell."""

    index: int
    name: str
    uuid: str
    total: float
    used: float
    utilisation: float
    processes: tuple[GpuProcess, ...] = ()
    temperature: float = math.nan
    power: float = math.nan
    power_limit: float = math.nan

    @property
    def busy(self) -> bool:
        """More memory in use than a driver takes by itself: a phase should not join."""
        return self.used > BUSY_MIB

    @property
    def users(self) -> str:
        return ", ".join(sorted({process.user for process in self.processes})) or "somebody"


@dataclass(frozen=True, slots=True)
class Machine:
    """CPU and memory; memory in MiB, ``load`` is the one-minute average."""

    cores: int
    load: float
    memory_total: float
    memory_used: float


def gpus() -> tuple[Gpu, ...]:
    """All GPUs with their users; empty without NVIDIA driver."""
    with _nvml() as nvml:
        if nvml is None:
            return ()
        try:
            return tuple(_read_gpu(nvml, i) for i in range(nvml.nvmlDeviceGetCount()))
        except nvml.NVMLError:
            return ()


def allowed_gpus(found: tuple[Gpu, ...]) -> tuple[Gpu, ...]:
    """The GPUs that ``CUDA_VISIBLE_DEVICES`` allows; all of them when it is not set."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return found
    names = {name.strip() for name in visible.split(",")}
    return tuple(g for g in found if str(g.index) in names or g.uuid in names)


@cache
def smallest_card() -> float:
    """GiB of the smallest GPU that may be used here; infinite where there is none."""
    return min((gpu.total / 1024 for gpu in allowed_gpus(gpus())), default=math.inf)


def machine() -> Machine:
    total, available = memory()
    return Machine(
        cores=cores(),
        load=psutil.getloadavg()[0],
        memory_total=total,
        memory_used=total - available,
    )


def memory() -> tuple[float, float]:
    """Total and available memory in MiB: the machine's, or that of this process's control group
    if its limit is lower."""
    here = psutil.virtual_memory()
    total, available = float(here.total), float(here.available)
    for folder in groups():
        try:
            most = float((folder / "memory.max").read_text())
            used = float((folder / "memory.current").read_text())
            stat = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
            used -= float(stat.get("inactive_file", 0))  # the kernel gives it back when asked
        except (OSError, ValueError):  # no such group, or no limit ("max")
            continue
        total, available = min(total, most), min(available, max(0.0, most - used))
    return total / MIB, available / MIB


def cores() -> int:
    """CPU cores that this process may use."""
    try:
        return max(1, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on Linux
        return max(1, os.cpu_count() or 1)


def has_bf16() -> bool:
    """Whether the CPU has instructions for bf16 (AVX512-BF16 or AMX); False where nobody tells."""
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not on Linux
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags


def environment(devices: Devices) -> dict[str, str]:
    """The environment variables a process needs before it imports torch."""
    threads = str(devices.threads)
    return {
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": ",".join(str(i) for i in devices.gpus),
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
        "OMP_NUM_THREADS": threads,
        "MKL_NUM_THREADS": threads,
        "TOKENIZERS_PARALLELISM": "false",
    }


@contextlib.contextmanager
def _nvml() -> Iterator[Any]:
    """pynvml between init and shutdown; ``None`` where there is no driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except (ImportError, OSError):
        yield None
        return
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        with contextlib.suppress(pynvml.NVMLError):
            pynvml.nvmlShutdown()


def _read_gpu(nvml: Any, index: int) -> Gpu:
    card = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(card)
    return Gpu(
        index=index,
        name=_text(nvml.nvmlDeviceGetName(card)),
        uuid=_text(nvml.nvmlDeviceGetUUID(card)),
        total=memory.total / MIB,
        used=memory.used / MIB,
        utilisation=_told(nvml, lambda: nvml.nvmlDeviceGetUtilizationRates(card).gpu),
        processes=_users(nvml, card),
        temperature=_told(
            nvml, lambda: nvml.nvmlDeviceGetTemperature(card, nvml.NVML_TEMPERATURE_GPU)
        ),
        power=_told(nvml, lambda: nvml.nvmlDeviceGetPowerUsage(card) / 1000),
        power_limit=_told(nvml, lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(card) / 1000),
    )


def _told(nvml: Any, read: Callable[[], float]) -> float:
    """A figure; NaN where the driver doesn't tell it, as of a partitioned GPU."""
    try:
        return float(read())
    except nvml.NVMLError:
        return math.nan


def _users(nvml: Any, card: Any) -> tuple[GpuProcess, ...]:
    try:
        found = nvml.nvmlDeviceGetComputeRunningProcesses(card)
    except nvml.NVMLError:
        return ()
    shares = _shares(nvml, card) if found else {}
    return tuple(_gpu_process(p.pid, p.usedGpuMemory, shares.get(p.pid, math.nan)) for p in found)


def _shares(nvml: Any, card: Any) -> dict[int, float]:
    """Each process's share of the GPU's time, by the newest of the driver's last samples."""
    since = int((time.time() - SAMPLES_S) * 1e6)
    try:
        samples = nvml.nvmlDeviceGetProcessUtilization(card, since)
    except nvml.NVMLError:  # no samples, or a GPU that takes none
        return {}
    return {s.pid: float(s.smUtil) for s in sorted(samples, key=lambda s: s.timeStamp)}


def _gpu_process(pid: int, used_bytes: int | None, share: float) -> GpuProcess:
    used = math.nan if used_bytes is None else used_bytes / MIB
    try:
        process = psutil.Process(pid)
        ours = process.uids().real == os.getuid()
        return GpuProcess(pid, process.username(), process.name(), used, ours, share)
    except psutil.Error:  # gone, or in another container
        return GpuProcess(pid, "?", "?", used, ours=False, share=share)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class ResourceMonitor:
    """A context manager that emits what this process tree uses every two seconds; with its parent
    and the others that it started, if it is one of several ``processes`` on this machine.
    ``before``: readings of earlier attempts, whose peaks are the phase's too."""

    def __init__(
        self,
        emit: Callable[[ev.Event], None],
        devices: Devices,
        every_s: float = RESOURCE_EVERY_S,
        processes: int = 1,
        before: Iterable[ev.Resource] = (),
    ) -> None:
        self._emit = emit
        self._gpus = devices.gpus
        self._processes = processes
        self._root = os.getppid() if processes > 1 else None
        self._ticker = Ticker("resources", self._look, every_s)
        self._opened = contextlib.ExitStack()
        self._peak = self._card_peak = 0.0
        for one in before:
            self._note(one)

    @property
    def peaks(self) -> dict[str, float]:
        """Peak memory for the manifest's figures: ``memory_gib`` of the process tree, or of one
        process's share of it, and ``card_memory_gib`` where it has GPUs."""
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # KiB: short peaks too
        found = {"memory_gib": round(max(self._peak / self._processes, own) / 1024, 3)}
        if self._card_peak:
            found["card_memory_gib"] = round(self._card_peak / 1024, 3)
        return found

    def __enter__(self) -> Self:
        self._nvml = self._opened.enter_context(_nvml())
        self._seconds, self._at = _tree_usage(self._root)[1], time.monotonic()
        self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ticker.stop()
        self._opened.close()

    def _look(self) -> None:
        rss, seconds = _tree_usage(self._root)
        now = time.monotonic()
        percent = 100 * max(0.0, seconds - self._seconds) / (now - self._at)
        self._seconds, self._at = seconds, now
        cards = tuple(_card_usage(self._nvml, i) for i in self._gpus) if self._nvml else ()
        reading = ev.Resource(rss=rss, cpu=percent, gpus=cards)
        self._note(reading)
        self._emit(reading)

    def _note(self, reading: ev.Resource) -> None:
        self._peak = max(self._peak, reading.rss)
        used = (card.get("used", 0.0) for card in reading.gpus)
        self._card_peak = max(self._card_peak, *used, 0.0)


def _tree_usage(pid: int | None = None) -> tuple[float, float]:
    """Resident memory in MiB and CPU seconds so far of a process (by default this one) and its
    descendants."""
    me = psutil.Process(pid)
    rss = seconds = 0.0
    for process in [me, *me.children(recursive=True)]:
        with contextlib.suppress(psutil.Error):
            rss += process.memory_info().rss / MIB
            times = process.cpu_times()
            seconds += times.user + times.system
    return rss, seconds


def resident_mib(pid: int) -> float:
    """Resident memory of a process and its descendants; 0 when it is gone."""
    try:
        return _tree_usage(pid)[0]
    except psutil.Error:
        return 0.0


def _card_usage(nvml: Any, index: int) -> dict[str, float]:
    try:
        gpu = _read_gpu(nvml, index)
    except nvml.NVMLError:
        return {"index": float(index)}
    return {
        "index": float(index),
        "used": gpu.used,
        "total": gpu.total,
        "utilisation": gpu.utilisation,
    }
