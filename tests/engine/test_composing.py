"""Drafts: read off presets and runs, changed key by key, planned like a file, saved as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.cli.experiments import device_request
from engine.commands import (
    composing,
    drafts,
    queue_changes,
)
from engine.commands import (
    device_request as placing,
)
from engine.commands.composing import Planned, Problem
from engine.commands.experiments import plan_experiment
from engine.machine import devices
from engine.machine.devices import Gpu
from engine.planning import presets
from engine.planning.history import Witness, likeness
from engine.queries import settings_form
from engine.scheduling.queue import DeviceRequest
from engine.schema.errors import UserError
from engine.store.layout import RunsFolder
from engine.store.run import read_run
from tests.tui.conftest import copy_recorded, take_weights_as_recorded

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = {setting.key: setting for setting in settings_form.settings()}
SMALL = {
    "name": "small",
    "teachers": ["wren-3m"],
    "students": ["wren-1m"],
    "tasks": ["pocket-sums"],
}


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    return RunsFolder(tmp_path / "runs")


SHIPPED = [name for name in presets.experiments() if name != "paper-grid"]  # it joins others


def planned(runs: RunsFolder, draft: settings_form.Draft) -> Planned:
    found = composing.plan(runs, draft)
    assert isinstance(found, Planned), found
    return found


def problems(runs: RunsFolder, draft: settings_form.Draft) -> tuple[Problem, ...]:
    found = composing.plan(runs, draft)
    assert not isinstance(found, Planned)
    return found


# --- where drafts come from ---


@pytest.mark.parametrize("name", SHIPPED)
def test_a_draft_of_a_preset_plans_what_the_preset_plans(runs, name):
    plan = plan_experiment(runs, name).plan
    assert planned(runs, drafts.draft_of_preset(name)).plan.runs == plan.runs


@pytest.mark.parametrize("name", SHIPPED)
def test_a_draft_of_a_run_plans_that_run(runs, name):
    seen = set()
    for spec in plan_experiment(runs, name).plan.runs:
        kind = (spec.arm, spec.fraction, spec.seed, spec.task != spec.refine_task)
        if kind not in seen:  # the rest differs in names
            seen.add(kind)
            draft = drafts.cell_of(drafts.draft_of_preset(name), spec)
            (again,) = planned(runs, draft).plan.runs
            assert again == spec, spec.title


def test_recorded_runs_are_composed_from_as_they_were(tmp_path, monkeypatch):
    recorded = copy_recorded(tmp_path / "runs")
    take_weights_as_recorded(recorded, monkeypatch)
    for run_id in recorded.run_ids():
        spec = read_run(recorded, run_id).spec
        (again,) = planned(recorded, drafts.draft_of_run(recorded, run_id)).plan.runs
        assert [phase.id for phase in again.phases] == [phase.id for phase in spec.phases]


def test_cards_sources_precision_and_seeds_of_a_run_are_kept(runs, tmp_path):
    (tmp_path / "rows").mkdir()
    rows = tmp_path / "rows" / "some.jsonl"
    rows.write_text('{"question": "1 + 1?", "final_ans": "2"}\n')
    text = """
name: mine
teachers: [served]
students: [wren-1m]
tasks: [multiarith]
arms: [both]
fractions: [50]
seeds: [3]
data_seed: 7
precision: bf16
max_new_tokens: 90
settings:
  refine: {lora: {r: 4}, exclude: [a, b]}
  evaluate: {prompts: [plain], split: train, limit: 5}
  generation: {max_batch: 3}
cards:
  - name: served
    family: other
    source: {kind: openai_compatible, base_url: "http://127.0.0.1:1/v1", model: m, price_in: 0.5}
sources:
  multiarith: {train: rows/some.jsonl, test: rows/some.jsonl}
"""
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    (spec,) = plan_experiment(runs, str(file)).plan.runs
    assert {phase.card.sampling.max_new_tokens for phase in spec.phases if phase.card} == {90}
    draft = drafts.draft_of_preset(str(file))
    for same in (draft, drafts.cell_of(draft, spec), drafts.draft_of_phases(spec)):
        (again,) = planned(runs, same).plan.runs
        assert again == spec
    assert draft["precision"] == "bf16"
    assert draft["settings"]["generation"] == {"max_batch": 3}


def test_rounds_families_and_a_teachers_own_demonstrations_come_back(runs, tmp_path):
    text = """
name: mine
teachers: [wren-3m, otter-3m]
students: [wren-1m]
family: in
tasks: [pocket-sums]
refine_tasks: [pocket-boxes]
evaluate_on: [pocket-sums, pocket-compass]
arms: [teacher, refine-only, both]
rounds: [1, 2]
report_to: [tensorboard]
settings:
  evaluate: {teacher_splits: [train, test], limit: 7, methods: [match, logprob]}
