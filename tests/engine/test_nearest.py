"""Why a phase is not reused: the nearest finished one, and what differs, in the file's words."""

from __future__ import annotations

import json
import shutil

import pytest

from engine.commands import composing, drafts
from engine.commands.experiments import explained
from engine.planning import presets
from engine.planning.nearest import explain, first_to_do
from engine.queries.lineage import lineage
from engine.queries.remarks import reused
from engine.store.run import read_record
from tests.tui.conftest import copy_recorded, run_of, take_weights_as_recorded


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """Recorded runs of the pocket experiment, with the weights that they saw."""
    found = copy_recorded(tmp_path / "runs")
    take_weights_as_recorded(found, monkeypatch)
    return found


def planned(runs, **changes):
    """A draft of the recorded, finished run of both, with some settings changed."""
    draft = drafts.draft_of_run(runs, run_of(runs, "both", "wren-3m"))
    settings = draft["settings"]
    for key, value in changes.pop("settings", {}).items():
        section, _, name = key.partition(".")
        settings.setdefault(section, {})[name] = value
    found = composing.plan(runs, draft | changes)
    assert isinstance(found, composing.Planned), found
    return found


@pytest.mark.parametrize(
    ("changes", "first", "said"),
    [
        ({"settings": {"refine.learning_rate": 5e-6}}, "refine",
         "learning_rate 5e-6 here, 8e-4 there (nearest: refine-"),
        ({"settings": {"refine.beta": 0.5, "refine.epochs": 2}}, "refine",
         "beta 0.5 here, 0.1 there; epochs 2 here, 3 there"),
        ({"settings": {"elicit.winner": "cot_always"}}, "elicit",
         "winner cot_always here, cot_if_correct_else_teacher there"),
        ({"settings": {"elicit.plain": "answer_only"}}, "elicit",
         "plain answer_only here, paper there"),
        ({"settings": {"instruct.epochs": 2}}, "instruct", "epochs 2 here, 1 there"),
        ({"settings": {"annotate.limit": 50}}, "annotate", "limit 50 here, "),
        ({"seeds": [3]}, "instruct", "seed 3 here, 0 there"),
        ({"fractions": [50]}, "instruct", "fraction 50 here, 100 there"),
        ({"students": ["wren-3m"]}, "instruct", "student wren-3m here, wren-1m there"),
        ({"settings": {"evaluate.limit": 17}}, "evaluate", "limit 17 here, "),
    ],
)  # fmt: skip
def test_the_values_that_differ_are_named(runs, changes, first, said):
    found = planned(runs, **changes)
    assert found.why[0].phase.kind == first
    assert said in found.why[0].text


def test_what_follows_says_so_and_is_measured_against_what_follows_there(runs):
    found = planned(runs, settings={"refine.learning_rate": 5e-6})
    reasons = {one.phase.kind: one for one in explained(runs, found)}
    (refine,) = [p for p in found.plan.to_do if p.kind == "refine"]
    assert reasons["evaluate"].differences == ()
    assert reasons["evaluate"].waits_for == (refine.id,)
    assert f"what it reads is to be done too ({refine.id})" in reasons["evaluate"].text
    assert [p.kind for p in first_to_do(found.plan.phases, found.plan.done)] == ["refine"]
    assert found.reused["annotate"] == 1


def test_other_data_and_other_weights_are_told_by_their_hashes(runs, tmp_path, monkeypatch):
    rows = [{"question": f"{n} + 1 = ?", "final_ans": str(n + 1)} for n in range(8)]
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for n, file in enumerate(files):
        file.write_text(json.dumps(rows[n:]))
    draft = {"name": "own", "teachers": ["wren-3m"], "students": ["wren-1m"]}
    draft |= {"tasks": ["multiarith"], "arms": ["baseline"]}
    plans = []
    for file in files:
        source = {"train": str(file), "test": str(file)}
        found = composing.plan(runs, draft | {"sources": {"multiarith": source}})
        assert isinstance(found, composing.Planned), found
        plans.append(found.plan)
    for phase in plans[0].phases:
        shutil.copytree(
            next(p.path for p in runs.phase_dirs() if p.done), runs.phase(phase.id).path
        )
        runs.phase(phase.id).spec_file.unlink()
        runs.phase(phase.id).create(phase)
    assert "data of multiarith hash " in explain(runs, plans[1].phases, frozenset())[0].text
    monkeypatch.setattr(presets, "hash_weights", lambda folder: "0123456789abcdef")
    found = planned(runs)
    told = [one.text for one in explain(runs, found.plan.phases, found.plan.done)]
    assert any("weights hash 0123456789ab here, hash " in text for text in told)


def test_another_model_on_another_task_is_not_near(runs):
    """All of its differences would be noise in the plan of a first experiment of one's own."""
    phase = planned(runs).plan.phases[0]
    teacher = phase.teacher.model_copy(update={"name": "mine"})
    task = phase.task.model_copy(update={"name": "my-questions"})
    for changes in ({"teacher": teacher}, {"task": task}):
        (one,) = explain(runs, [phase.model_copy(update=changes)], frozenset())
        assert one.nearest
    both = phase.model_copy(update={"teacher": teacher, "task": task})
    (one,) = explain(runs, [both], frozenset())
    assert one.text == "no annotate phase like it is finished here yet"


def test_in_an_empty_folder_there_is_nothing_near(runs, tmp_path):
    found = planned(runs)
    shutil.rmtree(runs.phases)
    (one, *_) = explain(runs, found.plan.phases, frozenset())
    assert one.text == "no annotate phase like it is finished here yet"


def test_lineage_and_log_tell_what_was_reused_and_what_was_not(runs):
    run_id = run_of(runs, "both", "otter-3m")  # unfinished
    open_phases = [one for one in lineage(runs, run_id).phases if one.state != "done"]
    assert any(one.nearest.endswith(")") and "nearest: " in one.nearest for one in open_phases)
    record = read_record(runs, run_id)
    assert reused(None, record.created) == ""
    assert reused(record.created, record.created) == ""
    before = record.created.replace(year=2020)
    assert reused(before, record.created).startswith("reused: finished 2020-")
