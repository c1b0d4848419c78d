"""A preference objective, a tracker and a setting of our own, in a training that uses all three;
then a table and a figure in the report on it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.extending.program import rows

if TYPE_CHECKING:
    from tests.extending.program import Program

pytestmark = pytest.mark.slow

OBJECTIVE = '''
"""IPO (Azar et al., 2024): the margin is pulled towards 1 / (2 beta), and no further."""


def ipo(settings):
    return {"loss_type": ["ipo"], "loss_weights": [1.0]}
'''
TRACKER = '''
"""Curves as a table with tabs, for a spreadsheet."""

from contextlib import contextmanager

from transformers import TrainerCallback


class Rows(TrainerCallback):
    def __init__(self, file):
        self.file = file

    def on_log(self, args, state, control, logs=None, **kwargs):
        if "loss" in logs:
            self.file.write(f"{state.global_step}\\t{logs['loss']}\\n")


@contextmanager
def tabs(trainer, folder, step, has_ended):
    with (folder / "loss.tsv").open("a") as file:
        trainer.add_callback(Rows(file))
        yield
'''
SETTING = """
    longest: Positive | None = setting(
        None, "ours", "characters of a losing answer; longer ones make no pair", since="0.3"
    )"""
READS = """    if settings.longest and len(both.plain.text) > settings.longest:
        return "the rejected answer is too long"
"""
TABLE = '''
"""How many questions each accuracy rests on."""

from engine.tables.table import Table


def counts(study):
    rows = {(str(cell[0].method), cell[1], cell[2]) for cell in study.accuracies}
    return Table(("method", "task", "prompt"), tuple(sorted(rows)), "measured", "What was measured")
'''
FIGURE = '''
"""Accuracies as plain dots."""

import matplotlib.pyplot as plt

from engine.report.figures import Picture


def _draw(study, curves):
    figure, axes = plt.subplots()
    axes.plot(range(len(study.accuracies)), [0.5] * len(study.accuracies), "o")
    return figure


DOTS = Picture("dots", "A dot for each accuracy.", _draw)
'''
EXPERIMENT = """
name: ours
teachers: [wren-3m]
students: [wren-1m]
tasks: [pocket-compass]
arms: [refine-only]
report_to: [tabs]
settings:
  annotate: {limit: 24, keep: all}
  elicit: {winner: cot_always, longest: 22}
  refine:
    objective: ipo
    learning_rate: 1e-3
    warmup_steps: 1
    batch_size: 8
    max_steps: 4
    evaluate_every: 2
    max_prompt_length: 160
    max_length: 256
  evaluate: {limit: 8, prompts: [plain]}
"""


def test_an_objective_a_tracker_a_setting_a_table_and_a_figure(program: Program) -> None:
    before = _ids(program, program.write("before.yaml", _without(EXPERIMENT)))
    line = '    "ipo": "engine.training.ipo:ipo",'
    program.add("preference objective", "ipo", OBJECTIVE, line)
    program.add("tracker", "tabs", TRACKER, '    "tabs": "engine.training.tabs:tabs",')
    place = rows()["setting"][1][0]
    program.insert(place, r"class ElicitSettings\(Frozen\):\n    \"\"\"[^\"]*\"\"\"\n", SETTING)
    program.insert(
        "engine/phases/pairing.py", r'def make_pair\((?:.|\n)*?"""(?:.|\n)*?"""\n', READS
    )
    line = '    "engine.report.counts:counts",'
    program.add("table of a report", "counts", TABLE, line)
    program.add("figure of a report", "dots", FIGURE, '    "engine.report.dots:DOTS",')
    assert _ids(program, program.root / "before.yaml") == before, "finished work stays"

    experiment = program.write("ours.yaml", EXPERIMENT)
    assert not {*_ids(program, experiment)} >= {i for i in before if "refine" in i}
    program.sirt("run", str(experiment), "--cpu")
    (run,) = program.json("status")
    found = {phase["kind"]: phase for phase in program.json("show", run["run_id"])["phases"]}
    assert "the rejected answer is too long" in json.dumps(found["elicit"]["figures"])
    changed = {one["name"]: one["value"] for one in found["refine"]["settings"]}
    assert changed["objective"] == "ipo"
    (file,) = program.runs.rglob("loss.tsv")
    losses = [float(line.split("\t")[1]) for line in file.read_text().splitlines()]
    # at the start policy and reference are one, so IPO's loss is (1 / (2 beta)) squared: 25
    assert losses[0] == pytest.approx(25.0, rel=0.2)

    program.sirt("report", "ours", "--out", "report")
    page = (program.root / "report" / "index.html").read_text()
    assert "What was measured" in page
    assert "A dot for each accuracy." in page
    said = program.sirt("plan", str(experiment_with(program, "ipo", "ipoo")), code=2)
    assert "ipo" in said


def experiment_with(program: Program, before: str, after: str) -> object:
    changed = EXPERIMENT.replace(f"objective: {before}", f"objective: {after}")
    return program.write("changed.yaml", changed)


def _without(text: str) -> str:
    """As an earlier version would read it."""
    kept = [
        line for line in text.splitlines() if "objective" not in line and "report_to" not in line
    ]
    return "\n".join(kept).replace(", longest: 22", "")


def _ids(program: Program, experiment: object) -> list[str]:
    code = (
        "import sys; from engine.planning.graph import expand, unique_phases;"
        "from engine.planning.presets import load_experiment;"
        "print(*(p.id for p in unique_phases(expand(load_experiment(sys.argv[1])))))"
    )
    return program.python("-c", code, str(experiment)).split()
