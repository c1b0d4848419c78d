"""Hostile and odd model text: what is shown has the width it says and steers nothing."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from engine.schema.sanitize import one_line, visible
from tests.tui.hostile import CORPUS, FORBIDDEN


@pytest.mark.parametrize("name", CORPUS)
def test_nothing_that_steers_is_left_and_every_character_has_its_cells(name):
    shown = visible(CORPUS[name])
    assert not (set(shown) & FORBIDDEN) - {"\n"}
    for line in shown.split("\n"):
        assert cell_len(line) == sum(cell_len(char) for char in line)
        assert all(cell_len(char) >= 1 for char in line)
    shown.encode()


def test_what_people_read_stays():
    text = "x² ≤ 3 · naïve 日本語 – “quoted”\nnext [1] line"
    assert visible(text) == text
    assert visible("\x1b[31mred") == "␛[31mred"


def test_decomposed_letters_are_composed():
    assert visible("cafe\u0301") == "café"


def test_long_texts_are_cut_and_say_so():
    assert visible("ab" * 50_000, 10) == "ababababab…"
    assert visible("short", 10) == "short"
    assert one_line("a\nb\tc", 80) == "a b   c"
