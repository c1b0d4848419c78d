"""What of a setting counts for a phase's identity."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.schema.cards import (
    Endpoint,
    Frozen,
    ImportedAnswers,
    LocalWeights,
    ModelCard,
    ModelSource,
)
from engine.schema.identity import identity_of
from engine.schema.setting import setting
from engine.schema.specs import AnnotateSpec, PhaseSpec, TaskRef


class Inner(Frozen):
    rate: float = setting(0.5, "P", "there from the beginning")
    pull: float = setting(0.0, "ours", "added later", since="0.2")


class Outer(Frozen):
    steps: int = setting(10, "P", "there from the beginning")
    look: str = setting("off", "ours", "added later", since="0.2")
    inner: Inner = Inner()


def test_a_later_field_counts_only_where_it_was_changed() -> None:
    assert identity_of(Outer()) == {"steps": 10, "inner": {"rate": 0.5}}
    assert identity_of(Outer(look="on", inner=Inner(pull=1.0))) == {
        "steps": 10,
        "look": "on",
        "inner": {"rate": 0.5, "pull": 1.0},
    }


def test_finished_phases_of_before_keep_their_identity() -> None:
    """The recorded runs were made by an earlier version; their folders' names are their ids."""
    files = sorted(Path("tests/fixtures/runs").glob("phases/*/phase.json"))
    assert files
    for file in files:
        assert PhaseSpec.model_validate_json(file.read_bytes()).id == file.parent.name


SERVED = {"kind": "openai_compatible", "base_url": "http://x", "model": "m"}
TEMPLATE = {"chat_template": "/t", "template_revision": "q"}


@pytest.mark.parametrize(
    ("source", "fingerprint"),
    [
        (LocalWeights(hub="a/b"), "4752ce21c22d5641"),
        (LocalWeights(hub="a/b", revision="123", precision="bf16"), "2b941ef0511ec3bb"),
        (LocalWeights(path="/x"), "64413748b5707fa4"),
        (LocalWeights(path="/elsewhere"), "64413748b5707fa4"),
        (LocalWeights(path="/x", revision="r", **TEMPLATE), "cdb3aa6114dcfdd5"),
        (LocalWeights(hub="a/b", chat_template="/t"), "5366778c5d436b38"),
        (LocalWeights(hub="a/b", date="2024-01-02", trust_remote_code=True), "8dd4f6800ad7e693"),
        (Endpoint(**SERVED), "e7e1369ca3077ac9"),
        (Endpoint(**SERVED, price_in=1.0, max_spend=2.0), "e7e1369ca3077ac9"),
        (ImportedAnswers(kind="imported", path="/p"), "57a754212b347342"),
        (
            ImportedAnswers(kind="imported", path="/q", revision="h", answer_column="c"),
            "0c4e7a4e8d4248de",
        ),
    ],
)
def test_a_source_counts_as_it_did_in_version_0_1(source: ModelSource, fingerprint: str) -> None:
    card = ModelCard(name="m", family="f", source=source)
    assert AnnotateSpec(teacher=card, task=TaskRef(name="gsm8k")).fingerprint == fingerprint
