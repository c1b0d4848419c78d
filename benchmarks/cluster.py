"""A large grid on a cluster: handing it over, watching it and listing it, in CPU seconds.

    python -m benchmarks.cluster FOLDER                 the paper's grid, 100 jobs in the queue
    python -m benchmarks.cluster FOLDER main-in-family --jobs 400

Slurm's commands are the tests' stand-ins, shell scripts whose own time is not counted. The
experiment is launched in the folder the first time, which takes minutes; nothing of it is run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine.commands.experiments import launch, plan_experiment
from engine.scheduling import daemon
from tests.slurm.standins import Cluster

if TYPE_CHECKING:
    from collections.abc import Callable

STATUS = """
import sys, time
from pathlib import Path
import engine.catalog, rich.console, rich.table, rich.text, tinydb
from engine.cli.status import _print_all
from engine.store.layout import RunsFolder
began = time.process_time()
_print_all(RunsFolder(Path(sys.argv[1])), False)
print(f"status: {time.process_time() - began:.2f} s of CPU beyond imports", file=sys.stderr)
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cluster")
    parser.add_argument("folder", type=Path)
    parser.add_argument("experiment", nargs="?", default="paper-grid")
    parser.add_argument("--jobs", type=int, default=100)
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f}")
    with pytest.MonkeyPatch.context() as patch:
        cluster = _cluster(given.folder.absolute(), given.jobs, patch)
        if not cluster.runs.run_ids():
            _launch(cluster, given.experiment, patch)
        looking = cluster.conductor(patch, kept_s=30.0, look=1e9)

        def hand_over() -> None:
            looking.step()
            while len(looking.running) < given.jobs:
                time.sleep(0.3)
                looking.step()

        print("handing over:", _cpu(hand_over))
        calls = [call.split()[0] for call in cluster.calls]
        told = ", ".join(f"{calls.count(name)} {name}" for name in sorted(set(calls)))
        print(f"{len(looking.running)} phases by {told}")
        print("a look at all folders:", _cpu(looking._look))
        print("what could start now:", _cpu(looking._start_ready))
        print("a step with nothing to do:", _cpu(looking.step))
        before = len(cluster.calls)
        command = [sys.executable, "-c", STATUS, str(cluster.runs.root)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        print(f"asked of Slurm by status: {cluster.calls[before:]}")


def _cluster(folder: Path, jobs: int, patch: pytest.MonkeyPatch) -> Cluster:
    """Stand-ins anew, and the runs that were launched before."""
    shutil.rmtree(folder / "slurm", ignore_errors=True)
    cluster = Cluster.made(folder, patch)
    cluster.site.write_text(f"{cluster.site.read_text()}jobs: {jobs}\n")
    for phase in cluster.runs.phase_dirs():
        for attempt in phase.attempts():
            shutil.rmtree(attempt.path)
    return cluster


def _launch(cluster: Cluster, experiment: str, patch: pytest.MonkeyPatch) -> None:
    for name in ("ensure_running", "make_way"):
        patch.setattr(daemon, name, lambda *_: None)
    planned = plan_experiment(cluster.runs, experiment, on_gpu=True)
    print("launching:", _cpu(lambda: launch(cluster.runs, planned, cluster.request)))


def _cpu(do: Callable[[], object]) -> str:
    began = time.process_time()
    do()
    return f"{time.process_time() - began:.2f} s of CPU"


if __name__ == "__main__":
    main()
