"""Hostile and odd model text: what is shown has the width it says and steers nothing."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from sirt_tui.plain import one_line, visible

HOSTILE = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear screen": "a\x1b[2J\x1b[Hb",
    "title": "\x1b]0;owned\x07x",
    "one-byte escape": "\x9b31mred",
    "markup": "[red]not red[/red] [link=http://x]y[/link]",
    "right to left": "abc \u202edcba\u202c \u200fx",
    "zero width": "a\u200bb\u200cc\u200dd\ufeffe",
    "joined emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 family",
    "variation": "\u2764\ufe0f heart",
    "marks": "Z\u0351\u036b\u0343\u036a\u0302a\u034a\u0302lgo",
    "private": "\ue000\U000f0000",
    "surrogate": "\ud800x",
    "nul": "a\x00b\x7fc",
    "line separators": "a\u2028b\u2029c\x0bd\x0ce\x85f",
    "carriage return": "aaaa\rbb\r\ncc",
    "backspace": "ab\b\bcd",
    "tab": "a\tb",
}
FORBIDDEN = {chr(c) for c in range(0x20)} - {"\n"} | {chr(c) for c in range(0x7F, 0xA0)}
FORBIDDEN |= set(
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2069\ufeff\ufe0f"
)


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_that_steers_is_left_and_every_character_has_its_cells(name):
    shown = visible(HOSTILE[name])
    assert not set(shown) & FORBIDDEN
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
