"""Kill -9 at seeded random moments, retry, and end with what an undisturbed run has."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.acceptance.conftest import SMALL, CommandLine, wait_for

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 12
OUTPUTS = (
    "demonstrations.jsonl",
    "answers.jsonl",
    "pairs.jsonl",
    "predictions.jsonl",
    "score.json",
)


def events(runs: Path) -> int:
    """Complete lines in all logs."""
    return sum(f.read_bytes().count(b"\n") for f in runs.glob("phases/*/attempt-*/events.jsonl"))


def state(sirt: CommandLine) -> str:
    (run,) = sirt.json("status")
    return str(run["state"])


def victims(sirt: CommandLine, kind: str) -> list[psutil.Process]:
    """The conductor with its warm process, the phases, or all of them."""
    found = sirt.processes()
    phases = [p for p in found if is_phase(sirt, p)]
    others = [p for p in found if p not in phases]
    return {"phase": phases, "conductor": others, "both": found}[kind]


def is_phase(sirt: CommandLine, process: psutil.Process) -> bool:
    files = sirt.runs.glob("phases/*/attempt-*/process.json")
    return any(read_pid(file) == process.pid for file in files)


def read_pid(file: Path) -> Any:
    def find(value: Any) -> Any:
        if isinstance(value, dict):
            return value.get("pid") or next(filter(None, map(find, value.values())), None)
        return None

    try:
        return find(json.loads(file.read_text()))
    except (OSError, ValueError):
        return None


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(processes, timeout=10)


def outputs(runs: Path) -> dict[str, Any]:
    """Everything published, by phase; without times."""
    found: dict[str, Any] = {}
    for file in sorted(runs.glob("phases/*/out/*")):
        if file.name in OUTPUTS:
            found[f"{file.parent.parent.name}/{file.name}"] = file.read_text()
    return found


@pytest.mark.slow(180)
def test_killed_and_retried_gives_the_same(finished: CommandLine, sirt: CommandLine) -> None:
    rng = random.Random(20)
    sirt("run", str(SMALL), "--detach")
    (run,) = sirt.json("status")
    hits: list[str] = []
    while len(hits) < KILLS:
        goal = events(sirt.runs) + rng.randrange(1, 12)
        wait_for(lambda goal=goal: events(sirt.runs) >= goal or done(sirt), "events")
        if done(sirt):
            break
        kind = rng.choice(["phase", "conductor", "both"])
        found = victims(sirt, kind)
        kill(found)
        if found:
            hits.append(kind)
        sirt("retry", run["run_id"])
    assert len(hits) >= KILLS, f"all done after {hits}"
    assert {"phase", "conductor", "both"} <= set(hits)
    wait_for(lambda: done(sirt) or state(sirt) in {"failed", "lost"}, "the end")
    if not done(sirt):  # a phase that died with its conductor shows as lost until it is retried
        sirt("retry", run["run_id"])
        wait_for(lambda: done(sirt), "the end after one more retry")
    assert outputs(sirt.runs) == outputs(finished.runs)


def done(sirt: CommandLine) -> bool:
    phases = list(sirt.runs.glob("phases/*"))
    return bool(phases) and all((p / "manifest.json").exists() for p in phases)
