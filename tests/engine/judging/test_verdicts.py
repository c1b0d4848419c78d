"""What a judge is shown, how its verdict is read, and what verdicts come to."""

from __future__ import annotations

from typing import Any

import pytest

from engine.judging.prompt import REQUEST, comparison
from engine.judging.verdicts import read_verdict, tally
from engine.schema.records import JudgedAnswers


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("22 + 4 = 26. A says 26. B says 7.\nVerdict: A", "A"),
        ("**Verdict: B**", "B"),
        ("Final verdict: [[tie]].", "tie"),
        ("Verdict: A\nOn reflection:\nverdict is answer B\nThank you.", "B"),
        (REQUEST, None),  # said back, it prefers nobody
        ("Verdict: A or B", None),
        ("Verdict: Answer both", None),
        ("A is better", None),
        ("", None),
    ],
)
def test_reading_a_verdict(text: str, label: str | None) -> None:
    assert read_verdict(text) == label


def test_the_judge_sees_question_options_and_both_answers() -> None:
    text = comparison("Which way?", ("north", "east"), "one", "two")
    assert text.index("Which way?") < text.index("B) east") < text.index("[Answer A]\none\n")
    assert text.index("one") < text.index("[Answer B]\ntwo\n") < text.index(REQUEST)


def judged(straight: Any, swapped: Any, right: str = "", same: bool = False) -> JudgedAnswers:
    return JudgedAnswers(
        id="q",
        first_correct="1" in right,
        second_correct="2" in right,
        same=same,
        straight=straight,
        swapped=swapped,
    )


def test_only_a_preference_in_both_orders_counts() -> None:
    found = tally(
        [
            judged("first", "first", right="1"),
            judged("first", "first", right="2"),
            judged("second", "second", right="2"),
            judged("first", "second", right="1"),  # the first place, both times
            judged("second", "first", right="12"),  # the second place, both times
            judged("first", "tie"),
            judged("tie", "tie"),
            judged(None, "first"),
            judged(None, None, same=True),
        ]
    )
    assert found.questions == 9
    counts = [s.count for s in (found.first, found.second, found.tie, found.undecided)]
    assert counts == [2, 1, 2, 4]
    assert found.same == 1
    assert (found.flips.count, found.flips.total) == (2, 8)
    assert (found.unread.count, found.unread.total) == (1, 16)
    # shown first: straight first, or swapped second
    assert (found.first_place.count, found.first_place.total) == (6, 12)
    assert (found.agrees.count, found.disagrees.count, found.agrees.total) == (2, 1, 4)
    assert found.p == 1.0
    assert tally([judged("first", "first")] * 8).p == pytest.approx(2 / 2**8)  # the sign test
    assert tally([]).first.value is None
