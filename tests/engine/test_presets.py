from __future__ import annotations

import socket
from itertools import pairwise
from pathlib import Path

import pytest

from engine.planning import presets
from engine.planning.graph import make_plan
from engine.planning.presets import load_experiment
from engine.planning.yaml_file import load
from engine.schema.cards import LocalWeights, ModelCard
from engine.schema.errors import Problems, UserError
from engine.schema.experiment import Experiment
from engine.schema.specs import AnnotateSpec, TaskRef

GOOD = """
name: mine
teachers: [wren-3m]
students: [wren-1m]
tasks: [pocket-sums]
"""
BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]\n" for a, b in pairwise("abcdefg")
)


def problems(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserError) as caught:
        load_experiment(str(file))
    assert all(line.startswith(str(file)) for line in str(caught.value).splitlines())
    return [line.removeprefix(str(file)) for line in str(caught.value).splitlines()]


@pytest.mark.slow
def test_every_shipped_experiment_loads_and_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a network: nothing is looked up before a phase needs it."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("planning looked something up")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    names = presets.experiments()
    assert "pocket" in names
    for name in names:
        plan = make_plan(load_experiment(name), lambda _: False)
        assert plan.runs
        assert len(plan.phases) <= plan.of_the_runs_alone <= plan.naive


def test_every_shipped_card_loads() -> None:
    names = presets.card_names()
    assert names
    for name in names:
        card = load(presets.PRESETS / "models" / f"{name}.yaml", ModelCard)
        assert card.name == name
        presets.resolve_card(card, presets.PRESETS / "models")


def test_a_shipped_chat_template_is_found_from_everywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    resolved = load_experiment("main-in-family")
    for card in resolved.cards.values():
        assert isinstance(card.source, LocalWeights)
        file = Path(str(card.source.chat_template))
        assert file.is_absolute()
        assert "[INST]" in file.read_text()


def test_a_chat_template_counts_by_its_content_not_by_its_place(tmp_path: Path) -> None:
    def phase(folder: str, text: str) -> str:
        base = tmp_path / folder
        base.mkdir()
        (base / "chat.jinja").write_text(text)
        source = LocalWeights(hub="some/model", chat_template="chat.jinja")
        card = presets.resolve_card(ModelCard(name="m", family="f", source=source), base)
        return AnnotateSpec(teacher=card, task=TaskRef(name="csqa")).id

    assert phase("here", "{{ messages }}") == phase("there", "{{ messages }}")
    assert phase("changed", "{{ bos_token }}{{ messages }}") != phase("again", "{{ messages }}")


def test_all_problems_at_once_with_line_and_nearest_name(tmp_path: Path) -> None:
    text = GOOD + (
        "arm: [both]\nsettings:\n  refine: {learnin_rate: 1e-6, beta: high}\n"
        "  instruct: {lr: 1e-4, num_train_epochs: 2}\n"
        "  elicit:\n    winner: cot_alway\n"
    )
    assert problems(tmp_path, text) == [
        ":6: arm: unknown key; did you mean 'arms'?",
        ":8: settings.refine.beta: input should be a valid number, got 'high'",
        ":8: settings.refine.learnin_rate: unknown key; did you mean 'learning_rate'?",
        ":9: settings.instruct.lr: unknown key; did you mean 'learning_rate'?",
        ":9: settings.instruct.num_train_epochs: unknown key; did you mean 'epochs'?",
        ":11: settings.elicit.winner: 'cot_alway' is not a choice; did you mean 'cot_always'?",
    ]


def test_all_unknown_names_at_once(tmp_path: Path) -> None:
    text = GOOD.replace("wren-3m", "wren-3n").replace("pocket-sums", "pocket-sum")
    assert problems(tmp_path, text) == [
        ":3: teachers: no model card 'wren-3n'; did you mean 'wren-3m'?",
        ":5: tasks: unknown task 'pocket-sum': did you mean 'pocket-sums'?",
    ]


