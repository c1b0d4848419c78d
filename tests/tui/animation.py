"""Screens of a terminal as one animated SVG: a frame after another, in a loop, without a script.

Lines that several frames share are in the file once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from rich.cells import cell_len

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.style import Style
    from textual.strip import Strip

CELL, LINE, SIZE = 8.0, 17.0, 13.3  # width and height of a cell and size of the letters, in pixels
MARGIN = 10.0
BRAILLE, LAST = "\u2800", "\u28ff"
PLACES = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))  # of a dot, by its bit
# dots, or words with single spaces between: what is further apart gets a place of its own
_RUNS = re.compile(f"[{BRAILLE}-{LAST}]+|[^ {BRAILLE}-{LAST}]+(?: [^ {BRAILLE}-{LAST}]+)*")
PAPER, INK, DIM = "#121212", "#e0e0e0", "#8a8a8a"


@dataclass(frozen=True)
class Frame:
    """What a terminal showed, for how many seconds, and a line of explanation below it."""

    caption: str
    seconds: float
    lines: Sequence[Strip]


@dataclass
class _Shared:
    """Lines and colours by their text, numbered in the order in which they were first used."""

    known: dict[str, int] = field(default_factory=dict)

    def number(self, text: str) -> int:
        return self.known.setdefault(text, len(self.known))


def animated(frames: Sequence[Frame], columns: int) -> str:
    """The SVG's text. A reader who wants no motion sees the first frame."""
    lines, looks = _Shared(), _Shared()
    drawn = [_frame(number, frame, lines, looks) for number, frame in enumerate(frames)]
    width = columns * CELL + 2 * MARGIN
    height = (max(len(frame.lines) for frame in frames) + 2) * LINE + 2 * MARGIN
    shared = (f'<g id="l{n}">{text}</g>' for text, n in lines.known.items())
    return "\n".join(
        (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
            'xml:space="preserve">',
            f"<style>{''.join(_rules(frames, looks))}</style>",
            f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{PAPER}"/>',
            f"<defs>{''.join(shared)}</defs>",
            *drawn,
            "</svg>\n",
        )
    )


def _frame(number: int, frame: Frame, lines: _Shared, looks: _Shared) -> str:
    used = [
        f'<use href="#l{lines.number(text)}" y="{row * LINE:g}"/>'
        for row, strip in enumerate(frame.lines)
        if (text := "".join(_pieces(strip, looks)))
    ]
    below = MARGIN + (len(frame.lines) + 1.2) * LINE
    caption = f'<text class="said" x="{MARGIN:g}" y="{below:g}">{escape(frame.caption)}</text>'
    moved = f'transform="translate({MARGIN:g} {MARGIN:g})"'
    return f'<g class="f" id="f{number}"><g {moved}>{"".join(used)}</g>{caption}</g>'


def _pieces(strip: Strip, looks: _Shared) -> Iterator[str]:
    """A line's backgrounds and texts; blanks are left out, since nothing is seen of them."""
    at = 0
    for text, style, _ in strip:
        wide = cell_len(text)
        ink, paper = _colours(style)
        if paper != PAPER:
            yield _box(at, wide, looks.number(f"fill:{paper}"))
        look = looks.number(f"fill:{ink}{_weight(style)}")
        for part in _RUNS.finditer(text):
            left = at + cell_len(text[: part.start()])
            yield (_dots if BRAILLE <= part[0][0] <= LAST else _letters)(left, part[0], look)
        at += wide


def _letters(at: int, text: str, look: int) -> str:
    wide = cell_len(text) * CELL
    place = f'x="{at * CELL:g}" y="{LINE - 4:g}" textLength="{wide:g}"'
    return f'<text class="c{look}" {place}>{escape(text)}</text>'


def _dots(at: int, text: str, look: int) -> str:
    """Braille as dots, since many fonts have none: a character's lowest eight bits say which."""
    dots = (
        f"M{(at + cell + 0.27 + 0.5 * x) * CELL:.1f} {(0.14 + 0.25 * y) * LINE:.1f}h2v2h-2z"
        for cell, character in enumerate(text)
        for bit, (x, y) in enumerate(PLACES)
        if ord(character) >> bit & 1
    )
    return f'<path class="c{look}" d="{"".join(dots)}"/>'


def _box(at: int, wide: int, colour: int) -> str:
    size = f'x="{at * CELL:g}" width="{wide * CELL:g}" height="{LINE + 0.3:g}"'
    return f'<rect class="c{colour}" {size}/>'


def _colours(style: Style | None) -> tuple[str, str]:
    """Ink and paper of a style, as CSS names them."""
    ink, paper = INK, PAPER
    if style is not None:
        if style.color is not None and not style.color.is_default:
            ink = style.color.get_truecolor().hex
        if style.bgcolor is not None and not style.bgcolor.is_default:
            paper = style.bgcolor.get_truecolor().hex
        if style.reverse:
            ink, paper = paper, ink
        if style.dim:
            ink = DIM
    return ink, paper


def _weight(style: Style | None) -> str:
    if style is None:
        return ""
    bold = ";font-weight:bold" if style.bold else ""
    return bold + (";text-decoration:underline" if style.underline else "")


def _rules(frames: Sequence[Frame], looks: _Shared) -> Iterable[str]:
    yield (
        f"text{{font:{SIZE:g}px 'DejaVu Sans Mono',Menlo,Consolas,monospace;white-space:pre}}"
        f".said{{fill:{INK};font-weight:bold}}"
    )
    for look, number in looks.known.items():
        yield f".c{number}{{{look}}}"
    whole = sum(frame.seconds for frame in frames)
    yield f".f{{visibility:hidden;animation:{whole:g}s step-end infinite}}"
    begin = 0.0
    for number, frame in enumerate(frames):
        end = begin + frame.seconds
        hidden = "" if begin == 0 else "0%{visibility:hidden}"
        yield (
            f"@keyframes k{number}{{{hidden}{100 * begin / whole:.3f}%{{visibility:visible}}"
            f"{100 * end / whole:.3f}%{{visibility:hidden}}}}#f{number}{{animation-name:k{number}}}"
        )
        begin = end
    yield "@media (prefers-reduced-motion:reduce){.f{animation:none}#f0{visibility:visible}}"
