"""Where in a reply its answer was read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from engine.scoring.location import TRIALS
from engine.scoring.verdict import score_answer

CORPUS = Path(__file__).parent / "data"
WINDS = ("north", "east", "south", "the far west")


def place(kind, text, choices=()):
    verdict = score_answer(kind, text, "", choices)
    return verdict.span and text[slice(*verdict.span)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A man turns. The answer is B) east.", "B) east"),
        ("(B) east, since A) north is behind", "B) east"),
        ("So it is B", "B"),
        ("A man walks. It must be A", "A"),
        ("He ends up in the far west after all", "the far west"),
        ("Is it A? No. The correct answer is: D) the far west", "D) the far west"),
        ("The answer is **(b)**.", "b"),
        ("<think>The answer is A.</think>The answer is C.", "C"),
    ],
)
def test_the_place_of_an_option(text, shown):
    assert place("choice", text, WINDS) == shown


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        ("number", "12 apples, then the answer is 1,200.50; not 12", "1,200.50"),
        ("number", "He eats 3/4 of it. So 3/4 is the answer", "3/4"),
        ("number", "He walks for 180 minutes. It costs $18.00.", "$18.00"),
        ("number", "The answer is forty-two.", "forty-two"),
        ("number", "#### -7", "-7"),
        ("math", r"hence \boxed{x^2+1}", "x^2+1"),
        ("math", r"It is $x = 3$, so $2x = \frac{12}{2}$.", r"2x = \frac{12}{2}"),
    ],
)
def test_the_place_of_a_value(kind, text, shown):
    assert place(kind, text) == shown


def test_what_no_one_place_says_has_none():
    assert place("number", "Who knows?") is None
    assert place("number", "The answer is 2 hours and 30 minutes.") is None
    assert place("choice", "Not the north, nor the east, nor the south.", WINDS) is None
    assert place("choice", "The answer is (B)." + " A, B, C or D?" * TRIALS, WINDS) is None


def test_nearly_every_answer_of_the_corpora_has_a_place_that_holds_something():
    rows = [json.loads(x) for x in (CORPUS / "extraction_corpus.jsonl").read_text().splitlines()]
    verdicts = [
        (row["text"], score_answer(row["kind"], row["text"], "", row.get("choices", ())))
        for row in rows[::4]
    ]
    read = [(text, verdict) for text, verdict in verdicts if verdict.answer is not None]
    places = [text[slice(*verdict.span)] for text, verdict in read if verdict.span]
    assert len(places) > 0.85 * len(read)
    assert all(place.strip() for place in places)


def test_a_text_without_its_thinking_keeps_the_place_in_what_is_left():
    text = "<think>It may be 3.</think>\nThe answer is 4.\n"
    verdict = score_answer("number", text, "4")
    kept = "The answer is 4."
    moved = verdict.at_the_end(text, kept).span
    assert moved is not None
    assert kept[slice(*moved)] == "4"
    assert verdict.at_the_end(text, text) is verdict
    assert verdict.at_the_end(text, "").span is None
