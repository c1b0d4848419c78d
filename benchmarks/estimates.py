"""What finished phases took, beside what `plan` says of such phases before anything was measured.

    python -m benchmarks.estimates RUNS

RUNS is a folder whose phases ran on this machine, without GPUs. Phases of one kind, model and task
are one row: their seconds together, as if each had had all cores, and the largest peak of memory.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from engine.machine.state import cpu_threads
from engine.planning.amounts import amounts_of
from engine.planning.estimate import rough_seconds
from engine.planning.memory import lone_threads, parameters_of, rough_gib
from engine.store.layout import RunsFolder
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADS = (
    "phases", "parameters, M", "took, s", "plan says, s", "ratio", "peak, GiB", "plan says, GiB",
    "ratio",
)  # fmt: skip


class Compared(NamedTuple):
    """A phase's seconds and peak GiB, measured and estimated."""

    took: float
    expected: float
    peak: float
    told: float


def compared(runs: RunsFolder) -> dict[tuple[str, str, float], list[Compared]]:
    """Finished phases by their kind, model and its parameters."""
    done = [phase for phase in runs.phase_dirs() if phase.done]
    specs = {phase.id: phase.spec() for phase in done}
    asked = amounts_of(specs.values(), runs)
    found = defaultdict(list)
    for phase in done:
        spec, figures = specs[phase.id], phase.manifest()["figures"]
        took, peak = figures.get("seconds"), figures.get("memory_gib")
        cores = cpu_threads(phase) / lone_threads(spec.card)
        expected = rough_seconds(spec, asked[spec.id], on_gpu=False, served=False)
        told = rough_gib(spec, on_gpu=False)
        if spec.card and took and peak and expected and told:
            key = spec.kind, spec.card.name, parameters_of(spec.card)
            found[key].append(Compared(took * cores, expected, peak, told))
    return found


def rows(found: dict[tuple[str, str, float], list[Compared]]) -> Iterable[tuple[str, ...]]:
    for (kind, model, parameters), phases in sorted(found.items()):
        took, expected = sum(p.took for p in phases), sum(p.expected for p in phases)
        peak, told = max(p.peak for p in phases), max(p.told for p in phases)
        yield (
            f"{len(phases)} {kind}, {model}",
            f"{parameters / 1e6:,.0f}",
            f"{took:,.0f}", f"{expected:,.0f}", f"{expected / took:.2f}",
            f"{peak:.2f}", f"{told:.2f}", f"{told / peak:.2f}",
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    runs = RunsFolder(parser.parse_args().runs.absolute())
    print(Table(HEADS, tuple(rows(compared(runs)))).markdown())


if __name__ == "__main__":
    main()
