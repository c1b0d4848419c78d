"""Time and memory that finished phases took, from which similar ones are estimated."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.machine.state import cpu_threads, gpus_of, phase_state
from engine.schema.errors import UserError, explain

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.schema.specs import PhaseSpec
    from engine.store.layout import PhaseDir, RunsFolder

Likeness = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Witness:
    """A finished phase's seconds, and its peak GiB of main memory and of GPU memory; None where
    that was not measured (an earlier version, no GPU, another phase's answers). ``folder``: the
    phase's own. ``threads``: of the CPU that it had, on all its nodes; 0 on a GPU, or where
    that is unknown. ``gpus``: on how many it worked; None where that is unknown."""

    seconds: float | None
    memory: float | None
    card_memory: float | None
    folder: PhaseDir | None = field(default=None, compare=False)
    threads: int = 0
    gpus: int | None = None


def likeness(spec: PhaseSpec) -> Likeness:
    """A key shared by phases that take about as long."""
    return spec.kind, spec.card and spec.card.name, spec.size


def nature(spec: PhaseSpec) -> Likeness:
    """A key shared by phases that do the same, however much of it."""
    return "any size", spec.kind, spec.card and spec.card.name, spec.nature


def history(
    runs: RunsFolder, passed_over: list[str] | None = None
) -> dict[Likeness, list[Witness]]:
    """What finished phases took, by :func:`likeness` and by :func:`nature`. ``passed_over`` gets a
    line for each damaged folder, which is skipped."""
    return history_of(runs.phase_dirs(), passed_over)


def history_of(
    folders: Iterable[PhaseDir], passed_over: list[str] | None = None
) -> dict[Likeness, list[Witness]]:
    """As :func:`history`, of these phases alone."""
    past: dict[Likeness, list[Witness]] = defaultdict(list)
    told = passed_over if passed_over is not None else []
    for folder in folders:
        if not folder.done:
            found = phase_state(folder) if passed_over is not None else None
            told += [f"{folder.id}: {found.error}"] if found and found.state == "lost" else []
            continue
        try:
            keys, witness = _witness(folder, folder.manifest_file.stat().st_mtime_ns)
        except UserError as error:
            told.append(str(error))
        except OSError as error:
            told.append(explain(error))
        else:
            for key in keys:
                past[key].append(witness)
    return past


@lru_cache(maxsize=100_000)
def _witness(folder: PhaseDir, _finished: int) -> tuple[tuple[Likeness, Likeness], Witness]:
    """Cached: a plan is remade at every change while somebody composes it."""
    figures = folder.manifest()["figures"]
    names = ("seconds", "memory_gib", "card_memory_gib")
    seconds, memory, card_memory = (_figure(figures.get(name)) for name in names)
    spec = folder.spec()
    if figures.get("taken"):  # another phase took the time for its answers
        seconds = None
    threads, gpus = cpu_threads(folder), gpus_of(folder)
    witness = Witness(seconds, memory, card_memory, folder, threads, gpus)
    return (likeness(spec), nature(spec)), witness


def _figure(value: object) -> float | None:
    known = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if known else None  # type: ignore[arg-type]
