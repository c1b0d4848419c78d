"""Committing: what is unclear is asked to be finished, kept beside the first reading, paid once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine import catalog
from engine.generation.local import LocalProvider
from engine.interfaces import Begun, Question
from engine.phases import committing
from engine.queries.evaluations import Evaluated
from engine.schema.cards import (
    Endpoint,
    LocalWeights,
    ModelCard,
    Sampling,
)
from engine.schema.evaluation import Evaluation
from engine.schema.jsonfile import read_json
from engine.schema.records import Prediction, Score
from engine.schema.settings import GenerationSettings
from engine.schema.specs import EvaluateSpec, TaskRef
from engine.store.jsonlines import read_records
from engine.store.layout import PREDICTIONS, SCORE
from engine.tasks.prompts import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.store.layout import PhaseDir
    from tests.engine.annotating import TeacherLab
    from tests.engine.misbehaving_server import MisbehavingServer

BOXES = catalog.task("pocket-boxes")
ITEMS = {
    render(BOXES.instruction, item.question, item.choices, "plain"): item
    for item in BOXES.load(BOXES.default_source, "test")
}
MODELS = Path(committing.__file__).parents[1] / "pocket" / "models"


def answers(prompt: str) -> str:
    """Half of the questions get a clear answer; the others muse, and commit when asked to."""
    if prompt.startswith("Therefore"):
        return "Sure. The answer is A."
    item = ITEMS[prompt]
    return f"The answer is {item.target}." if _is_clear(item.id) else "Hard to say from this."


def _is_clear(item: str) -> bool:
    return int(item.rpartition("-")[2]) % 2 == 0


@pytest.fixture
def says() -> Callable[[str], str]:
    return answers


def spec_of(server: MisbehavingServer, commit: bool = True) -> EvaluateSpec:
    source = Endpoint(
        kind="openai_compatible", base_url=server.url, model="m", price_in=1000.0, price_out=1000.0
    )
    card = ModelCard(name="m", family="f", source=source, sampling=Sampling(max_new_tokens=200))
    task = TaskRef(name="pocket-boxes", source=BOXES.default_source)
    return EvaluateSpec(model=card, task=task, prompt="plain", limit=20, commit=commit)


def predictions(folder: PhaseDir) -> list[Prediction]:
    return list(read_records(folder.out / PREDICTIONS, Prediction))


def test_only_unclear_answers_are_asked_and_both_accuracies_are_told(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    spec = spec_of(server)
    folder = lab.attempt(spec)
    said = predictions(folder)
    unclear = [p for p in said if not _is_clear(p.id)]
    assert unclear
    assert {p.id for p in said if p.committed} == {p.id for p in unclear}
    for p in unclear:
        assert p.committed is not None
        assert p.verdict.answer is None, "the first reading stays as it was"
        assert p.committed.verdict.answer == "A"
        assert p.committed.cue == "Therefore, among A through E, the answer is"
    score = Score.model_validate(read_json(folder.out / SCORE))
    assert score.correct == len(said) - len(unclear)
    assert score.committed is not None
    assert score.committed.asked == len(unclear)
    gained = sum(p.target == "A" for p in unclear)
    assert score.committed.correct == score.correct + gained
    assert score.committed.low < score.committed.accuracy < score.committed.high
    read, committed = Evaluated(spec, folder).accuracies
    assert read.evaluation == Evaluation("pocket-boxes", "plain")
    assert committed.evaluation.label == "pocket-boxes plain committed"
    assert committed.right.count == score.committed.correct
    assert dict(committed.tiers)["statement"] == len(said)
    counted = Evaluated(spec, folder).right("commit")
    assert sum(counted.values()) == score.committed.correct


def test_the_conclusion_is_asked_in_the_same_context_and_its_cost_counts(
    lab: TeacherLab, server: MisbehavingServer
) -> None:
    lab.attempt(spec_of(server))
    turns = [r["messages"] for r in server.requests if len(r["messages"]) > 1]
    assert turns
    for question, answer, cue in turns:
        assert question["content"] in ITEMS
        assert answer == {"role": "assistant", "content": "Hard to say from this."}
        assert cue["content"].startswith("Therefore, among A through")
    assert all(
        r["max_tokens"] == (committing.TOKENS if len(r["messages"]) > 1 else 200)
        for r in server.requests
    )
    cost = lab.views[0].cost
    assert cost is not None
    assert cost.requests == len(server.requests)


@pytest.mark.parametrize("first", [True, False])
def test_with_and_without_commitments_the_first_answers_are_paid_once(
    lab: TeacherLab, server: MisbehavingServer, first: bool
) -> None:
    one = lab.attempt(spec_of(server, commit=first))
    asked = sum(len(r["messages"]) == 1 for r in server.requests)
    other = lab.attempt(spec_of(server, commit=not first))
    assert one.id != other.id
    assert sum(len(r["messages"]) == 1 for r in server.requests) == asked
    assert [p.output for p in predictions(one)] == [p.output for p in predictions(other)]


def test_off_is_the_identity_of_before(server: MisbehavingServer) -> None:
    spec = spec_of(server, commit=False)
    assert "commit" not in spec._identity()
    assert spec.id == spec_of(server, commit=True).twin


def test_a_local_model_writes_on_behind_its_own_words() -> None:
    if not (MODELS / "wren-1m").is_dir():
        pytest.skip("the pocket model wren-1m is not built")
    source = LocalWeights(path=str(MODELS / "wren-1m"), precision="fp32")
    card = ModelCard(
        name="w", family="w", source=source, sampling=Sampling(max_new_tokens=8, temperature=0)
    )
    prompt = next(iter(ITEMS))
    bare = Question("bare", prompt, 0)
    led = Question("led", prompt, 0, begun=Begun("Thinking. ", "The answer is"))
    long = Question("long", prompt, 0, begun=Begun("word " * 5000, "The answer is"))
    teacher = LocalProvider(card, GenerationSettings(), lambda _: None)
    replies = {q.key: r for batch in teacher.answer([bare, led, long]) for q, r in batch}
    assert replies["led"].text != replies["bare"].text
    assert replies["led"].prompt_tokens > replies["bare"].prompt_tokens
    assert replies["long"].text.strip(), "of an answer that fills the context the end is kept"
