"""What a plan says before launching: unusual settings, and models that have to be fetched."""

from __future__ import annotations

import json

import pytest

from engine.commands import composing
from engine.planning.downloads import in_short, is_cached, to_fetch
from engine.planning.presets import experiments, load_card, load_experiment
from engine.planning.sweep import leaves
from engine.planning.unusual import unusual
from engine.queries import settings_form
from engine.schema.experiment import Settings
from engine.schema.setting import usual_of
from engine.store.layout import RunsFolder
from tests.engine.test_composing import SMALL

SETTINGS = {setting.key: setting for setting in settings_form.settings()}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty cache of the hub's library."""
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    return tmp_path / "hf" / "hub"


@pytest.mark.parametrize(
    ("changes", "key", "said"),
    [
        ({"settings": {"refine": {"learning_rate": 100}}}, "settings.refine.learning_rate", "high"),
        ({"settings": {"refine": {"learning_rate": [1e-6, 100]}}},
         "settings.refine.learning_rate", "100 is unusually high"),
        ({"settings": {"refine": {"beta": 50}}}, "settings.refine.beta", "0.01 to 0.5"),
        ({"settings": {"instruct": {"epochs": 1000}}}, "settings.instruct.epochs", "1000 is"),
        ({"settings": {"instruct": {"lora": {"r": 4096}}}}, "settings.instruct.lora.r", "1 to 256"),
        ({"settings": {"instruct": {"learning_rate": 1e-12}}},
         "settings.instruct.learning_rate", "1e-12 is unusually low"),
        ({"settings": {"evaluate": {"limit": 10}}}, "settings.evaluate.limit", "50 and more"),
        ({"settings": {"refine": {"max_steps": 50}}}, "settings.refine.warmup_steps", "its peak"),
        ({"rounds": [1, 40]}, "rounds", "40 is unusually high"),
        ({"teachers": ["hot"], "cards": [{"name": "hot", "family": "o", "source": {
            "kind": "openai_compatible", "base_url": "http://127.0.0.1:1/v1", "model": "m"},
            "sampling": {"temperature": 1.9}}]}, "teachers", "hot: temperature 1.9 is unusually"),
    ],
)  # fmt: skip
def test_unusual_values_are_told_with_the_usual_ones_and_planned_all_the_same(
    tmp_path, changes, key, said
):
    found = composing.plan(RunsFolder(tmp_path), SMALL | changes)
    assert isinstance(found, composing.Planned), found
    assert said in dict(found.remarks)[key]


def test_the_defaults_and_the_presets_are_usual():
    for path, field in leaves(Settings, ()):
        usual, value = usual_of(field), Settings()
        for name in path:
            value = getattr(value, name)
        assert not (usual and usual.warning(value)), path
    for name in experiments():
        assert unusual(load_experiment(name)) == (), name


def test_everything_about_a_setting_is_told_at_the_spot():
    known = dict(settings_form.explained(SETTINGS["settings.refine.warmup_steps"]))
    assert known["unit"] == "steps"
    assert known["usual"].startswith("0 to 1000 (")
    assert known["default"] == "100"
    assert known["source of default"] == "the paper's text says so"
    assert known["in the file"] == "settings.refine.warmup_steps"
    assert "sweep" in known["several"]
    assert "sweep" not in dict(settings_form.explained(SETTINGS["tasks"]))["several"]


def put(hub, name, files, pointer="main"):
    folder = hub / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / pointer).write_text("abc")
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    for file, text in files.items():
        (snapshot / file).write_text(text)


def test_models_that_are_not_here_are_told_with_size_and_licence(hub):
    card = load_card("llama-3.2-1b")
    said = to_fetch(card)
    assert "meta-llama/Llama-3.2-1B-Instruct is not on this machine" in said
    assert "about 2.5 GB" in said
    assert "accept its licence" in said
    assert in_short(card) == "↓2.5 GB, licence"
    assert in_short(load_card("qwen3-0.6b")) == "↓1.2 GB"
    assert to_fetch(load_card("wren-1m")) == ""
    assert to_fetch(load_card("gpt-3.5-turbo")) == ""
    name = "meta-llama/Llama-3.2-1B-Instruct"
    put(hub, name, {"config.json": "{}", "model.safetensors": "x"})
    assert is_cached(name)
    assert not is_cached(name, "another")
    assert to_fetch(card) == ""


@pytest.mark.parametrize(("parts", "whole"), [(("a", "b"), True), (("a",), False)])
def test_half_a_download_is_not_there(hub, parts, whole):
    index = {"weight_map": {"one": "a.safetensors", "two": "b.safetensors"}}
    files = {"config.json": "{}", "model.safetensors.index.json": json.dumps(index)}
    put(hub, "org/model", files | {f"{part}.safetensors": "x" for part in parts})
    assert is_cached("org/model") is whole


def test_a_plan_and_the_choice_of_models_say_what_is_fetched(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    draft = SMALL | {"students": ["llama-3.2-1b"]}
    found = composing.plan(RunsFolder(tmp_path / "runs"), draft)
    assert isinstance(found, composing.Planned)
    (note,) = [note for note in found.notes if "llama-3.2-1b" in note]
    assert "HF_HUB_OFFLINE is set" in note
    offered = {c.value: c for c in composing.shipped().choices["students"]}
    assert "↓2.5 GB, licence" in offered["llama-3.2-1b"].note
