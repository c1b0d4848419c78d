"""Scoring: what is extracted, what is equal, and what a score says."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.schema.records import Prediction, Verdict
from engine.scoring.boxed import last_boxed
from engine.scoring.extraction import extract
from engine.scoring.formula import same_formula
from engine.scoring.legacy import legacy_verdict
from engine.scoring.number import same_number
from engine.scoring.score import score
from engine.scoring.statistics import holm, mcnemar, share
from engine.scoring.steps import has_steps
from engine.scoring.verdict import score_answer

CORPUS = Path(__file__).parent / "data" / "extraction_corpus.jsonl"
CITIES = ("Michigan", "New York", "Amsterdam", "Venice", "Sydney")
FAMILIES = {
    "boxed": "explicit",
    "boxed_text": "text",
    "statement": "explicit",
    "hash": "explicit",
    "first_letter": "position",
    "last_letter": "position",
    "conclusion": "inferred",
    "last_sentence": "inferred",
    "mention": "inferred",
    "statement_text": "text",
    "statement_wording": "text",
    "superlative_text": "text",
    "text": "text",
    "wording": "text",
}


def corpus() -> list[dict]:
    return [json.loads(line) for line in CORPUS.read_text(encoding="utf-8").splitlines()]


def is_right(row: dict) -> bool:
    cut_off = row.get("cut_off")
    found = extract(row["kind"], row["text"], row.get("choices", ()), cut_off=cut_off)
    if row["kind"] == "math" and found.answer and row["answer"]:
        right = same_formula(row["answer"], found.answer)
    else:
        right = found.answer == row["answer"]
    family = FAMILIES.get(found.tier or "", found.tier)
    return right and row["family"] in (None, family)


def test_the_labelled_corpus():
    rows = corpus()
    wrong = [row for row in rows if not is_right(row)]
    assert len(rows) >= 300
    assert sum(row["answer"] is None for row in rows) >= 60, "hard negatives"
    assert not [row["text"] for row in wrong if row["must"]]
    assert len(wrong) <= 0.05 * len(rows), [row["text"] for row in wrong]


@pytest.mark.parametrize(
    ("kind", "text", "target", "choices", "correct"),
    [
        ("choice", "The answer is D) Venice.", "D", CITIES, True),
        ("choice", "The answer is C) Venice.", "D", CITIES, False),  # the letter counts
        ("number", "The answer is 18.00", "18", (), True),
        ("number", "The answer is $1,200.", "1200", (), True),
        ("number", "The answer is 0.5", "1/2", (), True),
        ("number", "The answer is 18.01", "18", (), False),
        ("math", "So \\boxed{0.375}", "\\frac{3}{8}", (), True),
        ("math", "So \\boxed{\\frac{3}{7}}", "\\frac{3}{8}", (), False),
    ],
)
def test_judge(kind, text, target, choices, correct):
    assert score_answer(kind, text, target, choices).correct is correct


def test_unparsed_is_wrong_and_has_no_tier():
    assert score_answer("number", "who knows", "4") == Verdict(
        answer=None, tier=None, correct=False
    )


@pytest.mark.parametrize("junk", ["12/0", "9" * 5000, "1/0/0", "The answer is 3/0."])
def test_hostile_numbers_raise_nothing(junk):
    score_answer("number", junk, "5")
    assert not same_number("1/0", "5")


def test_box_braces_are_balanced():
    assert last_boxed(r"\boxed{\frac{1}{2}} and \boxed{x_{1}^{2}}") == "x_{1}^{2}"
    assert last_boxed(r"\boxed{1} then \boxed{") == "1"
    assert last_boxed(r"$\boxed 5$") == "5"
    assert last_boxed("none") is None


def test_formulas_are_compared_off_the_main_thread():
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(same_formula, "x^2+1", "1+x^2").result()
        assert not pool.submit(same_formula, "x^2+1", "1-x^2").result()


def test_endless_arithmetic_is_not_begun():
    """Off the main thread nothing else would stop it."""
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from engine.scoring.formula import same_formula as same\n"
        r"towers = ('9^{9^{9}}', '9^9^9', '(9^{999})^{99999}', '99999!', '9!!!', '9**9**9', "
        r"r'\exp(\exp(\exp(9)))', r'\binom{2^{99}}{2^{98}}', '((999!)^{99})^{99}', "
        r"r'2^{99\cdot99\cdot99\cdot99}')"
        "\n"
        "with ThreadPoolExecutor(1) as pool:\n"
        "    assert not any(pool.map(lambda e: same('5', e), towers))\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


UNITS = ("answer ", "A) ", "(", " ", "\n", ":", "the answer is D or ", "\\boxed{", "$", "1,", "D\n")
LINES = ("user\n", "<think>", "Question:\n", "<|", "answer:\n", "1 2 ", "so 5, ", "one hundred ")


@pytest.mark.parametrize(
    "unit", [*UNITS, *LINES, "#", "not A but ", "\0", "🎉", "א", "9", "^{", "is not "]
)
def test_time_is_linear(unit):
    """Ten times the text takes about ten times the time, not a hundred."""

    def seconds(length: int) -> float:
        text = (unit * length)[:length]
        best = float("inf")
        for _ in range(2):
            began = time.process_time()
            score_answer("choice", text, "D", CITIES)
            score_answer("number", text, "5")
            score_answer("math", text, "5")
            has_steps(text, CITIES)
            legacy_verdict("choice", text, "D", CITIES)
            best = min(best, time.process_time() - began)
        return best

    assert seconds(6_000) < 40 * max(seconds(600), 0.002)


def test_wilson_matches_the_textbook():
    eight, none, all_right = share(8, 10), share(0, 50), share(50, 50)
    low, high = eight.low, eight.high
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)
    assert (share(0, 0).low, share(0, 0).high) == (0.0, 1.0)
    assert none.low == 0.0
    assert all_right.high == pytest.approx(1.0)


def test_mcnemar_and_holm():
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(1, 9) == pytest.approx(0.021484375)
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


STEPS = [
    ("12 + 5 = 17. 17 - 8 = 9. The answer is 9.", True),
    ("The answer is 9.", False),
    ("First, 12 plus 5 makes 17, 17 minus 8 makes 9. So the answer is: 9", True),
    ("So the answer is: 9", False),
    ("The answer is D) Venice.", False),
    ("D) Venice", False),
    ("\\boxed{D}", False),
    ("", False),
    ("The answer is D) Venice. Venice lies in Italy and is built on a hundred islands.", True),
    ("Since Venice has canals and is in Southern Europe, the answer is D.", True),
    ("He had 3 apples.\n3 + 4 = 7\n#### 7", True),
    ("#### 7", False),
]


@pytest.mark.parametrize(("text", "expected"), STEPS)
def test_has_steps(text, expected):
    assert has_steps(text, CITIES) is expected


def test_long_options_are_no_steps():
    option = "Provide the guinea pig with a cage full of a few inches of bedding. Add a dish."
    assert not has_steps(f"A) {option}", (option, "Something else altogether, of many words."))


@pytest.mark.parametrize(
    ("text", "letter", "tier"),
    [
        ("The answer is D) Venice", "D", "letter"),
        ("venise", "D", "difflib"),
        ("A is wrong, it is D", "A", "letter"),  # it is known to be lenient
        ("something else", None, None),
    ],
)
def test_legacy_matcher(text, letter, tier):
    verdict = legacy_verdict("choice", text, "D", CITIES)
    assert (verdict.answer, verdict.tier, verdict.correct) == (letter, tier, letter == "D")


def prediction(output: str, finish: str = "stop", legacy: bool = False) -> Prediction:
    return Prediction(
        id=output,
        question="q",
        choices=CITIES,
        target="D",
        prompt="p",
        output=output,
        finish=finish,
        tokens=len(output),
        verdict=score_answer("choice", output, "D", CITIES),
        legacy=legacy_verdict("choice", output, "D", CITIES) if legacy else None,
    )


def test_score():
    outputs = ["The answer is D", "D", "The answer is A", "no idea"]
    result = score(prediction(o, finish="length" if o == "D" else "stop") for o in outputs)
    assert (result.correct, result.total, result.accuracy) == (2, 4, 0.5)
    assert (result.low, result.high) == (share(2, 4).low, share(2, 4).high)
    assert (result.unparsed, result.truncated, result.with_steps) == (0.25, 0.25, 0)
    assert result.mean_tokens == sum(map(len, outputs)) / 4
    assert result.tiers == {"statement": 2, "first_letter": 1}
    assert result.legacy is None
    assert score([prediction("D", legacy=True), prediction("A")]).legacy == 1.0


def test_score_of_nothing():
    result = score([])
    assert (result.total, result.accuracy, result.low, result.high) == (0, 0.0, 0.0, 1.0)


def test_importing_scoring_is_light():
    code = (
        "import sys, engine.scoring.score, engine.scoring.verdict\n"
        "heavy = {'scipy', 'sympy', 'math_verify', 'numpy', 'torch'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
