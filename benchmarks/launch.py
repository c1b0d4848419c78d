"""How long a phase takes from its launch to its first event and to its first useful work.

    python benchmarks/launch.py [--repeats 3]

A real ``evaluate`` phase (embedded model, 8 questions) is started by a plain spawn and by a
fork of the pre-imported process. First useful work: the first progress that counts an answer.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from engine.interfaces import Devices
from engine.machine import processes
from engine.scheduling.launchers.forked import ForkedLauncher
from engine.scheduling.launchers.local import LocalLauncher
from engine.schema.cards import LocalWeights, ModelCard, Sampling
from engine.schema.events import (
    Activity,
    Event,
    PhaseFinished,
    PhaseStarted,
    Progress,
)
from engine.schema.specs import EvaluateSpec, TaskRef
from engine.store.eventlog import EventReader
from engine.store.layout import RunsFolder

if TYPE_CHECKING:
    from engine.interfaces import Launcher

MODEL = Path(__file__).resolve().parent.parent / "engine/pocket/models/wren-1m"
MARKS = ("first event", "recipe at work", "first progress", "first answer", "end")


def evaluate(seed: int) -> EvaluateSpec:
    card = ModelCard(
        name="wren",
        family="wren",
        source=LocalWeights(path=str(MODEL), precision="fp32"),
        sampling=Sampling(temperature=0.0, max_new_tokens=8),
    )
    return EvaluateSpec(
        seed=seed, model=card, task=TaskRef(name="pocket-sums"), prompt="plain", limit=8
    )


def marks_of(event: Event) -> list[str]:
    match event:
        case PhaseStarted():
            return ["first event"]
        case Activity():
            return ["recipe at work"]
        case Progress():
            return ["first progress"] + ["first answer"] * (event.done > event.resumed)
        case PhaseFinished(outcome="done"):
            return ["first answer", "end"]
        case PhaseFinished():
            raise SystemExit(event.error)
    return []


def measure(launcher: Launcher, runs: RunsFolder, seed: int) -> dict[str, float]:
    """Seconds from the launch to each mark."""
    spec = evaluate(seed)
    phase = runs.phase(spec.id)
    phase.create(spec)
    launched = time.time()
    attempt = phase.new_attempt()
    handle = launcher.start(phase, attempt, Devices())
    processes.write_owner(attempt, launcher.name, handle, Devices())
    reader, found = EventReader(attempt.events), dict[str, float]()
    while "end" not in found:
        for event in reader.read():
            for mark in marks_of(event):
                found.setdefault(mark, event.ts.timestamp() - launched)
        if "end" not in found and launcher.probe(handle, attempt)[0] == "exited":
            raise SystemExit(f"{attempt.stderr}:\n{attempt.stderr.read_text()}")
        time.sleep(0.005)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as folder:
        runs = RunsFolder(Path(folder))
        runs.create()
        forked = ForkedLauncher(Path(folder) / "warm.log")
        began = time.time()
        while not forked.ready():
            time.sleep(0.02)
        print(f"pre-imported process ready after {time.time() - began:.1f} s (once)\n")
        print(f"{'seconds from launch to':24}" + "".join(f"{m:>16}" for m in MARKS))
        for number, launcher in enumerate((LocalLauncher(), forked)):
            found = [measure(launcher, runs, 1000 * number + i) for i in range(repeats)]
            medians = [statistics.median(f.get(m, float("nan")) for f in found) for m in MARKS]
            print(f"{launcher.name:24}" + "".join(f"{m:16.2f}" for m in medians))
        forked.close()


if __name__ == "__main__":
    main()
