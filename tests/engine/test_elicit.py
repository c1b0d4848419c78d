from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from engine.phases.alike import tell_alike
from engine.phases.elicit import _figures
from engine.phases.no_pairs import why_no_pairs
from engine.phases.pairing import ALL_THINKING, CUT_OFF, SAME_TEXT, WRONG_REASONING, make_pair
from engine.schema.cards import Sampling
from engine.schema.errors import SAME_AGAIN
from engine.schema.records import ElicitedAnswers, Pair
from engine.schema.settings import ElicitSettings
from engine.schema.specs import ElicitSpec
from engine.store.jsonlines import read_records
from engine.store.layout import ANSWERS, PAIRS, RunsFolder
from engine.tasks.prompts import NUMBER_INSTRUCTION, ONLY_THE_ANSWER
from tests.engine.test_pairing import RIGHT, WRONG, both
from tests.engine.training_helpers import Lab, demonstration, pair, student

if TYPE_CHECKING:
    from pathlib import Path


class Listener:
    """Stands in for a phase's context."""

    def __init__(self) -> None:
        self.codes: list[str] = []
        self.texts: list[str] = []

    def warn(self, text: str, code: str) -> None:
        self.codes.append(code)
        self.texts.append(text)

    def metric(self, step: int, **values: float) -> None:
        assert all(isinstance(v, float) for v in values.values())


def figures(*answers: Any) -> tuple[dict[str, Any], list[str]]:
    listener = Listener()
    made = [make_pair(a, RIGHT, ElicitSettings()) for a in answers]
    pairs = [m for m in made if isinstance(m, Pair)]
    return _figures(listener, list(answers), pairs, Counter()), listener.codes  # type: ignore[arg-type]


def test_counts() -> None:
    found, codes = figures(both(), both(cot=WRONG), both(plain=RIGHT))
    assert (found["questions"], found["pairs"]) == (3, 3)
    assert (found["winner_student"], found["winner_teacher"]) == (2, 1)
    assert found["cot_correct"] == pytest.approx(2 / 3)
    assert codes == []


def test_a_student_that_reasons_worse_is_told() -> None:
    _, codes = figures(both(plain=RIGHT, cot=WRONG), both(plain=RIGHT, cot=RIGHT))
    assert codes == ["cot-worse-than-plain"]


@pytest.mark.parametrize(
    ("settings", "reason", "advice"),
    [
        ({}, SAME_TEXT, "no gate helps .*: set elicit.plain to answer_only.*learning_rate"),
        ({"plain": "answer_only"}, SAME_TEXT, "alike: keep the two prompts apart with a lower"),
        ({}, WRONG_REASONING, "'elicit.winner' is too strict: set it to cot_if_correct_else"),
        ({}, CUT_OFF, "raise max_new_tokens"),
    ],
)
def test_no_pair_at_all_says_why_and_what_helps(
    settings: dict[str, Any], reason: str, advice: str
) -> None:
    said = why_no_pairs(7, {ALL_THINKING: 2, reason: 5}, ElicitSettings(**settings))
    counts = rf"\(5 dropped: {reason}, 2 dropped: {ALL_THINKING}\)"
    assert re.fullmatch(
        rf"no preference pair came out of 7 questions {counts}; .*{advice}.*; {SAME_AGAIN}", said
    )


def told(pairs: list[Pair], **settings: Any) -> list[str]:
    listener = Listener()
    tell_alike(listener, pairs, ElicitSettings(**settings))  # type: ignore[arg-type]
    return listener.texts


def pairs_with(steps: int, right: int, of: int) -> list[Pair]:
    return [
        pair(i).model_copy(
            update={"plain_has_steps": i < steps, "rejected_verdict": RIGHT if i < right else WRONG}
        )
        for i in range(of)
    ]


def test_rejected_answers_that_reason_too_are_told_with_both_shares() -> None:
    assert told(pairs_with(steps=3, right=8, of=8)) == []
    (half,) = told(pairs_with(steps=4, right=3, of=8))
    assert "in 4 of 8 (50 %) the rejected answer, given to the plain prompt, reasons" in half
    assert "in 3 of 8 (38 %) the rejected answer is right too" in half
    assert "set elicit.plain to answer_only" in half
    (asked,) = told(pairs_with(steps=8, right=0, of=8), plain="answer_only")
    (other,) = told(pairs_with(steps=8, right=0, of=8), objective="dpo_answer")
    assert "the chosen answer, given to the plain prompt" in other
    assert "was asked for the answer alone, but reasons" in asked
    assert told([]) == []


def test_the_answer_alone_is_asked_for_and_what_was_reasoned_is_not_asked_again(
    tmp_path: Path,
) -> None:
    lab = Lab(RunsFolder(tmp_path))
    questions = [demonstration(i) for i in range(3)]
    card = student(sampling=Sampling(max_new_tokens=12))
    paper = ElicitSpec(student=card, adapter=None, demonstrations=lab.annotated(questions))
    settings = ElicitSettings(plain="answer_only", pair_prompt="plain")
    alone = paper.model_copy(update={"settings": settings})
    first, second = (lab.attempt(spec) for spec in (paper, alone))

    before, after = (
        list(read_records(a.folder.out / ANSWERS, ElicitedAnswers)) for a in (first, second)
    )
    assert [a.cot for a in after] == [a.cot for a in before]
    replies = second.folder.work / "replies.jsonl"
    made_here = [line for line in replies.read_text().splitlines() if '"taken":true' not in line]
    assert len(made_here) == len(questions)
    for one, answer in zip(questions, after, strict=True):
        assert answer.plain.prompt == (
            f"{NUMBER_INSTRUCTION}\nQuestion: {one.question}\n{ONLY_THE_ANSWER}\nAnswer:"
        )
    made = list(read_records(second.folder.out / PAIRS, Pair))
    assert made
    prompts = {a.id: a.plain.prompt for a in after}
    assert all(p.prompt == p.prompt_plain == prompts[p.id] for p in made)

    few = lab.attempt(paper.model_copy(update={"settings": ElicitSettings(limit=2)}))
    drawn = list(read_records(few.folder.out / ANSWERS, ElicitedAnswers))
    assert len(drawn) == 2
    assert [a for a in before if a.id in {d.id for d in drawn}] == drawn
