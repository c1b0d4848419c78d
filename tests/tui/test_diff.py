"""Where two texts differ, and where in a text its answer stands."""

from __future__ import annotations

import pytest

from sirt_tui.widgets.diff import WORDS, answer_span, differences

CHOICES = ("north", "east", "south", "the far west")


def parts(text, spans):
    return [text[start:end] for start, end in spans]


def test_only_words_that_differ_are_told_neighbours_as_one():
    left = "Start south. market left: east. The answer is B"
    right = "Start south. bridge  left: west. The answer is B too"
    mine, theirs = differences(left, right)
    assert parts(left, mine) == ["market", "east."]
    assert parts(right, theirs) == ["bridge", "west.", "too"]


def test_equal_empty_and_wholly_other_texts():
    assert differences("a b", "a  b\n") == ([], [])
    assert differences("", "") == ([], [])
    assert differences("", "all of it") == ([], [(0, 9)])
    assert differences("x y", "z") == ([(0, 3)], [(0, 1)])


def test_long_texts_are_compared_as_far_as_it_is_told():
    left = "same " * (WORDS + 50) + "end"
    assert differences(left, left.replace("end", "other")) == ([], [])
    mine, _ = differences("word " * 5 + left, left)
    assert parts("word " * 5 + left, mine)[0] == "word word word word word"


@pytest.mark.parametrize(
    ("text", "answer", "tier", "shown"),
    [
        ("A man turns. The answer is B) east.", "B", "statement", "B) east"),
        ("(B) east, since A) north is behind", "B", "first_letter", "(B) east"),
        ("So it is B", "B", "last_letter", "B"),
        ("A man walks. It must be A", "A", "conclusion", "A"),
        ("he ends up in the far west after all", "D", "text", "the far west"),
        ("Is it A? No. The correct answer is: D) the far west", "D", "s", "D) the far west"),
        ("12 apples, then 1,200.50 in all; 12", "1200.5", "last_number", "1,200.50"),
        ("so 3/4 of it", "3/4", "statement", "3/4"),
        ("costs $18.00 today and 180 later", "18", "statement", "$18.00"),
        (r"hence \boxed{x^2+1}", "x^2+1", "boxed", "x^2+1"),
        ("-7 is it, not 7", "-7", "equation", "-7"),
    ],
)
def test_the_answer_is_found_where_it_was_given(text, answer, tier, shown):
    span = answer_span(text, answer, tier, CHOICES)
    assert span is not None
    assert text[slice(*span)].rstrip(".") == shown


def test_no_answer_no_place():
    assert answer_span("The answer is B", None) is None
    assert answer_span("nothing here", "C", "statement", ("x", "y", "z!")) is None
    assert answer_span("none", "42") is None
