"""The whole pipeline on real benchmark files, with demonstrations served over HTTP.

    python -m benchmarks.real_files DATA [--runs DIR] [--rows 300]

DATA holds ``multiarith/MultiArith.json`` and ``commonsense_qa/*.jsonl`` in their original
formats. A pocket teacher behind ``transformers serve`` annotates; a pocket student learns. The
accuracies are at or below chance, as they must be for toy models: what counts is that real prompts,
long texts, unparsed answers, truncation and costs go through and are told.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from itertools import islice
from pathlib import Path

from engine.pocket.recipes import MODELS
from engine.queries.runs import list_runs, run_status
from engine.store.layout import RunsFolder
from engine.tables.accuracies import by_run, details
from engine.tables.table import Table
from tests.engine.serving import serving

TEACHER = MODELS / "otter-3m"
SPEC = """
name: real-files
description: real benchmark files through every phase, with toy models
teachers: [served]
students: [wren-1m]
tasks: [multiarith, csqa]
arms: [baseline, teacher, instruct-only, both]
sources:
  multiarith: {{train: {data}/multiarith/MultiArith.json, test: {data}/multiarith/MultiArith.json}}
  csqa: {{train: {folder}/csqa-train.jsonl, test: {data}/commonsense_qa/dev_rand_split.jsonl}}
cards:
  - name: served
    family: otter
    source: {{kind: openai_compatible, base_url: "{url}", model: "{model}", concurrency: 4,
              price_in: 0.5, price_out: 1.5, max_spend: 5.0}}
    sampling: {{temperature: 0.1, max_new_tokens: 96}}
settings:
  annotate: {{limit: {rows}, keep: all}}
  instruct: {{epochs: 1, learning_rate: 1e-3, max_length: 1024}}
  elicit: {{winner: cot_always}}
  refine: {{learning_rate: 1e-4, warmup_steps: 2, batch_size: 32, epochs: 1, evaluate_every: 4}}
  evaluate: {{limit: {questions}}}
"""


def write_spec(folder: Path, data: Path, url: str, rows: int, questions: int | None) -> Path:
    source = data / "commonsense_qa" / "train_rand_split.first1500.jsonl"
    with source.open() as lines:
        (folder / "csqa-train.jsonl").write_text("".join(islice(lines, rows)))
    spec = folder / "real-files.yaml"
    filled = SPEC.format(
        data=data,
        folder=folder,
        url=url,
        model=TEACHER,
        rows=rows,
        questions=questions or "null",
    )
    spec.write_text(filled)
    return spec


def told(runs: RunsFolder) -> Table:
    """What the phases said of truncation, unparsed answers and cost."""
    body = []
    seen: set[str] = set()
    for row in list_runs(runs):
        for phase in run_status(runs, row.run_id).phases:
            if phase.id in seen:
                continue
            seen.add(phase.id)
            figures = phase.view.figures
            keys = ("kept", "total", "unparsed", "truncated", "dropped", "spent", "pairs")
            said = ", ".join(
                f"{k} {figures[k]:.3g}" if isinstance(figures[k], float) else f"{k} {figures[k]}"
                for k in keys
                if k in figures
            )
            warnings = "; ".join(w.text for w in phase.view.warnings)
            where = getattr(phase.spec, "task", None)
            name = " ".join((phase.spec.kind, where.name if where else ""))
            body.append((name, said, warnings))
    return Table(("phase", "figures", "warnings"), tuple(body))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--questions", type=int, help="test questions; all when left out")
    given = parser.parse_args()
    sirt = Path(sys.executable).parent / "sirt"
    with serving(TEACHER) as url, tempfile.TemporaryDirectory() as folder:
        spec = write_spec(Path(folder), given.data.resolve(), url, given.rows, given.questions)
        subprocess.run([sirt, "--runs", given.runs, "run", spec], check=True)
    runs = RunsFolder(given.runs.absolute())
    rows = [row for row in list_runs(runs) if row.experiment == "real-files"]
    print(by_run(rows).markdown())
    print()
    print(details(rows).markdown())
    print()
    print(told(runs).markdown())


if __name__ == "__main__":
    main()
