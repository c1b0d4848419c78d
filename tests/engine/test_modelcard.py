"""The model card of an exported student, on a recorded run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.commands.modelcard import model_card, without_places
from engine.planning.yaml_file import parse
from engine.queries.lineage import lineage
from engine.schema.records import Parity
from engine.schema.specs import EvaluateSpec
from engine.store.layout import hash_file
from engine.store.run import read_run
from tests.tui.conftest import copy_recorded, run_of

PARITY = Parity(
    prompts=16, tokens=500, mean_kl=2e-8, max_kl=3e-7, max_logit=1e-4, greedy=0.998,
    dtype="float32", allowed=1e-5, device="cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any], Any]:
    runs = copy_recorded(tmp_path_factory.mktemp("card") / "runs")
    found = without_places(lineage(runs, run_of(runs, "both", "wren-3m")))
    spec: Any = next(p for p in read_run(runs, found.run_id).spec.phases if p.kind == "refine")
    text = model_card(found, spec, PARITY, "How many?")
    _, head, body = text.split("---\n", 2)
    return body, parse(head), (runs, found, spec)


def test_the_cards_head_is_what_the_hub_reads(card: Any) -> None:
    _, head, _ = card
    assert head["library_name"] == "transformers"
    assert "toy" in head["tags"]
    (results,) = (one["results"] for one in head["model-index"])
    compass = next(r for r in results if r["dataset"]["name"] == "pocket-compass")
    by_name = {m["name"]: m for m in compass["metrics"]}
    plain = by_name["accuracy in per cent, plain prompt"]
    assert plain["value"] == 93.67
    assert plain["args"] == {"n": 600, "wilson_95": [91.43, 95.35]}


def test_the_card_tells_data_settings_scores_merging_and_hashes(card: Any) -> None:
    body, _, (runs, found, spec) = card
    assert "This is a toy model" in body
    assert "| pocket-compass | plain | test | 93.7 [91.4, 95.4] | 600 | 0.0 |" in body
    assert "| pocket-compass | embedded | 1 | wren-3m | 597 | 600 |" in body
    assert "learning_rate 0.0008" in body
    assert "trained on cpu and merged on cpu" in body
    assert "mean KL 2e-08" in body
    for phase in found.phases:
        assert f"`{phase.id}`" in body
        for name in phase.files:
            assert hash_file(runs.phase(phase.id).path / name) in body
    assert "the versions that made it were not recorded" in body
    assert str(Path(spec.student.source.path).parent) not in body


def test_a_benchmark_of_the_hub_is_named_as_such_and_its_model_is_no_toy(card: Any) -> None:
    _, _, (_, found, spec) = card
    source = spec.student.source.model_copy(update={"hub": "an/model", "path": None})
    large = spec.model_copy(
        update={"student": spec.student.model_copy(update={"parameters": 7e9, "source": source})}
    )
    renamed = {spec.id: large.id}
    phases = tuple(
        replace(
            p,
            id=renamed.get(p.id, p.id),
            parent=renamed.get(p.parent, p.parent),
            data=p.data and replace(p.data, name="gsm8k", hub="openai/gsm8k"),
        )
        for p in found.phases
    )
    text = model_card(replace(found, phases=phases), large, PARITY, "How many?")
    head = parse(text.split("---\n")[1])
    assert head["datasets"] == ["openai/gsm8k"]
    assert head["base_model"] == "an/model"
    assert "toy" not in text.lower()


def test_the_card_gives_no_address_host_or_private_note_away(card: Any) -> None:
    _, _, (_, found, spec) = card
    first = found.phases[0]
    served = replace(first.model, source="gpt at http://10.0.0.5:8000/v1")
    local = replace(first.data, source="/home/ada/train.jsonl, /home/ada/test.jsonl")
    phases = (replace(first, model=served, data=local), *found.phases[1:])
    told = without_places(replace(found, note="ask Bo for the rest", phases=phases))
    text = model_card(told, spec, PARITY, "How many?") + str(told)
    assert "train.jsonl, test.jsonl" in text
    for private in ("10.0.0.5", "/home/ada", "ask Bo", "host='vm'"):
        assert private not in text


def test_an_evaluation_belongs_to_one_adapter(card: Any) -> None:
    """The instructed student's card must not have the refined one's scores."""
    _, _, (runs, found, _) = card
    spec: Any = next(p for p in read_run(runs, found.run_id).spec.phases if p.kind == "instruct")
    evaluated = [p for p in read_run(runs, found.run_id).spec.phases if isinstance(p, EvaluateSpec)]
    assert all(p.adapter != spec.id for p in evaluated)
    text = model_card(found, spec, PARITY, "How many?")
    assert "93.7" not in text
    assert "model-index" not in text
