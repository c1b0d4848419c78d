"""What a phase's job asks a cluster for: what is expected of it, and never more than its site says.

Who asks for less time and memory waits less in most queues. Both are doubled from a least value, so
that jobs of phases that are alike ask for the same.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from engine.planning.estimate import expectations
from engine.planning.history import history, likeness
from engine.planning.memory import GIB
from engine.schema.site import bytes_of, seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from engine.planning.estimate import Expected
    from engine.planning.history import Likeness, Witness
    from engine.schema.site import Asked
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder

TIMES: Final = 3.0  # as long as expected: what is estimated from a model's size may be off by that
LEAST_S: Final = 1800.0
MEMORIES: Final = 1.5  # as much as the most that similar phases took
LEAST_GIB: Final = 2.0
KEPT_S: Final = 600.0  # how long what finished phases took is not read again


class Needs:
    """What jobs of a runs folder's phases ask for."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._past: dict[Likeness, list[Witness]] = {}
        self._read_at = -KEPT_S

    def asked(self, specs: Iterable[PhaseSpec], most: Callable[[PhaseSpec], Asked]) -> list[Asked]:
        """What each of these phases asks for; ``most``: the most that it may."""
        specs = list(specs)
        limits = [most(spec) for spec in specs]
        took: dict[str, Expected] = {}
        for on_gpu in (False, True):
            mine = [s for s, limit in zip(specs, limits, strict=True) if bool(limit.gpus) == on_gpu]
            took |= self.expected(mine, on_gpu)
        return [
            limit._replace(
                time=_time(_on(took[spec.id], limit.nodes * limit.gpus), limit.time),
                memory=_memory(self._taken(spec, limit), limit.memory),
            )
            for spec, limit in zip(specs, limits, strict=True)
        ]

    def _taken(self, spec: PhaseSpec, limit: Asked) -> float | None:
        """The same by all processes of a node."""
        one = self.took_gib(spec, bool(limit.gpus))
        return one and one * (limit.gpus or limit.processes)

    def expected(self, specs: Iterable[PhaseSpec], on_gpu: bool) -> dict[str, Expected]:
        """How long each of these phases takes."""
        self._read()
        return expectations(specs, self._runs, on_gpu, self._past)

    def took_gib(self, spec: PhaseSpec, on_gpu: bool) -> float | None:
        """The most main memory that a process of similar phases on such a device took; None where
        none did."""
        self._read()
        past = self._past.get(likeness(spec), ())
        seen = [w.memory for w in past if w.memory and bool(w.card_memory) == on_gpu]
        return max(seen, default=None)

    def _read(self) -> None:
        if time.monotonic() >= self._read_at + KEPT_S:
            self._past = history(self._runs)
            self._read_at = time.monotonic()


def _on(took: Expected, gpus: int) -> float | None:
    """Seconds on so many GPUs. A guess by the model's size is not shortened."""
    measured = took.seconds is not None and took.basis == "history"
    return took.seconds / max(1, gpus) if took.seconds and measured else took.seconds


def _time(expected: float | None, most: str) -> str:
    """As Slurm writes it; ``most`` where nothing is known."""
    if expected is None:
        return most
    seconds = _doubled(LEAST_S, TIMES * expected)
    if seconds >= seconds_of(most):
        return most
    days, rest = divmod(int(seconds), 86_400)
    clock = f"{rest // 3600:02}:{rest % 3600 // 60:02}:00"
    return f"{days}-{clock}" if days else clock


def _memory(taken: float | None, most: str) -> str:
    if taken is None:
        return most
    gib = _doubled(LEAST_GIB, MEMORIES * taken)
    return most if most and gib * GIB >= bytes_of(most) else f"{gib:.0f}G"


def _doubled(least: float, at_least: float) -> float:
    while least < at_least:
        least *= 2
    return least
