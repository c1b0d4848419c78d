"""Which part of a reply is read: after the thinking, before the next speaker."""

from __future__ import annotations

import pytest

from engine.scoring.extraction import UNPARSED, extract
from engine.scoring.thinking import without_thinking

PETS = ("cat", "dog", "parrot", "user")


def number(text: str, question: str = "") -> str | None:
    return extract("number", text, question=question).answer


@pytest.mark.parametrize(
    "text",
    [
        "<think>\nThe answer is 3, or so.\n</think>\n\nThe answer is 8.",
        "<THINKING>3 + 3 = 6</THINKING> 8",
        "< reasoning >3</ reasoning >\n<answer>8</answer>",
        "<thought>User: what?\nQuestion: 3?</thought>\nThe answer is 8.",
        "[THINK]Is it 3?[/THINK]It is 8.",
        "<seed:think>3</seed:think>8",
        "◁think▷3◁/think▷8",
        "<|begin_of_thought|>3<|end_of_thought|>\n<|begin_of_solution|>8<|end_of_solution|>",
        "<|START_THINKING|>3<|END_THINKING|><|START_RESPONSE|>8<|END_RESPONSE|>",
        "<|channel|>analysis<|message|>3?<|end|><|start|>assistant<|channel|>final<|message|>8",
        "analysisIt may be 3.assistantfinalThe answer is 8.",
        "Here is my thought process: 3.\nHere is my response: 8.",
        "The template opened this.\nQuestion: is the answer 3?\n</think>\n8",
        "<think>The answer is 3.</think>Or not.<think>4?</think>The answer is 8.",
        "I put no <think></think> between: 8",
        "In `<think>` tags I would say more. The answer is 8.",
    ],
)
def test_thinking_is_not_the_answer(text):
    assert number(text) == "8"


@pytest.mark.parametrize("kind", ["choice", "number", "math"])
def test_thinking_that_never_ends_answers_nothing(kind):
    for text in (
        "<think>The answer is A, \\boxed{4}. #### 4",
        "<think>a</think>\n<think>The answer is A, \\boxed{4}. #### 4",
        "<|channel|>analysis<|message|>The answer is A, \\boxed{4}. #### 4",
    ):
        assert extract(kind, text, PETS) == UNPARSED


def test_without_thinking():
    assert without_thinking("<think>\n1 + 1\n</think>\n\nTwo. ") == "Two."
    assert without_thinking("1 + 1\n</think>\nTwo.") == "Two."
    assert without_thinking("Two, or <think>three") == ""
    assert without_thinking(" I think two.\n") == " I think two.\n"


@pytest.mark.parametrize(
    "runaway",
    [
        "\nuser\nAnd of pears?\nassistant\nThe answer is 5.",
        "user\n\nAnd of pears?assistant\n\nThe answer is 5.",
        "assistant\n\nI was wrong, the answer is 5.",
        "\n\nHuman: And of pears?\n\nAssistant: The answer is 5.",
        "\n**User:** No, the answer is 5.",
        "\nUSER: more ASSISTANT: the answer is 5",
        "\n\n### Instruction:\nAdd.\n\n### Response:\nThe answer is 5.",
        "\n### Input\nThe answer is 5.",
        "\n\nQ: Ann has 2 pens.\nA: The answer is 5.",
        "\n\nProblem 2: Ann has 2 pens.\nSolution: #### 5",
        "\n\n**Question:** Ann has 2 pens.\n#### 5",
        "\n## Next Problem\nAnn has 2 pens.\n#### 5",
        "<|im_end|>\n<|im_start|>user\nMore<|im_end|>\n<|im_start|>assistant\nThe answer is 5.",
        "</s><s>[INST] More [/INST] The answer is 5.",
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nThe answer is 5.",
        "<end_of_turn>\n<start_of_turn>user\nMore\n<start_of_turn>model\nThe answer is 5.",
        "<|endoftext|>Some other text. The answer is 5.",
        "<｜end▁of▁sentence｜><｜User｜>The answer is 5.",
        "\nuser\nMore\nassistant\n<think>\nHmm\n</think>\nThe answer is 5.",
        "</s>",
        "<eos><pad><pad>",
    ],
)
def test_what_follows_the_own_turn_does_not_count(runaway):
    assert number("4 + 4 = 8. The answer is 8." + runaway) == "8"


@pytest.mark.parametrize(
    "text",
    [
        "assistant\n\nThe answer is 8.",
        "Assistant: The answer is 8.",
        "<|im_start|>assistant\nThe answer is 8.<|im_end|>",
        "<s> [INST] What are 3 and 5? [/INST] The answer is 8. </s>",
        "### Instruction:\nWhat are 3 and 5?\n### Response:\nThe answer is 8.",
        "Question: what are 3 and 5?\nThe answer is 8.",
        "Let us see.\n\nProblem: what are 3 and 5?\nSolution: The answer is 8.",
        "Let us see.\n### Response:\nThe answer is 8.",
    ],
)
def test_headers_and_restatements_belong_to_the_turn(text):
    assert number(text) == "8"


def test_another_speakers_answer_is_not_the_models():
    assert number("I can't say.\n\nUser: And now?\nAssistant: The answer is 5.") is None


def test_an_echo_of_the_question_ends_nothing():
    asked = "Ann has 3 pens and buys 5 pens more. How many pens does Ann have now?"
    echo = f"Here are 2 steps.\nQuestion: {asked}\nSolution: 3 + 5 = 8.\n#### 8"
    other = "It is 8.\nQuestion: A train goes 30 miles. How far is it?\n#### 30"
    assert number(echo, asked) == "8"
    assert number(other, asked) == "8"


def test_an_option_may_be_called_like_a_role():
    assert extract("choice", "user", PETS).answer == "D"
