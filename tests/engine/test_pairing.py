from __future__ import annotations

from typing import Any

import pytest

from engine.phases import pairing
from engine.phases.pairing import make_pair
from engine.schema.records import (
    Answer,
    ElicitedAnswers,
    Pair,
    Verdict,
)
from engine.schema.settings import ElicitSettings

RIGHT = Verdict(answer="9", tier="statement", correct=True)
WRONG = Verdict(answer="7", tier="statement", correct=False)


def both(plain: Verdict = WRONG, cot: Verdict = RIGHT) -> ElicitedAnswers:
    def answer(prompt: str, text: str, verdict: Verdict) -> Answer:
        return Answer(prompt=prompt, text=text, finish="stop", tokens=3, verdict=verdict)

    return ElicitedAnswers(
        id="q",
        question="4 + 5?",
        target="9",
        plain=answer("q", "The answer is 7.", plain),
        cot=answer("q^", "4 + 5 = 9. The answer is 9.", cot),
        teacher="Adding 4 and 5 gives 9. The answer is 9.",
    )


@pytest.mark.parametrize(
    ("settings", "answers", "expected"),
    [
        ({}, both(), ("student", "q^", "4 + 5 = 9. The answer is 9.", "The answer is 7.")),
        ({"pair_prompt": "plain"}, both(), ("student", "q", "4 + 5 = 9. The answer is 9.", None)),
        ({}, both(cot=WRONG), ("teacher", "q^", "Adding 4 and 5 gives 9. The answer is 9.", None)),
        ({"winner": "cot_always"}, both(cot=WRONG), ("student", "q^", None, None)),
        ({"winner": "cot_if_correct_else_drop"}, both(cot=WRONG), pairing.WRONG_REASONING),
        ({}, both(plain=RIGHT), ("student", "q^", None, "The answer is 7.")),  # not gated
        (
            {"objective": "dpo_answer"},
            both(plain=RIGHT),
            ("student", "q", "The answer is 7.", "4 + 5 = 9. The answer is 9."),
        ),
        ({"objective": "dpo_answer"}, both(), pairing.WRONG_ANSWER),
    ],
)
def test_the_gate(settings: dict[str, Any], answers: ElicitedAnswers, expected: Any) -> None:
    made = make_pair(answers, RIGHT, ElicitSettings(**settings))
    if isinstance(expected, str):
        assert made == expected
        return
    assert isinstance(made, Pair)
    found = (made.winner, made.prompt, made.chosen, made.rejected)
    for value, wanted in zip(found, expected, strict=False):
        assert wanted is None or value == wanted
    assert (made.prompt_plain, made.prompt_cot) == ("q", "q^")


def test_the_same_text_twice_is_no_pair() -> None:
    answers = both(plain=RIGHT)
    same = answers.model_copy(
        update={"plain": answers.plain.model_copy(update={"text": answers.cot.text + "\n"})}
    )
    assert make_pair(same, RIGHT, ElicitSettings()) == pairing.SAME_TEXT


def test_an_empty_chosen_answer_is_no_pair() -> None:
    answers = both(cot=WRONG)
    empty = answers.model_copy(update={"cot": answers.cot.model_copy(update={"text": " "})})
    assert make_pair(empty, RIGHT, ElicitSettings(winner="cot_always")) == pairing.NO_CHOSEN


def cut_off(answers: ElicitedAnswers, style: str) -> ElicitedAnswers:
    answer = getattr(answers, style).model_copy(update={"finish": "length"})
    return answers.model_copy(update={style: answer})


@pytest.mark.parametrize(
    ("settings", "answers", "expected"),
    [
        ({}, cut_off(both(), "cot"), ("teacher", "stop", "stop")),
        ({"winner": "cot_if_correct_else_drop"}, cut_off(both(), "cot"), pairing.CUT_OFF),
        ({"winner": "cot_always"}, cut_off(both(), "cot"), ("student", "length", "stop")),
        ({}, cut_off(both(), "plain"), ("student", "stop", "length")),  # the rejected isn't gated
        ({"objective": "dpo_answer"}, cut_off(both(plain=RIGHT), "plain"), pairing.CUT_OFF),
    ],
)
def test_what_is_cut_off_does_not_win(settings: Any, answers: Any, expected: Any) -> None:
    made = make_pair(answers, RIGHT, ElicitSettings(**settings))
    if isinstance(made, Pair):
        assert (made.winner, made.chosen_finish, made.rejected_finish) == expected
    else:
        assert made == expected


def test_a_rejected_answer_that_reasons_is_marked() -> None:
    answers = both(cot=RIGHT)
    steps = answers.plain.model_copy(update={"text": "4 + 3 = 7. 7 + 0 = 7. The answer is 7."})
    made = make_pair(answers.model_copy(update={"plain": steps}), RIGHT, ElicitSettings())
    assert isinstance(made, Pair)
    assert made.plain_has_steps
    plain = make_pair(answers, RIGHT, ElicitSettings())
    assert isinstance(plain, Pair)
    assert not plain.plain_has_steps


def thinking(text: str, finish: str = "stop") -> Answer:
    return Answer(prompt="q", text=text, finish=finish, tokens=9, verdict=RIGHT)  # type: ignore[arg-type]


def test_thoughts_are_left_out_of_pairs_or_kept() -> None:
    cot = thinking("<think>4 and 5... nine?</think>\n\n4 + 5 = 9. The answer is 9.")
    answers = both().model_copy(update={"cot": cot})
    dropped = make_pair(answers, RIGHT, ElicitSettings())
    kept = make_pair(answers, RIGHT, ElicitSettings(thinking="keep"))
    assert isinstance(dropped, Pair)
    assert isinstance(kept, Pair)
    assert dropped.chosen == "4 + 5 = 9. The answer is 9."
    assert kept.chosen == cot.text


def test_a_rejected_answer_that_never_came_to_its_answer_is_no_pair() -> None:
    answers = both().model_copy(update={"plain": thinking("<think>Let me see", "length")})
    assert make_pair(answers, RIGHT, ElicitSettings()) == pairing.ALL_THINKING
    assert isinstance(make_pair(answers, RIGHT, ElicitSettings(thinking="keep")), Pair)


def test_texts_that_differ_in_their_thoughts_only_are_the_same() -> None:
    answers = both(plain=RIGHT).model_copy(
        update={"plain": thinking("<think>hm</think>9."), "cot": thinking("<think>so</think>9.")}
    )
    assert make_pair(answers, RIGHT, ElicitSettings()) == pairing.SAME_TEXT
