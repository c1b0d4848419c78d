"""A first experiment: found models, defaults for every answer, a file that plans."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from engine.cli.main import sirt
from engine.commands import starting
from engine.commands.experiments import plan_experiment
from engine.planning import presets
from engine.schema.errors import UserError
from engine.store.layout import RunsFolder

WEIGHTS = Path(presets.resolve_card(
    presets.load_card("wren-1m"), presets.PRESETS / "models").weights.path or "")  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder to work in, with an empty cache of the hub, no GPU and no models at home."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("engine.machine.devices.gpus", lambda: ())
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def init(*words: str, given: str = "", monkeypatch: pytest.MonkeyPatch | None = None) -> None:
    if monkeypatch is not None:
        lines = iter(given.split("\n"))
        monkeypatch.setattr(
            "click.prompt", lambda text, default, show_default: next(lines) or default
        )
    sirt.main(["--runs", "runs", "init", *words], standalone_mode=False)


def test_without_a_question_it_is_the_embedded_experiment(place, capsys):
    init("--yes")
    text = (place / "experiment.yaml").read_text()
    assert text.count("#") > 8
    planned = plan_experiment(RunsFolder(place / "runs"), "experiment.yaml")
    assert (len(planned.plan.runs), planned.remarks) == (4, ())
    assert "sirt --runs runs run experiment.yaml --cpu" in capsys.readouterr().out
    init("--yes")  # it writes another, and leaves the first as it was
    assert (place / "experiment.yaml").read_text() == text
    assert (place / "experiment-2.yaml").is_file()
    with pytest.raises(UserError, match="is there already"):
        init("--yes", "--file", "experiment.yaml")


def test_a_folder_beside_it_is_found_and_its_card_is_written(place, monkeypatch, capsys):
    shutil.copytree(WEIGHTS, place / "models" / "my-model")
    init(given="\ncsqa\n\nhttp://127.0.0.1:9/v1 big one\nout/mine.yaml", monkeypatch=monkeypatch)
    assert f"my-model  ({place / 'models' / 'my-model'})" in capsys.readouterr().out
    planned = plan_experiment(RunsFolder(place / "runs"), "out/mine.yaml")
    cards = planned.resolved.cards
    assert cards["my-model"].source.origin.place == str(place / "models" / "my-model")
    assert cards["served"].source.origin.place == "big one at http://127.0.0.1:9/v1"
    assert planned.resolved.experiment.name == "mine"
    assert planned.resolved.experiment.tasks == ("csqa",)
    assert planned.remarks == ()


def test_fetched_models_are_at_hand(place, tmp_path):
    snapshot = tmp_path / "hub" / "models--org--Some-Model" / "snapshots" / "abc"
    shutil.copytree(WEIGHTS, snapshot)
    (tmp_path / "hub" / "models--org--Some-Model" / "refs").mkdir()
    (tmp_path / "hub" / "models--org--Some-Model" / "refs" / "main").write_text("abc")
    found = {one.name: one for one in starting.models_at_hand()}
    assert found["some-model"].card["source"]["hub"] == "org/Some-Model"
    assert starting.first_model(found.values()) == "some-model"
    assert {"wren-1m", "wren-3m", "otter-3m"} <= set(found)
    assert "qwen3-8b" not in found  # it would have to be downloaded
    init("--yes", "--task", "obqa")
    planned = plan_experiment(RunsFolder(place / "runs"), "experiment.yaml")
    assert planned.resolved.experiment.teachers == ("some-model",)  # no larger one is there


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--model", "wren-1n"], "did you mean 'wren-1m'"),
        (["--model", "."], "no model's folder"),
        (["--model", "gpt-3.5-turbo"], "can't learn"),
        (["--task", "gsm9k"], "did you mean 'gsm8k'"),
        (["--task", "mmlu"], "no task to train on"),
        (["--device", "3"], "no GPU; or give cpu"),
        (["--endpoint", "localhost:8000"], "expected an address and a model's name"),
    ],
)
def test_an_answer_that_cannot_be_used_is_told_and_nothing_is_written(place, words, said):
    with pytest.raises(UserError, match=said):
        init("--yes", *words)
    assert list(place.glob("*.yaml")) == []
