"""A launcher for a cluster: its queue has ids of its own, and is asked for all jobs at once."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.extending.program import DEADLINE_S

if TYPE_CHECKING:
    from pathlib import Path

    from tests.extending.program import Program

pytestmark = pytest.mark.slow(25)

LAUNCHER = '''
"""Phases as jobs of a cluster that is spoken to by the commands submit, jobs and drop."""

import json
import subprocess
import time

from engine.interfaces import Capacity, Poll
from engine.scheduling.launchers.local import ENGINE, phase_command

KEPT_S = 0.2
STATES = {"PD": "pending", "R": "running", "CG": "exited", "CD": "exited"}


class ClusterLauncher:
    def __init__(self):
        self._asked, self._jobs = -KEPT_S, None

    def capacity(self, held, at_once):
        return Capacity(cpu=0 if len(held) >= 4 else 4, share=1)

    def start(self, phase, attempt, devices):
        command = phase_command(ENGINE, phase, attempt, devices)
        done = subprocess.run(
            ["submit", attempt.stderr, *command], capture_output=True, text=True
        )
        if done.returncode:
            raise OSError(f"submit: {done.stderr.strip()}")
        return {"job": done.stdout.strip()}

    def poll(self, handles):
        if time.monotonic() - self._asked >= KEPT_S:
            self._asked = time.monotonic()
            done = subprocess.run(["jobs"], capture_output=True, text=True)
            if done.returncode == 0:  # else what it said last is the best that is known
                self._jobs = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
        return {attempt: self._of(handle["job"]) for attempt, handle in handles.items()}

    def _of(self, job):
        if self._jobs is None:
            return Poll("unknown", why="the cluster does not answer")
        state, *why = self._jobs.get(job, "CD").split(maxsplit=1)
        return Poll(STATES[state], why=" ".join(why))

    def cancel(self, handles):
        subprocess.run(["drop", *(handle["job"] for handle in handles.values())])
'''
CLUSTER = '''#!{python}
"""A cluster of one machine: jobs wait until a file says go. Each call is counted."""
import json, os, pathlib, signal, subprocess, sys

HERE = pathlib.Path({here!r})
verb, arguments = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
if (HERE / "down").exists():
    sys.exit(verb + ": connection refused")
if verb == "submit":
    number = 1 + len(list(HERE.glob("job-*.json")))
    job = "job-%d" % number
    (HERE / (job + ".json")).write_text(json.dumps(arguments))
    print(job)
for file in sorted(HERE.glob("job-*.json")):
    started, (log, *command) = file.with_suffix(".pid"), json.loads(file.read_text())
    if verb == "drop" and file.stem in arguments:
        if started.exists() and started.read_text():
            try:
                os.killpg(int(started.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                pass
        started.write_text("")
    elif verb == "jobs":
        if not started.exists() and (HERE / "go").exists():
            child = subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL,
                                     stderr=open(log, "ab"), stdin=subprocess.DEVNULL)
            started.write_text(str(child.pid))
        if not started.exists():
            print(file.stem, "PD", "(Priority)")
        elif started.read_text() and pathlib.Path("/proc/" + started.read_text()).exists():
            print(file.stem, "R")
if verb == "jobs":
    with open(HERE / "asked", "a") as asked:
        asked.write("x")
'''
EXPERIMENT = """
name: far
teachers: [wren-3m]
students: [wren-1m]
tasks: [pocket-compass]
arms: [teacher, baseline]
settings:
  evaluate: {limit: 16, prompts: [plain, cot]}
"""
PHASES = 4  # all can be in the queue at once


@pytest.fixture
def cluster(program: Program) -> Path:
    """A folder; a file ``go`` in it starts jobs, a file ``down`` makes it refuse to answer."""
    line = '    "cluster": "engine.scheduling.launchers.cluster:ClusterLauncher",'
    program.add("launcher", "cluster", LAUNCHER, line)
    here = program.root / "cluster"
    here.mkdir()
    for verb in ("submit", "jobs", "drop"):
        program.write(f"cluster/{verb}", CLUSTER.format(python=program.interpreter, here=str(here)))
        (here / verb).chmod(0o755)
    program.path = str(here)
    return here


def phases(program: Program, state: str) -> list[dict[str, Any]]:
    """All of the experiment's, once they are in this state."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        told = [program.json("status", run["run_id"]) for run in program.json("status")]
        found = [phase for run in told for phase in run["phases"]]
        if len(found) == PHASES and {phase["state"] for phase in found} == {state}:
            return found
    raise AssertionError(found)


def test_phases_wait_in_a_clusters_queue_and_run_there(program: Program, cluster: Path) -> None:
    experiment = str(program.write("far.yaml", EXPERIMENT))
    program.sirt("run", experiment, "--cpu", "--launcher", "cluster", "--detach")
    pending = phases(program, "pending")
    assert "(Priority)" in json.dumps(pending)
    (cluster / "down").touch()
    run_id = program.json("status")[0]["run_id"]
    told = program.json("status", run_id)["phases"]
    assert {phase["waits"] for phase in told} == {"the cluster does not answer"}
    assert {phase["state"] for phase in told} <= {"running", "unreachable"}  # by their heartbeats
    (cluster / "down").unlink()
    (cluster / "go").touch()
    program.sirt("run", experiment, "--cpu", "--launcher", "cluster")  # follows it to its end
    assert {run["state"] for run in program.json("status")} == {"done"}
    jobs = list(cluster.glob("job-*.json"))
    assert len(jobs) == PHASES, "none was submitted twice"
    owners = program.runs.glob("phases/*/attempt-001/process.json")
    assert {json.loads(file.read_text())["launcher"] for file in owners} == {"cluster"}


def test_a_pending_job_is_dropped_and_an_unknown_launcher_refused(
    program: Program, cluster: Path
) -> None:
    experiment = str(program.write("far.yaml", EXPERIMENT))
    said = program.sirt("run", experiment, "--launcher", "clusted", code=2)
    assert "did you mean 'cluster'" in said
    program.sirt("run", experiment, "--cpu", "--launcher", "cluster", "--detach")
    phases(program, "pending")
    runs = [run["run_id"] for run in program.json("status")]
    program.sirt("stop", *runs)
    stopped = phases(program, "stopped")
    assert all("asked to stop" in phase["error"] for phase in stopped)
    jobs = [file.with_suffix(".pid") for file in cluster.glob("job-*.json")]
    deadline = time.monotonic() + DEADLINE_S
    while not all(job.exists() for job in jobs):
        assert time.monotonic() < deadline, "not all were dropped"
        time.sleep(0.02)
    (cluster / "go").touch()
    subprocess.run([cluster / "jobs"], check=True, capture_output=True)  # it starts what it may
    assert not any(job.read_text() for job in jobs)
