"""Option letters: which tier reads a reply, and where every tier has to keep still."""

from __future__ import annotations

import time

import pytest

from engine.scoring.extraction import extract

ROOMS = ("kitchen", "garage", "attic", "garden shed", "cellar")
PRICES = ("$1,250", "$1,300", "$1,325", "$1,400", "$1,450")
PANS = ("Rub the pan with coarse salt and a towel.", "Rub the pan with wet sand and a towel.")
AWKWARD = (
    ("reply", "ask", "answer", "write a letter", "option"),
    ("E. coli", "vitamin D", "Plan B", "a grade of A", "B-52"),
    ("it is not true", "never on a Sunday", "no", "neither here nor there", "always"),
    ("leaf", "so long", "the best", "I think", "wait"),
    ("dog", "dog house", "hot dog stand", "house", "cat"),
    ("3:45 p.m.", "10 a.m.", "5 in.", "1/2", "0.5%"),
    PANS,
)


@pytest.mark.parametrize(
    ("text", "choices", "answer", "tier"),
    [
        ("Hence \\boxed{B}.", ROOMS, "B", "boxed"),
        ("Hence \\boxed{\\text{the garden shed}}.", ROOMS, "D", "boxed_text"),
        ("Hence \\boxed{1325}.", PRICES, "C", "boxed_text"),
        ("The answer is (E) cellar.", ROOMS, "E", "statement"),
        ("E) cellar, where it is cool.", ROOMS, "E", "first_letter"),
        ("It has to be cool.\n\n(E) cellar", ROOMS, "E", "last_letter"),
        ("The best answer is the cellar.", ROOMS, "E", "statement_text"),
        ("The price comes to 1,325.00. The answer is 1325 dollars.", PRICES, "C", "statement_text"),
        ("Answer: Rubbing it with salt that is coarse.", PANS, "A", "statement_wording"),
        ("Answer: Celler.", ROOMS, "E", "statement_wording"),
        ("Wine wants it cool and dark, so it must be E.", ROOMS, "E", "conclusion"),
        ("The most likely place is (E) cellar. One may read there too.", ROOMS, "E", "conclusion"),
        (
            "(A) is warm. So wine would be kept there (E) in the dark.",
            ROOMS,
            "E",
            "last_sentence",
        ),
        ("Option E fits since wine is kept there. It is cool.", ROOMS, "E", "mention"),
        (
            "The best place is the cellar. A garage is warm.",
            ROOMS,
            "E",
            "superlative_text",
        ),
        ("Wine is kept in the cellar.", ROOMS, "E", "text"),
        ("She paid 1,325 dollars in the end.", PRICES, "C", "text"),
        ("Wine is usually kept in cellars.", ROOMS, "E", "wording"),
    ],
)
def test_the_tier_that_reads_a_reply(text, choices, answer, tier):
    assert extract("choice", text, choices) == (answer, tier)


@pytest.mark.parametrize("choices", AWKWARD, ids=lambda choices: choices[0])
def test_an_options_own_words_mislead_nobody(choices):
    """Words like "answer", a negation or another letter inside an option's text."""
    for letter, option in zip("ABCDE", choices, strict=False):
        other = "B" if letter == "A" else "A"
        second = choices["AB".index(other)]
        for text, answer in (
            (f"The answer is ({letter}) {option}", letter),
            (f"{letter}) {option}", letter),
            (f"Answer: {letter}. {option}\nIt is the one that fits.", letter),
            (f"({other}) {second} is wrong. ({letter}) {option} is correct.", letter),
            (f'The correct answer is "{option}".', letter),
            (f"\\boxed{{{letter}. {option}}}", letter),
            (f"The answer is ({letter}) {option} or ({other}) {second}", None),
            ("\n".join(f"({a}) {b}" for a, b in zip("ABCDE", choices, strict=False)), None),
            ("None of the options is right.", None),
        ):
            assert extract("choice", text, choices).answer == answer, text


