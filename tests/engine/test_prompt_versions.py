"""MATH asks for a box, since a version: the same fingerprint means the same prompt."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from engine import catalog
from engine.planning.presets import load_experiment
from engine.schema.cards import (
    Endpoint,
    LocalWeights,
    ModelCard,
    TaskSource,
)
from engine.schema.errors import UserError
from engine.schema.records import Prediction
from engine.schema.specs import EvaluateSpec, TaskRef
from engine.store.jsonlines import read_records
from engine.store.layout import PREDICTIONS, RunsFolder
from engine.tasks.prompts import instruction_of, prompt_version
from tests.engine.annotating import TeacherLab
from tests.engine.misbehaving_server import MisbehavingServer

if TYPE_CHECKING:
    from pathlib import Path

WEIGHTS = ModelCard(name="m", family="f", source=LocalWeights(hub="some/model", revision="r"))


def evaluation(task: TaskRef, model: ModelCard = WEIGHTS) -> EvaluateSpec:
    return EvaluateSpec(model=model, task=task, prompt="cot")


def test_only_math_has_another_prompt_than_before():
    versions = {name: prompt_version(catalog.task(name)) for name in catalog.TASKS}
    assert versions.pop("math") == 2
    assert set(versions.values()) == {1}


def test_what_was_measured_with_the_old_prompt_keeps_its_name_and_the_new_one_gets_another():
    source = TaskSource(hub="x", revision="x")
    before = evaluation(TaskRef(name="math", source=source))
    now = evaluation(TaskRef(name="math", source=source, prompt_version=2))
    assert before.id == "evaluate-645f3e97615638a4"
    assert now.id != before.id


def test_an_experiment_asks_with_the_prompt_of_today(tmp_path):
    row = {"problem": "1+1?", "solution": r"\boxed{2}", "type": "Algebra"}
    (tmp_path / "math.jsonl").write_text(json.dumps(row) + "\n")
    file = tmp_path / "boxes.yaml"
    file.write_text(
        "name: boxes\nstudents: [wren-1m]\ntasks: [pocket-sums]\narms: [baseline]\n"
        "evaluate_on: [math, pocket-sums]\nsources: {math: {test: math.jsonl}}\n"
    )
    tasks = load_experiment(str(file)).tasks
    assert {name: ref.prompt_version for name, ref in tasks.items()} == {
        "math": 2,
        "pocket-sums": 1,
    }


def test_a_phase_asks_with_the_prompt_of_its_version(tmp_path: Path):
    row = {"problem": "1+1?", "solution": r"\boxed{2}", "type": "Algebra"}
    (tmp_path / "math.jsonl").write_text(json.dumps(row) + "\n")
    runs = RunsFolder(tmp_path / "runs")
    runs.create()
    lab, asked = TeacherLab(runs), []
    with MisbehavingServer(lambda _: "2") as server:
        source = Endpoint(kind="openai_compatible", base_url=server.url, model="m")
        for version in (1, 2):
            local = TaskSource(test=str(tmp_path / "math.jsonl"), revision="1")
            task = TaskRef(name="math", source=local, prompt_version=version)
            folder = lab.attempt(evaluation(task, ModelCard(name="m", family="f", source=source)))
            asked += [p.prompt for p in read_records(folder.out / PREDICTIONS, Prediction)]
    assert ["\\boxed{}" in prompt for prompt in asked] == [False, True]
    assert asked[1].endswith("Answer: Let's think step by step")


def test_a_prompt_of_a_later_program_is_told():
    with pytest.raises(UserError, match="math: asked with prompt 3, but this sirt knows 2"):
        instruction_of(catalog.task("math"), 3)
