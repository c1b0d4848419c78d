"""Answers that a token limit cut off are not taught to end there."""

from __future__ import annotations

from engine.models.loading import load
from engine.phases import instruct, refine
from engine.schema.settings import InstructSettings, RefineSettings
from tests.engine.training_helpers import demonstration, pair, student


def test_a_demonstration_that_was_cut_off_has_no_end() -> None:
    tokenizer = load(student()).tokenizer
    cut_off = demonstration(3).model_copy(update={"finish": "length"})
    found = instruct.tokenise(tokenizer, [cut_off, demonstration(4)], InstructSettings())
    ends = [ids[-1] == tokenizer.eos_token_id for ids in found.input_ids]
    assert (ends, found.whole, found.truncated) == ([False, True], [False, True], 0)


def test_an_answer_of_a_pair_that_was_cut_off_has_no_end() -> None:
    tokenizer = load(student()).tokenizer
    pairs = [pair(1), pair(2).model_copy(update={"rejected_finish": "length"})]
    found = refine.tokenise(tokenizer, pairs, RefineSettings())
    ends = [
        [ids[-1] == tokenizer.eos_token_id for ids in found.columns[column]]
        for column in ("chosen_ids", "rejected_ids")
    ]
    assert ends == [[True, True], [True, False]]
    assert (found.whole, found.truncated) == ([True, False], 0)