"""
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    for spec in plan_experiment(runs, str(file)).plan.runs:
        draft = drafts.cell_of(drafts.draft_of_preset(str(file)), spec)
        (again,) = planned(runs, draft).plan.runs
        assert again == spec
        (by_phases,) = planned(runs, drafts.draft_of_phases(spec)).plan.runs
        assert by_phases.fingerprint == spec.fingerprint


def test_what_is_no_experiment_is_refused_in_a_line(tmp_path):
    file = tmp_path / "list.yaml"
    file.write_text("- a\n- b\n")
    with pytest.raises(UserError, match="expected keys and values"):
        drafts.draft_of_preset(str(file))
    with pytest.raises(UserError, match="no such file"):
        drafts.draft_of_preset(str(tmp_path / "lost.yaml"))


# --- changing them ---


def test_every_setting_has_a_source_in_words_and_a_meaning():
    settings = [setting for setting in SETTINGS.values() if setting.path[0] == "settings"]
    assert len(settings) > 40
    assert all(setting.origin and setting.meaning for setting in settings)
    assert all(setting.meaning for setting in SETTINGS.values())
    assert SETTINGS["settings.instruct.learning_rate"].origin == "the paper's"
    assert SETTINGS["settings.refine.lora.r"].default == 8


def test_a_default_needs_no_word_in_the_file():
    beta, rank = SETTINGS["settings.refine.beta"], SETTINGS["settings.refine.lora.r"]
    changed = settings_form.with_value(settings_form.with_value(SMALL, beta, 0.5), rank, 16)
    assert changed["settings"] == {"refine": {"beta": 0.5, "lora": {"r": 16}}}
    assert settings_form.is_changed(changed, beta)
    assert settings_form.value_of(changed, rank) == 16
    back = settings_form.with_value(
        settings_form.with_value(changed, beta, beta.default), rank, rank.default
    )
    assert back == SMALL
    assert "settings" not in SMALL


def test_lists_and_choices_are_toggled():
    tasks, precision = SETTINGS["tasks"], SETTINGS["precision"]
    two = settings_form.toggled(SMALL, tasks, "csqa")
    assert two["tasks"] == ["pocket-sums", "csqa"]
    assert settings_form.toggled(two, tasks, "pocket-sums")["tasks"] == ["csqa"]
    assert "tasks" not in settings_form.toggled(SMALL, tasks, "pocket-sums")
    chosen = settings_form.toggled(SMALL, precision, "bf16")
    assert chosen["precision"] == "bf16"
    assert settings_form.toggled(chosen, precision, "bf16") == SMALL
    winner = SETTINGS["settings.elicit.winner"]
    assert (
        settings_form.value_of(settings_form.next_option(SMALL, winner), winner)
        == winner.options[1]
    )


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("settings.refine.learning_rate", "1e-6", 1e-6),
        ("settings.refine.epochs", "null", None),
        ("settings.refine.epochs", "none", None),
        ("settings.refine.beta", "", 0.1),
        ("seeds", "0, 1, 2", [0, 1, 2]),
        ("seeds", "[4]", [4]),
        ("name", "2024", "2024"),
        ("description", "a: b, [c", "a: b, [c"),
        ("settings.instruct.lora.targets", "all-linear", "all-linear"),
        ("settings.instruct.lora.targets", "[q_proj]", ["q_proj"]),
    ],
)
def test_what_is_typed_is_read_as_it_is_meant(key, text, value):
    setting = SETTINGS[key]
    assert settings_form.read(setting, text) == value
    if text:
        assert settings_form.read(setting, settings_form.typed(setting, value)) == value


def test_what_is_no_yaml_is_refused():
    with pytest.raises(UserError, match=r"refine\.beta:1: not valid YAML"):
        settings_form.read(SETTINGS["settings.refine.beta"], "{")


# --- checking and planning ---


def test_problems_are_told_at_their_keys(runs):
    wrong = SMALL | {"tasks": ["mmlu"], "evaluate_on": ["gsm8"]}
    assert problems(runs, wrong) == (
        Problem("tasks", "'mmlu' is for evaluation only; name it under 'evaluate_on'"),
        Problem("evaluate_on", "unknown task 'gsm8': did you mean 'gsm8k'?"),
    )
    wrong = SMALL | {"arms": ["bot"], "settings": {"refine": {"beta": "high"}}}
    assert [problem.key for problem in problems(runs, wrong)] == ["arms.0", "settings.refine.beta"]
    assert {problem.key for problem in problems(runs, {})} == {"name", "students", "tasks"}


def test_odd_shapes_are_problems_and_no_crashes(runs):
    for odd in ({"teachers": "wren-3m"}, {"settings": [1]}, {"sources": 3}, {"cards": [5]}):
        assert problems(runs, SMALL | odd)
        assert isinstance(settings_form.listed(SMALL | odd, SETTINGS["teachers"]), list)
        assert settings_form.value_of(SMALL | odd, SETTINGS["settings.refine.beta"]) == 0.1


def test_memory_is_told_by_kind_of_phase(runs, monkeypatch):
    plan = planned(runs, SMALL | {"arms": ["both"]})
    found = plan.estimate
    assert set(found.memory) == {"annotate", "instruct", "elicit", "refine", "evaluate"}
    assert found.memory_gib == max(found.memory.values())
    assert found.memory_basis == "estimated from the model's size"
    instruct = next(spec for spec in plan.plan.to_do if spec.kind == "instruct")
    past = {likeness(instruct): [Witness(1.0, 50.0, None)]}
    monkeypatch.setattr("engine.planning.estimate.history", lambda *_: past)
    found = planned(runs, SMALL | {"arms": ["both"]}).estimate
    assert (found.measured, found.memory_gib) == ({"instruct"}, 50.0)
    assert found.memory_basis == "measured in finished phases like it"


def test_what_is_shipped_is_offered():
    found = composing.shipped()
    names = {key: [choice.value for choice in choices] for key, choices in found.choices.items()}
    assert sorted(names["teachers"]) == presets.card_names()  # those at hand come first
    assert "mmlu" in names["evaluate_on"]
    assert "mmlu" not in names["tasks"]
    assert "toy models" in composing.about_preset("pocket")


# --- files ---


def test_a_saved_draft_is_a_file_that_plans_the_same(runs, tmp_path):
    draft = settings_form.with_value(SMALL, SETTINGS["settings.refine.learning_rate"], 3e-7)
    file = drafts.file_of(str(tmp_path / "new" / "mine"))
    drafts.save(draft, file)
    assert file.name == "mine.yaml"
    assert "learning_rate: 3e-7" in file.read_text()
    assert plan_experiment(runs, str(file)).plan.runs == planned(runs, draft).plan.runs
    with pytest.raises(UserError, match="is there already"):
        drafts.save(SMALL, file)
    drafts.save(SMALL, file, overwrite=True)
    assert drafts.draft_of_preset(str(file)) == SMALL
    with pytest.raises(UserError, match="give another path"):
        drafts.save(SMALL, file / "below.yaml")


def test_drafts_are_kept_each_in_a_file_of_its_own(runs):
    assert drafts.kept(runs) == ()
    one, two = drafts.new_place(runs, SMALL), drafts.new_place(runs, SMALL)
    drafts.keep(SMALL, one)
    drafts.keep(SMALL | {"name": "../up"}, two)
    assert {draft.path for draft in drafts.kept(runs)} == {one, two}
    assert {draft.name for draft in drafts.kept(runs)} == {"small", "../up"}  # a name, no place
    assert drafts.new_place(runs, {"name": "../up"}).parent == runs.drafts
    assert drafts.draft_of_preset(str(one)) == SMALL
    assert runs.run_ids() == []


# --- devices ---


def test_devices_are_held_against_what_is_here(monkeypatch):
    cards = tuple(Gpu(i, "H100", f"uuid-{i}", 81_920.0, 0.0, 0.0) for i in (0, 2))
    monkeypatch.setattr("engine.scheduling.launchers.local.LOOK_S", 0)  # nothing is remembered
    monkeypatch.setattr(devices, "gpus", lambda: cards)
    assert placing.device_request() == DeviceRequest(gpu_count=1)
    assert placing.device_request([2]) == DeviceRequest(gpus=(2,))
    assert placing.device_request([0, 2], 1) == DeviceRequest(gpus=(0, 2), gpu_count=1)
    assert placing.device_request(cpu=True) == DeviceRequest(cpu=True)
    with pytest.raises(UserError, match="no GPU 1 here; there are"):
        placing.device_request([1])
    with pytest.raises(UserError, match="this machine has 2"):
        placing.device_request(gpu_count=3)
    assert composing.gpu_sizes(cards) == (80.0,)
    monkeypatch.setattr(devices, "gpus", lambda: ())
    assert placing.device_request() == DeviceRequest(cpu=True)
    with pytest.raises(UserError, match="there are none"):
        placing.device_request([0])


def test_the_command_line_can_ask_for_some_out_of_named_cards(monkeypatch):
    cards = tuple(Gpu(i, "card", f"u{i}", 1.0, 0.0, 0.0) for i in range(3))
    monkeypatch.setattr("engine.scheduling.launchers.local.LOOK_S", 0)
    monkeypatch.setattr("engine.machine.devices.gpus", lambda: cards)
    request = device_request("0,1,2", 2, cpu=False)
    assert request == DeviceRequest(gpus=(0, 1, 2), gpu_count=2)
    assert queue_changes.requested(request) == "2 of 0,1,2"
    for given, said in [
        (("0,1", 3, False), "--gpus 0,1 --gpu-count 3: 2 are named; ask for 1 to 2"),
        ((None, 4, False), "--gpu-count 4: this machine has 3; ask for 1 to 3"),
        (("0,0", 2, False), "--gpus 0,0 --gpu-count 2: name each GPU once"),
        (("0,7", 1, False), "--gpus 0,7 --gpu-count 1: no GPU 7 here"),
        (("0", None, True), "--cpu means no GPU"),
        ((None, 2, True), "--cpu means no GPU"),
    ]:
        with pytest.raises(UserError, match=said):
            device_request(*given)