WEAK = (
    "Toys that nobody needs any more are kept in the attic, since there is room for them and",
    "Option C has room for toys that nobody needs any more, and it is dry enough for the books",
    "(C) The attic is the room under the roof, where there is enough room for many toys, and it is",
    "He had many toys. They were kept in the attic, and the books in boxes that he kept in a",
)


@pytest.mark.parametrize("text", WEAK)
def test_the_end_of_a_reply_that_was_cut_off_concludes_nothing(text):
    assert extract("choice", text, ROOMS, cut_off=True) == (None, None)
    assert extract("choice", f"The answer is C. {text}", ROOMS, cut_off=True).answer == "C"


def test_a_reply_is_known_to_be_cut_off_by_its_looks():
    """It ends in the middle of a long sentence, or says the same again and again."""
    looping = "The attic is under the roof. There is room in it. " * 8
    long = "There is room for everything that a family has kept over the years. " * 3
    long += "First we look at the attic, and then we would have to look at the other rooms of the"
    for text in (looping, long):
        assert extract("choice", text, ROOMS) == (None, None)
    assert extract("choice", f"{long} house. So it is kept in the attic.", ROOMS).answer == "C"


@pytest.mark.parametrize(
    "reply",
    [
        "The answer is {} or {}.",
        "The answers are {} and {}.",
        "The answer could be {}, but it could also be {}.",
        "\\boxed{{{}, {}}}",
        "Answer: {}/{}",
        "The correct answer is either option ({}) or option ({}).",
    ],
)
def test_what_offers_several_leaves_the_choice_to_no_weaker_rule(reply):
    text = f"Wine is kept in the cellar. {reply.format('B', 'E')}"
    assert extract("choice", text, ROOMS) == (None, None)
    assert extract("choice", f"{text} It is cool, so it must be E.", ROOMS).answer == "E"


def test_a_refusal_is_no_answer_unless_an_option_says_it():
    text = "None of these. A cellar is too cold."
    assert extract("choice", text, ROOMS) == (None, None)
    assert extract("choice", "None of these.", (*ROOMS[:4], "none of these")).answer == "E"
    assert extract("choice", "It is hard to say, but the answer is E.", ROOMS).answer == "E"


def test_what_was_taken_back_does_not_count():
    taken = "The answer is A. \\boxed{A} Wait, that is not right."
    assert extract("choice", taken, ROOMS) == (None, None)
    assert extract("choice", f"{taken} It is the cellar.", ROOMS).answer == "E"


def test_statements_that_run_on_after_the_answer():
    """Answers to questions of the model's own follow, without a word between them."""
    answer = "Cars are kept in a place with a wide door. The answer is (B)."
    for more in (
        "\nThe answer is (C).\nThe answer is (A).",
        "\n\nNow, putting all the answers together:\nThe answer is (D).",
        "\nThe answer is (C).\nThe answer is (B)." * 5,
    ):
        assert extract("choice", answer + more, ROOMS).answer == "B", more
    later = " But wine rusts nothing, so that was hasty. The answer is (E)."
    assert extract("choice", answer + later, ROOMS).answer == "E"


UNITS = (
    "Answer: x\n",
    "The answer is D.\n",
    "(A) or ",
    "(A) attic, ",
    "attic is not ",
    "the most likely is (D), ",
    "wait, that is wrong. ",
    "\\boxed{A} and ",
    "go to the celler ",
    "none of the ",
    "1/2 = ",
    "all the answers: ",
)


@pytest.mark.parametrize("unit", UNITS)
def test_time_is_linear(unit):
    def seconds(length: int) -> float:
        text, best = (unit * length)[:length], float("inf")
        for _ in range(2):
            began = time.process_time()
            for choices in (ROOMS, PRICES, PANS):
                extract("choice", text, choices)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(12_000) < 40 * max(seconds(1_200), 0.002)
