"""The benchmark of real trainings, with a pocket model in the place of a real one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODEL = ROOT / "engine" / "pocket" / "models" / "wren-1m"


@pytest.mark.slow(50)
@pytest.mark.parametrize("kind", ["instruct", "refine"])
def test_both_sides_train_on_the_same_tokens(kind: str) -> None:
    """Also that TRL's command still takes the options that it is given."""
    found = {}
    for way in ("ours", "trl"):
        command = [sys.executable, "-m", "benchmarks.real_training", kind, way, str(MODEL), "2"]
        done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        found[way] = json.loads(done.stdout.splitlines()[-1])
    assert found["ours"]["tokens"] == pytest.approx(found["trl"]["tokens"], rel=0.15)
    assert all(one["tokens_per_cpu_s"] > 0 and one["peak_gib"] > 0.1 for one in found.values())
