from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from engine.schema.cards import (
    Endpoint,
    LocalWeights,
    ModelCard,
    Sampling,
    TaskSource,
)
from engine.schema.setting import source_of
from engine.schema.settings import (
    AnnotateSettings,
    ElicitSettings,
    GenerationSettings,
    InstructSettings,
    RefineSettings,
)
from engine.schema.specs import (
    AnnotateSpec,
    ElicitSpec,
    EvaluateSpec,
    InstructSpec,
    PhaseSpec,
    RefineSpec,
    TaskRef,
    Tracking,
)

CARD = ModelCard(name="s", family="f", source=LocalWeights(path="/a", revision="r1"))
TASK = TaskRef(name="csqa", source=TaskSource(hub="tau/commonsense_qa", revision="x"))
BASE: dict[str, Any] = {
    "annotate": AnnotateSpec(teacher=CARD, task=TASK, settings=AnnotateSettings(limit=4000)),
    "instruct": InstructSpec(student=CARD, demonstrations="annotate-0"),
    "elicit": ElicitSpec(student=CARD, adapter="instruct-0", demonstrations="annotate-0"),
    "refine": RefineSpec(student=CARD, adapter="instruct-0", pairs="elicit-0"),
    "evaluate": EvaluateSpec(model=CARD, task=TASK, prompt="plain"),
}


PINNED = {  # runs folders of people hold these names
    "annotate": "annotate-f18afb5cf5da3689",
    "instruct": "instruct-ee6b7cc58bedf0e9",
    "elicit": "elicit-2d106ba5e463a5d8",
    "refine": "refine-144503c391c50286",
    "evaluate": "evaluate-3fdfd835c6d2c501",
}


def source(**changes: Any) -> ModelCard:
    return CARD.model_copy(update={"source": CARD.source.model_copy(update=changes)})


@pytest.mark.parametrize("kind", BASE)
def test_a_spec_survives_its_file(kind: str) -> None:
    spec = BASE[kind]
    again = PhaseSpec.model_validate_json(spec.model_dump_json())
    assert again == spec
    assert again.id == spec.id


def test_what_was_done_before_is_found_again() -> None:
    assert {kind: spec.id for kind, spec in BASE.items()} == PINNED


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("annotate", {"teacher": source(revision="r2")}),
        ("annotate", {"teacher": CARD.model_copy(update={"sampling": Sampling(temperature=0.7)})}),
        ("annotate", {"settings": AnnotateSettings(limit=4000, keep="all")}),
        ("annotate", {"task": TaskRef(name="csqa", source=TaskSource(hub="x", revision="x"))}),
        ("annotate", {"seed": 1}),
        ("instruct", {"student": source(precision="fp32")}),
        ("instruct", {"settings": InstructSettings(learning_rate=1e-4)}),
        ("instruct", {"fraction": 50}),
        ("instruct", {"demonstrations": "annotate-1"}),
        ("elicit", {"settings": ElicitSettings(winner="cot_always")}),
        ("elicit", {"adapter": None}),
        ("refine", {"settings": RefineSettings(beta=0.2)}),
        ("refine", {"settings": RefineSettings(exclude=("q1",))}),
        ("evaluate", {"prompt": "cot"}),
        ("evaluate", {"limit": 10}),
        ("evaluate", {"data_seed": 1}),
        ("evaluate", {"answers": "annotate-0"}),
    ],
)
def test_what_determines_the_outcome_changes_the_fingerprint(
    kind: str, changes: dict[str, Any]
) -> None:
    assert BASE[kind].model_copy(update=changes).id != BASE[kind].id


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("annotate", {"teacher": source(path="/elsewhere")}),
        ("annotate", {"teacher": CARD.model_copy(update={"name": "other", "description": "d"})}),
        ("annotate", {"generation": GenerationSettings(max_batch=1)}),
        ("instruct", {"settings": InstructSettings(checkpoint_every=7)}),
        ("instruct", {"tracking": Tracking(report_to=("wandb",))}),
        ("refine", {"tracking": Tracking(project="p")}),
        ("elicit", {"round": 2}),
        ("refine", {"round": 2}),
    ],
)
def test_names_places_and_batching_do_not(kind: str, changes: dict[str, Any]) -> None:
    assert BASE[kind].model_copy(update=changes).id == BASE[kind].id


def test_exclusions_are_a_set() -> None:
    def refine(*ids: str) -> str:
        return str(BASE["refine"].model_copy(update={"settings": RefineSettings(exclude=ids)}).id)

    assert refine("a", "b") == refine("b", "a")


def test_prices_and_keys_are_not_identity() -> None:
    def spec(**changes: Any) -> AnnotateSpec:
        endpoint = Endpoint(kind="openai_compatible", base_url="http://u", model="m", **changes)
        card = ModelCard(name="t", family="f", source=endpoint)
        return AnnotateSpec(teacher=card, task=TASK)

    assert spec(price_in=3.0, api_key_env="A", concurrency=2, max_spend=1.0).id == spec().id


def test_another_gate_has_the_same_generations() -> None:
    other = BASE["elicit"].model_copy(update={"settings": ElicitSettings(winner="cot_always")})
    assert other.generation_key == BASE["elicit"].generation_key
    plainly = BASE["elicit"].model_copy(update={"settings": ElicitSettings(plain="answer_only")})
    assert plainly.id != BASE["elicit"].id
    assert plainly.generation_key == BASE["elicit"].generation_key  # replies are named by prompt
    bare = BASE["elicit"].model_copy(update={"adapter": None})
    assert bare.generation_key != BASE["elicit"].generation_key


def test_fingerprints_are_the_same_in_another_process() -> None:
    code = (
        "import sys; from engine.schema.specs import PhaseSpec;"
        "print(PhaseSpec.model_validate_json(sys.stdin.read()).id)"
    )
    spec = BASE["refine"]
    result = subprocess.run(
        [sys.executable, "-c", code],
        input=spec.model_dump_json(),
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONHASHSEED": "12345"},
    )
    assert result.stdout.strip() == spec.id


def test_strict_and_frozen() -> None:
    with pytest.raises(ValidationError, match="extra"):
        RefineSettings.model_validate_json(json.dumps({"bta": 0.1}))
    with pytest.raises(ValidationError):
        RefineSettings.model_validate_json(json.dumps({"beta": "0.1"}))
    with pytest.raises(ValidationError):
        BASE["refine"].settings.beta = 1.0
    with pytest.raises(ValidationError, match="exactly one"):
        LocalWeights(hub="a", path="b")


def test_every_setting_says_what_it_means_and_where_it_comes_from() -> None:
    for model in (AnnotateSettings, InstructSettings, ElicitSettings, RefineSettings):
        for name, field in model.model_fields.items():
            if name == "lora":
                continue
            assert field.description, name
            assert source_of(model, name) in {"P", "A", "I", "?", "ours"}
