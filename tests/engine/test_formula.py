"""When two mathematical answers are equal: a table of pairs, and what makes them differ."""

from __future__ import annotations

from pathlib import Path

from engine.scoring.formula import same_formula

PAIRS = (Path(__file__).parent / "data" / "formula_pairs.txt").read_text(encoding="utf-8")


def pairs(sign: str) -> list[tuple[str, str]]:
    """The file's lines ``left == right`` or ``left != right``."""
    lines = [line.partition(f" {sign} ") for line in PAIRS.splitlines()]
    return [(left, right) for left, found, right in lines if found]


def test_what_is_equal():
    table = pairs("==")
    assert len(table) >= 150
    assert not [pair for pair in table if not same_formula(*pair)]


def test_what_is_not_equal():
    """A sign, a digit, an exponent, a base, an order, a bracket, or a part nobody understands."""
    table = pairs("!=")
    assert len(table) >= 180
    both_ways = [*table, *((right, left) for left, right in table)]
    assert not [pair for pair in both_ways if same_formula(*pair)]


def test_a_part_that_is_not_understood_equals_nothing():
    """Whatever is written behind, before or around an answer changes it or is no mathematics."""
    answers = (r"\frac{3}{56}", r"3\sqrt{13}", "x^2+1", "(2,5]", r"\{1,4\}", "52_8", "y=2x+3", "17")
    around = (
        (r"{}\foo", r"\foo{{{}}}", "{}'", "{}&3", "{}@", r"{}\\3", "{}}}{{3", "{} 3"),
        (r"{}\pmod 5", "{}_3", r"\overline{{{}}}", r"{}\cdot q", "{}!!", "{}?", "{},4", r"{}\int"),
    )
    changed = [(a, form.format(a)) for a in answers for forms in around for form in forms]
    assert not [pair for pair in changed if same_formula(*pair) or same_formula(*pair[::-1])]


def test_nothing_equals_nothing():
    assert not same_formula("", "")
    assert not same_formula("5", "")
    assert not same_formula("", "5")


def test_a_long_polynomial_is_no_endless_arithmetic():
    powers = [f"x^{{{n}}}" for n in range(12, 1, -1)]
    assert same_formula("+".join(powers), "+".join(reversed(powers)))
