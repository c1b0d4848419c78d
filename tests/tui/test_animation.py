"""The moving picture: frames follow each other; letters and dots stand where they stood."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tests.tui.animation import CELL, Frame, animated

PICTURE = Path(__file__).parents[2] / "docs" / "pictures" / "session.svg"
LARGEST = 1_500_000  # bytes
SVG = "{http://www.w3.org/2000/svg}"


def strip(text: str, style: Style | None = None) -> Strip:
    return Strip([Segment(text, style)])


def drawn(*frames: Frame) -> ElementTree.Element:
    return ElementTree.fromstring(animated(frames, 20))


def test_each_frame_is_seen_alone_and_for_its_time():
    first, second = Frame("first", 1.0, [strip("a")]), Frame("second", 3.0, [strip("b")])
    rules = drawn(first, second).findtext(f"{SVG}style") or ""
    shown = re.findall(r"@keyframes k\d\{(.*?)\}\}", rules)
    assert shown[0] == "0.000%{visibility:visible}25.000%{visibility:hidden"
    assert shown[1].endswith("25.000%{visibility:visible}100.000%{visibility:hidden")
    assert "animation:4s" in rules
    assert "prefers-reduced-motion" in rules


def test_text_keeps_its_cells_and_is_no_markup():
    found = drawn(Frame("<b>", 1.0, [strip("ab   <c> 日本 x")]))
    texts = found.iterfind(f".//{SVG}defs//{SVG}text")
    assert [
        (t.text, float(t.get("x")) / CELL, float(t.get("textLength")) / CELL) for t in texts
    ] == [
        ("ab", 0, 2),
        ("<c> 日本 x", 5, 10),
    ]


def test_colours_are_those_of_the_terminal():
    style = Style.parse("bold #ff0000 on #00ff00")
    found = drawn(Frame("", 1.0, [strip("a", style), strip("b", style + Style(reverse=True))]))
    rules = found.findtext(f"{SVG}style") or ""
    assert "fill:#ff0000;font-weight:bold" in rules
    assert "fill:#00ff00;font-weight:bold" in rules


def test_braille_is_drawn_as_its_dots():
    found = drawn(Frame("", 1.0, [strip("⠁⣿")]))
    (path,) = found.iterfind(f".//{SVG}path")
    assert (path.get("d") or "").count("M") == 1 + 8


def test_a_line_of_several_frames_is_in_the_file_once():
    same = strip("the same")
    found = drawn(Frame("", 1.0, [same]), Frame("", 1.0, [same]))
    assert len(found.findall(f"{SVG}defs/{SVG}g")) == 1
    assert len(found.findall(f".//{SVG}use")) == 2


def test_the_picture_of_the_readme_is_small_and_fetches_nothing():
    text = PICTURE.read_text(encoding="utf-8")
    assert PICTURE.stat().st_size < LARGEST
    assert len(ElementTree.fromstring(text).findall(f"{SVG}g")) >= 10
    assert re.findall(r"https?://[^\"']+", text) == ["http://www.w3.org/2000/svg"]
    assert "url(" not in text
    assert "<script" not in text
