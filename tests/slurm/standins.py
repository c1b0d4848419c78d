"""Stand-ins for Slurm's commands: small shell scripts that read and write a folder.

``queue`` holds the jobs as ``squeue`` prints them, ``accounting`` as ``sacct`` does, ``calls`` all
calls. A file ``down`` makes all of them fail; ``refuse`` is what ``sbatch`` says instead of taking
a job; ``kill`` names the moment at which ``sbatch`` kills the client: ``before`` or ``after`` it
has put the job into the queue.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.scheduling.launchers.slurm import launcher as module
from engine.scheduling.launchers.slurm.launcher import SlurmLauncher
from engine.scheduling.launchers.slurm.queries import Queue
from engine.scheduling.loop import Conductor, Timing
from engine.scheduling.policy import DeviceRequest
from engine.scheduling.servers import Servers
from engine.schema.cards import LocalWeights, ModelCard
from engine.schema.run_spec import RunSpec
from engine.schema.specs import AnnotateSpec, EvaluateSpec, InstructSpec, TaskRef
from engine.store.layout import RunsFolder

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

COMMANDS = {
    "sbatch": """
[ "$1" = --test-only ] && exit 0
script=$2
[ -e "$here/refuse" ] && { cat "$here/refuse" >&2; exit 1; }
moment=$(cat "$here/kill" 2>/dev/null)
[ "$moment" = before ] && { rm "$here/kill"; kill -9 $PPID; sleep 0.1; }
number=$(($(wc -l <"$here/queue") + 100))
name=$(sed -n 's/^#SBATCH --job-name=//p' "$script")
env >"$here/env-$number"
last=$(sed -n 's/^#SBATCH --array=0-//p' "$script")
for task in $(seq 0 "${last:-0}"); do
  id="$number${last:+_$task}"
  echo "$id|PENDING|Priority||N/A|$name|N/A|4294|N/A|$(id -un)" >>"$here/queue"
done
[ "$moment" = after ] && { rm "$here/kill"; kill -9 $PPID; exit; }
echo $number
""",
    "squeue": """
cat "$here/queue"
case "$*" in *--user=*anna*) cat "$here/annas" ;; esac
""",
    "sacct": 'cat "$here/accounting"\n',
    "scancel": "",
    "scontrol": """
[ "$2" = config ] && { cat "$here/config" 2>/dev/null; exit; }
case $1 in
hold) reason=JobHeldUser ;;
release) reason=Priority ;;
*) reason= ;;
esac
if [ "$reason" ]; then
  [ -e "$here/deny" ] && { cat "$here/deny" >&2; exit 1; }
  shift
  for id; do sed -i "s/^$id|PENDING|[^|]*|/$id|PENDING|$reason|/" "$here/queue"; done
  exit
fi
cat "$here/scontrol" 2>/dev/null
""",
    "sinfo": 'cat "$here/sinfo" 2>/dev/null\n',
}
HEAD = """#!/bin/sh
here={here}
echo "{name} $*" >>"$here/calls"
[ -e "$here/down" ] && {{ echo "error: Unable to contact slurm controller" >&2; exit 1; }}
"""
TEACHER = ModelCard(name="t", family="f", source=LocalWeights(path="/x"))
STUDENT = ModelCard(name="s", family="f", source=LocalWeights(path="/x"))
TASK = TaskRef(name="pocket-sums")
SITE = """
launcher: slurm
partition: gpu
phases: {all: {time: "1:00:00", gpus: 0, cpus: 1}}
"""


@dataclass
class Cluster:
    """The folder behind the stand-ins, a runs folder, and a site that leads to them."""

    here: Path
    runs: RunsFolder
    site: Path

    @classmethod
    def made(cls, root: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
        here = root / "slurm"
        (here / "bin").mkdir(parents=True)
        for name, text in COMMANDS.items():
            command = here / "bin" / name
            command.write_text(HEAD.format(here=here, name=name) + text)
            command.chmod(0o755)
        for name in ("queue", "accounting", "calls"):
            (here / name).touch()
        monkeypatch.setenv("PATH", f"{here / 'bin'}:{os.environ['PATH']}")
        runs = RunsFolder(root / "runs")
        runs.create()
        site = root / "site.yaml"
        site.write_text(SITE)
        return cls(here, runs, site)

    @property
    def jobs(self) -> list[list[str]]:
        return [line.split("|") for line in (self.here / "queue").read_text().splitlines()]

    @property
    def calls(self) -> list[str]:
        return (self.here / "calls").read_text().splitlines()

    @property
    def request(self) -> DeviceRequest:
        return DeviceRequest(launcher=f"slurm:{self.site}")

    def set(self, number: int, state: str, reason: str = "None", node: str = "") -> None:
        """A job's state, by its place in the queue."""
        jobs = self.jobs
        jobs[number][1:4] = [state, reason, node]
        self.write(jobs)

    def write(self, jobs: list[list[str]]) -> None:
        (self.here / "queue").write_text("".join("|".join(job) + "\n" for job in jobs))

    def launcher(self, kept_s: float = 0.0) -> SlurmLauncher:
        return SlurmLauncher(str(self.site), Queue(kept_s))

    def conductor(
        self, monkeypatch: pytest.MonkeyPatch, kept_s: float = 0.0, **timing: Any
    ) -> Conductor:
        """One that hands over to the stand-ins; what it starts here would fail."""
        launcher = self.launcher(kept_s)
        self.runs.conductor.mkdir(exist_ok=True)
        monkeypatch.setattr("engine.catalog.launcher", lambda _name: launcher)
        monkeypatch.setattr(module, "SETTLE_S", 0.0)
        waits = Timing(**({"look": 0.0, "back_off": 0.0} | timing))
        looking = Conductor(
            self.runs, launcher, Servers(self.runs), lambda: True, lambda: None, waits
        )
        looking.adopt()
        return looking


def chain(seed: int = 0) -> RunSpec:
    """annotate -> instruct -> evaluate, each a job."""
    annotate = AnnotateSpec(seed=seed, teacher=TEACHER, task=TASK)
    instruct = InstructSpec(seed=seed, student=STUDENT, demonstrations=annotate.id)
    evaluate = EvaluateSpec(seed=seed, model=STUDENT, adapter=instruct.id, task=TASK, prompt="cot")
    return RunSpec(
        experiment="e", arm="instruct-only", teacher="t", student="s", task="pocket-sums",
        seed=seed, phases=(annotate, instruct, evaluate),
    )  # fmt: skip
