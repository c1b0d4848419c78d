"""Where two texts differ."""

from __future__ import annotations

from sirt_tui.widgets.diff import WORDS, differences


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
