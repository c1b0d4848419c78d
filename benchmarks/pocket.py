"""The pocket experiment on several seeds, and whether it shows what it should.

    python benchmarks/pocket.py [--runs DIR] [--seeds 0 1 2]

Prints the table of BENCHMARKS.md: accuracies on the task the students were trained on, with the
plain prompt, and one line for each expectation that does not hold. Phases that are already in the
folder are reused.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from engine.planning.presets import PRESETS
from engine.queries.runs import list_runs
from engine.store.layout import RunsFolder
from engine.tables.table import Table

POCKET = PRESETS / "experiments" / "pocket.yaml"
ARMS = ("baseline", "instruct-only", "refine-only", "both")


def run_seeds(runs: Path, seeds: list[int]) -> None:
    """The shipped preset under another name and with more seeds: the phases are the same."""
    text = POCKET.read_text().replace("name: pocket", "name: pocket-seeds", 1)
    lines = [f"seeds: {seeds}" if line.startswith("seeds:") else line for line in text.splitlines()]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pocket-seeds.yaml"
        file.write_text("\n".join(lines) + "\n")
        sirt = Path(sys.executable).parent / "sirt"
        subprocess.run([sirt, "--runs", runs, "run", file], check=True, stdout=subprocess.DEVNULL)


def table(runs: Path, seeds: list[int]) -> Table:
    rows = [r for r in list_runs(RunsFolder(runs.absolute())) if r.experiment == "pocket-seeds"]
    teachers = list(dict.fromkeys(r.teacher for r in rows if r.arm == "teacher"))
    found = {}
    for row in rows:
        for one in row.accuracies:
            if (one.evaluation.prompt, one.evaluation.task) == ("plain", "pocket-compass"):
                found[row.seed, row.teacher, row.arm] = one
    body = []
    for teacher in teachers:
        for seed in seeds:
            arms = [found[seed, None if a == "baseline" else teacher, a] for a in ARMS]
            best = found[seed, teacher, "teacher"]
            body.append((teacher, str(seed), best.text, *(one.text for one in arms)))
            told = expectations(best.value, *(one.value for one in arms))
            for line in told:
                print(f"does not hold ({teacher}, seed {seed}): {line}")
    return Table(("teacher", "seed", "teacher's own", *ARMS), tuple(body))


def expectations(
    teacher: float, baseline: float, instructed: float, _refine_only: float, both: float
) -> list[str]:
    """What the pocket experiment has to show, in points."""
    holds = {
        "teacher >= 90": teacher >= 0.90,
        "baseline <= 50": baseline <= 0.50,
        "instructed >= baseline + 10": instructed >= baseline + 0.10,
        "refined >= instructed + 5": both >= instructed + 0.05,
        "refined >= teacher - 8": both >= teacher - 0.08,
    }
    return [what for what, held in holds.items() if not held]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    run_seeds(given.runs, given.seeds)
    print(table(given.runs, given.seeds).markdown())


if __name__ == "__main__":
    main()
