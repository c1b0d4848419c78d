"""Hostile and odd model text, and what must hold for a screen that shows it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.cells import cell_len

if TYPE_CHECKING:
    from textual.app import App

CORPUS = {
    "colour": "\x1b[31mred\x1b[0m",
    "clear screen": "a\x1b[2J\x1b[Hb",
    "title": "\x1b]0;owned\x07x",
    "one-byte escape": "\x9b31mred",
    "markup": "[red]not red[/red] [link=http://x]y[/link]",
    "broken markup": "[bold [/] [[] [/nothing] [@click=app.quit]press[/]",
    "right to left": "abc \u202edcba\u202c \u200fx \u05d0\u05d1",
    "zero width": "a\u200bb\u200cc\u200dd\ufeffe",
    "joined emoji": "\U0001f468\u200d\U0001f469\u200d\U0001f467 family \U0001f1e9\U0001f1ea",
    "variation": "\u2764\ufe0f heart",
    "marks": "Z\u0351\u036b\u0343\u036a\u0302a\u034a\u0302lgo",
    "private": "\ue000\U000f0000",
    "surrogate": "\ud800x",
    "nul": "a\x00b\x7fc",
    "line separators": "a\u2028b\u2029c\x0bd\x0ce\x85f",
    "carriage return": "aaaa\rbb\r\ncc",
    "backspace": "ab\b\bcd",
    "tab": "a\tb",
    "wide": "\u6f22\u5b57" * 60,
    "many lines": "line\n" * 5_000,
    "one long word": "x" * 100_000,
    "one long line": "word " * 20_000,
}
FORBIDDEN = {chr(c) for c in range(0x20)} | {chr(c) for c in range(0x7F, 0xA0)}
FORBIDDEN |= set(
    "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2069\ufeff\ufe0f"
)
OURS = re.compile(
    r"^(screen\.(source|view|panel|pane)_at\(\d+\)|app\.simulate_key\('\w+'\))?$"
)  # a click on a tab or on a key of the bottom line; nobody's text gives a number or a key


def faults(app: App[object]) -> list[str]:
    """What is wrong with what the screen shows now: characters that steer, lines that are longer
    or shorter than the screen, segments that are not as wide as they say, actions or links."""
    width, height = app.size
    found = []
    strips = app.screen._compositor.render_strips()
    if len(strips) != height:
        found.append(f"{len(strips)} lines on a screen of {height}")
    for number, strip in enumerate(strips):
        text = "".join(segment.text for segment in strip)
        if bad := set(text) & FORBIDDEN:
            found.append(f"line {number}: {sorted(map(hex, map(ord, bad)))}")
        if cell_len(text) != width:
            found.append(f"line {number}: {cell_len(text)} cells, not {width}: {text!r}")
        if any(cell_len(char) < 1 for char in text):
            found.append(f"line {number}: a character without a cell: {text!r}")
        styles = [segment.style for segment in strip if segment.style is not None]
        if any(style.link or not OURS.match(style.meta.get("@click", "")) for style in styles):
            found.append(f"line {number}: a link or an action: {text!r}")
    return found
