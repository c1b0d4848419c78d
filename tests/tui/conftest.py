"""The recorded runs, as a copy that may be changed."""

from __future__ import annotations

import json
import os
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from engine.interfaces import Devices
from engine.machine import processes
from engine.schema.specs import RefineSpec
from engine.store.layout import RunsFolder
from engine.store.run import read_run
from engine.store.writing import write_json
from tests.fixtures.record import CHECKOUT, MOVED_TO

RECORDED = Path(__file__).parent.parent / "fixtures" / "runs"
MEASURED = RECORDED.with_name("measured")


@pytest.fixture(autouse=True)
def no_fetched_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What this machine has fetched from the hub changes no screen."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-hub"))


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Slurm says on this machine changes no screen."""
    monkeypatch.setattr("engine.queries.cluster.look", lambda: None)


@pytest.fixture
def recorded(tmp_path: Path) -> RunsFolder:
    return copy_recorded(tmp_path / "runs")


@pytest.fixture
def measured(tmp_path: Path) -> RunsFolder:
    """``tests/fixtures/measured``: runs scored in every way, and an endpoint that was paid."""
    return copy_recorded(tmp_path / "measured", MEASURED)


def copy_recorded(folder: Path, recorded: Path = RECORDED) -> RunsFolder:
    """``tests/fixtures/runs``: the live phase belongs to this process, the lost one to a
    process of this machine that is gone."""
    runs = RunsFolder(folder)
    shutil.copytree(recorded, runs.root)
    for file in [*runs.root.glob("*/run.json"), *runs.root.glob("phases/*/phase.json")]:
        file.write_text(file.read_text().replace(MOVED_TO, str(CHECKOUT)))
    for phase in runs.phase_dirs():
        attempt = phase.last_attempt()
        if attempt is None or phase.done:
            continue
        if attempt.exit_code.exists():
            _owned_here(attempt.process)
        else:
            attempt.alive.touch()
            processes.write_owner(attempt, "local", processes.identity(), Devices())
    return runs


def take_weights_as_recorded(runs: RunsFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded models may have been trained on since the runs were recorded: a draft of a run
    then sees the weights that the run saw."""
    recorded = {}
    for run_id in runs.run_ids():
        for phase in read_run(runs, run_id).spec.phases:
            source: Any = phase.card.source
            recorded[Path(source.path).name] = source.revision
    monkeypatch.setattr(
        "engine.planning.presets.hash_weights", lambda folder: recorded[folder.name]
    )


def run_of(runs: RunsFolder, arm: str, teacher: str | None = None) -> str:
    """The recorded run of an arm (and teacher)."""
    for run_id in runs.run_ids():
        spec = read_run(runs, run_id).spec
        if spec.arm == arm and teacher in (None, spec.teacher):
            return run_id
    raise AssertionError(f"no recorded run of {arm} {teacher}")


def in_two_rounds(runs: RunsFolder, run_id: str) -> str:
    """A run of the same phases, and of a second round of refine that went as the first did."""
    file = read_run(runs, run_id)
    first = next(phase for phase in file.spec.phases if isinstance(phase, RefineSpec))
    second = first.model_copy(update={"round": 2, "adapter": first.id})
    shutil.copytree(runs.phase(first.id).path, runs.phase(second.id).path)
    phases = (*file.spec.phases, second)
    spec = file.spec.model_copy(update={"rounds": 2, "phases": phases})
    new = file.model_copy(update={"run_id": "two-rounds", "name": "two rounds", "spec": spec})
    runs.run_folder(new.run_id).mkdir()
    write_json(runs.run_file(new.run_id), new.model_dump(mode="json"))
    return new.run_id


def _owned_here(file: Path) -> None:
    owner = json.loads(file.read_text())
    owner["host"] = owner["handle"]["host"] = socket.gethostname()
    owner["handle"]["pid"] = os.getpid()  # of this machine, but another start: it is gone
    write_json(file, owner)