def test_names_are_looked_up_in_a_file_with_other_problems_too(tmp_path: Path) -> None:
    text = GOOD.replace("wren-1m", "wren-1n").replace("pocket-sums", "pocket-sum") + "seed: [1]\n"
    assert problems(tmp_path, text) == [
        ":4: students: no model card 'wren-1n'; did you mean 'wren-1m'?",
        ":5: tasks: unknown task 'pocket-sum': did you mean 'pocket-sums'?",
        ":6: seed: unknown key; did you mean 'seeds'?",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: [x", ":1: not valid YAML"),
        ("- a\n- b\n", ": expected keys and values, as in 'name: …', found a list"),
        ("", ": expected keys and values, as in 'name: …', found nothing"),
        (GOOD + "name: again\n", ":6: key 'name' is given twice"),
        (GOOD + "\tseeds: [0]\n", ":6: not valid YAML: while scanning"),
        (GOOD + "seeds:\0 [0]\n", ":6: not valid YAML: a control character (U+0000)"),
        (GOOD + "a: &a [*a]\n", ":6: not valid YAML: an alias of what it is in"),
        (BOMB, ": more than 100,000 values, aliases written out"),
        ("name: " + "[" * 500, ": not valid YAML: nested too deep"),
        ("#" * (1 << 20) + GOOD, ": 1 MB are too much for such a file"),
        (GOOD + "data_seed: 0y10\n", ":6: data_seed: input should be a valid integer, got '0y10'"),
        (GOOD + "seeds: [1:30]\n", ":6: seeds.0: input should be a valid integer, got '1:30'"),
        (GOOD + "seeds: [-1]\n", ":6: seeds.0: input should be greater than or equal to 0"),
        (GOOD + "arms: []\n", ":6: arms: is empty; name at least 1"),
        (GOOD + "1: 2\n", ":6: 1: unknown key"),
        (GOOD.replace("mine", "2024"), ":2: name: expected a text, got 2024; put it in quotes"),
        (GOOD.replace("mine", "../x"), ":2: name: '../x' is not valid: letters, digits"),
        (GOOD.replace("mine", "x" * 500), ":2: name: string should have at most 100 characters"),
        (
            GOOD + "settings: {refine: {learning_rate: 1e400}}\n",
            ":6: settings.refine.learning_rate: input should be a finite number, got inf",
        ),
        ("name: x\n", ":1: students: is missing; add it"),
        (GOOD.replace("[wren-3m]", "[]"), ":3: teachers: is empty, but arm 'teacher' needs one"),
        (GOOD + "seeds: [1, 1]\n", ":6: seeds: '1' is listed twice"),
        (GOOD + "sources: {csqa: {train: a}}\n", ":6: sources.csqa: no task of that name"),
        (
            GOOD + "cards: [{name: a, family: f, source: {kind: local}}]\n",
            ":6: cards.0.source: give exactly one of 'hub' (a hub id) and 'path' (a folder)",
        ),
        (
            GOOD + "cards: [{name: a, family: f, source: {kind: lokal, path: a}}]\n",
            ":6: cards.0.source.kind: 'lokal' is not a choice; did you mean 'local'?",
        ),
        (
            GOOD + "sources: {pocket-sums: {trian: a}}\n",
            ":6: sources.pocket-sums.trian: unknown key; did you mean 'train'?",
        ),
        (
            GOOD.replace("[wren-1m]", "[s]")
            + "cards: [{name: s, family: f, source: {kind: local, path: .}}]\n",
            ":4: students: card 's': /",
        ),
        (
            GOOD.replace("[wren-3m]", "[t]") + "cards: [{name: t, family: f, source: "
            "{kind: openai_compatible, base_url: 'http://x', model: m, max_spend: 5.0}}]\n",
            ":3: teachers: 't' has a max_spend but no price_in and price_out",
        ),
        (
            GOOD.replace("[wren-3m]", "[t]") + "cards: [{name: t, family: f, source: "
            "{kind: openai_compatible, base_url: 'http://x', model: m, max_spend: 0.5, "
            "price_out: 1000.0}, sampling: {max_new_tokens: 600}}]\n",
            ":3: teachers: 't' has a max_spend of 0.5 USD, less than one reply of max_new_tokens "
            "may cost (0.6)",
        ),
        (GOOD + "sources: {pocket-sums: {train: a}}\n", ":6: sources.pocket-sums: train: "),
    ],
    ids=lambda value: value[-40:],
)
def test_one_problem(tmp_path: Path, text: str, told: str) -> None:
    found = problems(tmp_path, text)
    assert any(line.startswith(told) for line in found), found


def test_a_missing_file_names_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    with pytest.raises(UserError, match=r"no such file; did you mean 'mine.yaml'\?"):
        load_experiment(str(tmp_path / "mne.yaml"))
    with pytest.raises(UserError, match="did you mean 'pocket'"):
        load_experiment("pokcet")


@pytest.mark.parametrize("written", ["1e-6", "1E-6", "0.000001", "1.0e-06"])
def test_floats_as_people_write_them(tmp_path: Path, written: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD + f"settings: {{refine: {{learning_rate: {written}}}}}\n")
    assert load(file, Experiment).settings.refine.learning_rate == 1e-6


@pytest.mark.parametrize("written", ["on", '"on"'])
def test_on_and_off_are_words(tmp_path: Path, written: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD + f"settings:\n  evaluate: {{commit: {written}}}\n")
    assert load(file, Experiment).settings.evaluate.commit == "on"


def test_merge_keys_numbers_with_a_zero_and_a_byte_order_mark(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    settings = "settings: {instruct: {<<: {epochs: 2}, batch_size: 8}}\n"
    file.write_text("\ufeff" + GOOD + "seeds: [010, 1_000]\n" + settings)
    found = load(file, Experiment)
    assert found.seeds == (10, 1000)
    assert (found.settings.instruct.epochs, found.settings.instruct.batch_size) == (2, 8)


def test_problems_of_the_file_come_before_problems_of_names(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD + "seed: [1]\n")
    with pytest.raises(Problems):
        load_experiment(str(file))


def test_a_folder_without_safe_weights_is_no_model(tmp_path: Path) -> None:
    card = ModelCard(name="s", family="f", source=LocalWeights(path="."))
    with pytest.raises(UserError, match=r"no config\.json"):
        presets.resolve_card(card, tmp_path)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"")
    with pytest.raises(
        UserError, match=r"no \*\.safetensors in it; pytorch_model\.bin is a pickle"
    ):
        presets.resolve_card(card, tmp_path)


def test_replaced_weights_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"one")
    before = presets.hash_weights(folder)
    (folder / "README.md").write_text("notes don't change what a model says")
    assert presets.hash_weights(folder) == before
    (folder / "model.safetensors").write_bytes(b"two")
    assert presets.hash_weights(folder) != before
