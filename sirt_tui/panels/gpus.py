"""The machine's CPU, memory and GPUs, each with its use and its users."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from textual.containers import VerticalScroll
from textual.widgets import Static

from engine.schema.sanitize import one_line
from sirt_tui.format import NOTHING, mib

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from engine.queries.machine import Gpu, GpuProcess, Machine

BAR = 20
HISTORY = 40  # readings, two seconds apart
HEIGHTS = " ▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class MachineView:
    """A reading of the machine. ``ours``: the phase that each process id works on. ``around``: the
    lines about its cluster."""

    machine: Machine
    gpus: Sequence[Gpu]
    ours: dict[int, str]
    around: Sequence[tuple[str, str]] = ()


class GpusPanel(VerticalScroll):
    """Shows the machine; ``note`` keeps a short history of readings, ``show`` draws."""

    BORDER_TITLE = "devices"

    def __init__(self, id: str | None = None) -> None:
        super().__init__(id=id, classes="panel")
        self._used: dict[str, deque[float]] = {}

    def compose(self) -> ComposeResult:
        yield Static(Text("looking", "dim"))

    def note(self, machine: Machine, gpus: Sequence[Gpu]) -> None:
        """Add a reading to the history."""
        shares = {"cpu": machine.load / machine.cores}
        shares |= {gpu.uuid: gpu.utilisation / 100 for gpu in gpus}
        for key, share in shares.items():
            kept = self._used.setdefault(key, deque(maxlen=HISTORY))
            kept.append(0.0 if math.isnan(share) else min(max(share, 0.0), 1.0))

    def show(self, of: MachineView) -> None:
        machine, text = of.machine, Text()
        share = machine.memory_used / machine.memory_total
        text.append("CPU     ", "bold")
        text.append(f"{machine.cores} cores, load {machine.load:.1f}  ")
        text.append(f"{self._history('cpu')}\n")
        text.append("memory  ", "bold")
        text.append(f"{bar(share)} {mib(machine.memory_used)} of {mib(machine.memory_total)}\n")
        for gpu in of.gpus:
            text.append_text(self._gpu(gpu, of.ours))
        if not of.gpus:
            text.append("GPU     ", "bold")
            text.append("none found (no NVIDIA driver answers); phases run on the CPU", "dim")
        text.append("\n" if of.around else "")
        for name, said in of.around:
            text.append(f"\n{one_line(name, 40)}", "bold")
            text.append(f"\n  {one_line(said, 120)}")
        self.query_one(Static).update(text)

    def _gpu(self, gpu: Gpu, ours: dict[int, str]) -> Text:
        text = Text()
        text.append(f"\nGPU {gpu.index}   ", "bold")
        text.append(f"{one_line(gpu.name, 60)}\n")
        text.append(f"  memory {bar(gpu.used / gpu.total)} {mib(gpu.used)} of {mib(gpu.total)}\n")
        use = gpu.utilisation
        text.append(f"  use    {bar(use / 100)} {_figure(use, '%')}  {self._history(gpu.uuid)}\n")
        most = "" if math.isnan(gpu.power_limit) else f" of {gpu.power_limit:.0f}"
        text.append(f"  {_figure(gpu.temperature, '°C')}  power {_figure(gpu.power, 'W')}{most}\n")
        for process in gpu.processes:
            text.append_text(process_line(process, ours))
        if not gpu.processes:
            text.append("  nobody\n" if not gpu.busy else "  in use, by nobody seen from here\n")
        return text

    def _history(self, key: str) -> str:
        kept = self._used.get(key, ())
        return "".join(HEIGHTS[round(v * (len(HEIGHTS) - 1))] for v in kept)


def bar(share: float) -> str:
    """Draw a bar of fixed width; empty for an unknown share."""
    filled = 0 if math.isnan(share) else round(BAR * min(max(share, 0.0), 1.0))
    return "█" * filled + "░" * (BAR - filled)


def process_line(process: GpuProcess, ours: dict[int, str]) -> Text:
    text = Text(f"  {process.pid:>8}  {one_line(process.user, 12):<12} ")
    phase = ours.get(process.pid)
    text.append(one_line(phase or process.name, 40), "cyan" if phase else "")
    text.append(f"  {mib(process.used)}  {_figure(process.share, '%')}\n", "dim")
    return text


def _figure(value: float, unit: str) -> str:
    return NOTHING if math.isnan(value) else f"{value:.0f} {unit}"
