"""Runs folders of any size, and processes that write like phases at work.

    python -m benchmarks.folders FOLDER 10000        make a folder
    python -m benchmarks.folders write ATTEMPT ...   be a phase at work (the benchmark starts these)

The runs are those of the shipped experiment ``pocket`` on as many seeds as it takes: real specs,
real ids, made-up accuracies. All have their run file and their document in the registry; the
newest ones have their phases' folders too.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import shutil
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.experiments import run_id_of
from engine.interfaces import Devices
from engine.machine import processes
from engine.planning.graph import make_plan
from engine.planning.presets import load_experiment
from engine.queries.rows import ladder_of
from engine.schema.accuracy import Accuracy, Share
from engine.schema.events import (
    Event,
    Metric,
    PhaseFinished,
    PhaseStarted,
    Progress,
    Resource,
    Sample,
    encode,
)
from engine.schema.specs import EvaluateSpec
from engine.store.eventlog import EventWriter
from engine.store.layout import AttemptDir, RunsFolder
from engine.store.registry import Registry
from engine.store.run import RunFile
from engine.store.run_row import RunRow, figures_of, settings_of
from engine.store.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.schema.run_spec import RunSpec
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import PhaseDir

WHOLE = 60  # so many of the newest runs have phase folders
APART = timedelta(minutes=3)
TOOK = timedelta(seconds=40)  # a phase
STEPS = 9_000  # of a phase at work: counted one by one, and shown in full
CURVES = 3  # of a phase at work, unless more are asked for
WRITTEN = "written"  # the curve of those whose last value is the step


def make(root: Path, count: int, live: int = 0) -> RunsFolder:
    """``count`` runs, of which the ``live`` newest wait for their refine phase."""
    runs = RunsFolder(root)
    runs.create()
    chance = random.Random(0)
    newest = datetime.now(UTC).replace(microsecond=0)
    rows = []
    for number, spec in enumerate(_specs(count, live)):
        created = newest - APART * (count - number)
        file = RunFile(run_id=run_id_of(spec), name=spec.title, created=created, spec=spec)
        folder = runs.run_folder(file.run_id)
        folder.mkdir()
        record = file.model_dump(mode="json")
        record["spec"]["phases"] = file.spec.phase_ids
        runs.run_file(file.run_id).write_text(json.dumps(record, indent=1))
        scores = {p.id: _score(p, chance) for p in spec.phases if isinstance(p, EvaluateSpec)}
        at_work = number >= count - live
        if number >= count - WHOLE:
            _write_phases(runs, spec, scores, created, "refine" if at_work else "")
        for phase in spec.phases:  # a result whose folder is gone would not be shown
            runs.phase(phase.id).path.mkdir(exist_ok=True)
        row = _row(file, {} if at_work else scores)
        written = runs.run_file(file.run_id).stat().st_mtime_ns
        settings = settings_of(spec.phases)
        rows.append(dataclasses.replace(row, written=written, settings=settings))
    Registry(runs, lambda _: None).put(rows)
    return runs


def _specs(count: int, live: int) -> Iterator[RunSpec]:
    """Oldest first; the newest are of the arm that has all phases."""
    preset = load_experiment("pocket")
    seeds = tuple(range(count // 9 + live + 1))
    experiment = preset.experiment.model_copy(update={"seeds": seeds})
    found = make_plan(dataclasses.replace(preset, experiment=experiment), lambda _: False).runs
    last = list(islice((run for run in reversed(found) if run.arm == "both"), live))
    ids = {id(run) for run in last}
    yield from islice((run for run in found if id(run) not in ids), count - live)
    yield from last


def _score(spec: EvaluateSpec, chance: random.Random) -> Accuracy:
    share = round(chance.random(), 3)
    right = Share(round(600 * share), 600, share * 0.95, share * 0.95 + 0.05)
    return Accuracy(spec.evaluation, right, 0.002, 0.0, 41.5, 1.0, share)


def _row(file: RunFile, scores: dict[str, Accuracy]) -> RunRow:
    spec = file.spec
    state = "done" if scores else "waiting"
    ids = [phase.id for phase in spec.phases]
    scored_on = (
        spec.refine_task or spec.task or next((a.evaluation.task for a in scores.values()), None)
    )
    own = {a.evaluation.prompt: a.value for a in scores.values() if a.evaluation.task == scored_on}
    return RunRow(
        file.run_id, file.created, file.name, spec.experiment, spec.arm, spec.teacher,
        spec.student, spec.in_family, spec.task, spec.refine_task, spec.fraction, spec.seed,
        file.created + TOOK * len(ids) if scores else None, TOOK.total_seconds() * len(ids),
        (), "", state, ladder_of(ids, [state] * len(ids)), scored_on,
        own.get("plain"), own.get("cot"),
        tuple(ids), tuple(phase.inputs for phase in spec.phases), figures_of(scores.values()),
    )  # fmt: skip


def _write_phases(
    runs: RunsFolder, spec: RunSpec, scores: dict[str, Accuracy], began: datetime, until: str
) -> None:
    """Finished phases, up to the kind that is still to run."""
    for number, phase in enumerate(spec.phases):
        folder = runs.phase(phase.id)
        if phase.kind == until:
            folder.create(phase)
            return
        if not folder.done:
            _write_done(folder, phase, scores.get(phase.id), began + TOOK * number)


def _write_done(
    folder: PhaseDir, phase: PhaseSpec, accuracy: Accuracy | None, began: datetime
) -> None:
    folder.create(phase)
    attempt = folder.new_attempt()
    events: list[Event] = [
        PhaseStarted(phase=phase.id, attempt=1, host="elsewhere", pid=1),
        PhaseFinished(outcome="done"),
    ]
    stamped = (
        event.model_copy(update={"seq": n, "ts": began + TOOK * n})
        for n, event in enumerate(events)
    )
    attempt.events.write_bytes(b"".join(map(encode, stamped)))
    folder.out.mkdir()
    if accuracy is not None:
        write_json(folder.score, accuracy.figures() | {"tiers": {}})
    write_json(folder.manifest_file, {"finished": began.isoformat(), "files": {}, "figures": {}})


def start_writers(
    runs: RunsFolder, live: int, rate: float, curves: int = CURVES
) -> list[subprocess.Popen[bytes]]:
    """A process for each of the ``live`` newest runs that writes its refine phase's log, each from
    its beginning, with so many ``curves``."""
    newest = sorted(Registry(runs, lambda _: None).rows(), key=lambda row: row.created)[-live:]
    found = []
    for row in newest:
        phase = next(phase_id for kind, phase_id in row.phases if kind == "refine")
        for earlier in runs.phase(phase).attempts():
            shutil.rmtree(earlier.path)
        attempt = runs.phase(phase).new_attempt()
        command = [sys.executable, "-m", "benchmarks.folders", "write", attempt.path]
        found.append(subprocess.Popen([*command, "--rate", str(rate), "--curves", str(curves)]))
    return found


def write(attempt: AttemptDir, rate: float, curves: int) -> None:
    """``rate`` events a second: progress and metrics by turns, now and then something else."""
    processes.write_owner(attempt, "local", processes.identity(), Devices())
    phase = attempt.path.parent.name
    with EventWriter(attempt.events, attempt.alive) as log:
        log.emit(PhaseStarted(phase=phase, attempt=1, host="here", pid=1, devices=("cpu",)))
        began = time.monotonic()
        for number in range(2 * STEPS):
            log.emit(_event(number, curves))
            time.sleep(max(0.0, began + (number + 1) / rate - time.monotonic()))


def _event(number: int, curves: int) -> Event:
    step = number // 2
    if number % 50 == 49:
        text = f"Step {step}: she turns left, then right, so she faces north. The answer is B."
        return Sample(item=f"train-{step:05}", prompt="Which way does she face?", text=text)
    if number % 100 == 51:
        return Resource(rss=900 + step % 50, cpu=95)
    if number % 2:
        return Progress(done=step, total=STEPS, unit="steps")
    loss = 0.7 / (1 + step / 500) + 0.02 * random.random()
    values = {"loss": loss, "rewards/margins": 3 - 3 * loss, "learning_rate": 1e-4}
    more = {f"part {n}": random.random() for n in range(CURVES + 1, curves)}
    values |= ({WRITTEN: float(step)} if curves > CURVES else {}) | more
    return Metric(step=step, values=values)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.folders")
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", nargs="?")
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--curves", type=int, default=CURVES)
    arguments = parser.parse_args()
    if str(arguments.folder) == "write":
        write(AttemptDir(Path(arguments.what)), arguments.rate, arguments.curves)
    else:
        make(arguments.folder, int(arguments.what or 10_000))


if __name__ == "__main__":
    main()
