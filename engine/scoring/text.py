"""Converts a model's text with mark-up to plain text, so that the tiers see words only.

This is linear in the text's length. Afterwards no white space is longer than one character, so
that the tiers' regular expressions need no unbounded repeats and stay linear too.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LETTERS: Final = "ABCDEFGHIJ"


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that a text answers, and whether the text was cut off.

    Attributes:
        choices: option texts in the order of their letters.
        question: its wording, without the options; "" where it isn't known.
        cut_off: the text was cut off by a token limit, so its end concludes nothing; False where
            it is known to have ended by itself, None where nobody knows and its looks decide.
    """

    choices: Sequence[str] = ()
    question: str = ""
    cut_off: bool | None = None


Rule = tuple[str, Callable[[], str | None]]  # a tier's name, and what looks for an answer

_INVISIBLE: Final = dict.fromkeys(
    [0, 0xAD, 0xFEFF, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x206A)]
)
_FULL_WIDTH: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {
    first + n: ord("A") + n
    for first in (0x24B6, 0x1F110, 0x1F130, 0x1F150, 0x1F170)
    for n in range(26)
}  # and Ⓐ, 🄐, 🄰, 🅐, 🅰
_SIGNS: Final = str.maketrans(
    {"−": "-", "–": "-", "‐": "-", "‑": "-", "—": " - ", "’": "'", "‘": "'", "“": '"', "”": '"'}
    | {"。": ". ", "、": ", ", "＄": "$", "⁄": "/", "→": "->", "⇒": "=>"}
)
_EMPHASIS: Final = re.compile(r"\*\*|__|`|</?(?:b|i|em|strong|u|code)>")
_ANSWER: Final = re.compile(r"(?<=\b[Aa])(?:nwser|sn?wer|wnser|nser|nsewr|nswear|nwer)(?=s?\b)")
_FONT: Final = re.compile(
    r"\\(?:text(?:bf|it|rm|sf|tt)?|math(?:bf|rm|it|sf|bb|cal)|mbox|boldsymbol)\s?\{([^{}]*)\}"
)
_MATH_MARKS: Final = re.compile(r"\\[()\[\]]|\$\$")
_THIN_SPACE: Final = re.compile(r"\\[,;:!]|~")
_BLANKS: Final = re.compile(r"[^\S\n]+")
_LINES: Final = re.compile(r" ?\n[ \n]*")


@lru_cache(maxsize=2_000)
def plain(text: str) -> str:
    """Remove emphasis, LaTeX fonts, invisible characters; typographic signs become ASCII."""
    if not text.isascii() or "\0" in text:
        text = text.translate(_INVISIBLE).translate(_FULL_WIDTH).translate(_SIGNS)
    text = _ANSWER.sub("nswer", _EMPHASIS.sub("", text))
    if "\\" in text:
        text = _FONT.sub(r"\1", _FONT.sub(r"\1", text))
    text = _MATH_MARKS.sub("$", text)
    text = text.replace("{,}", ",").replace("\\$", "$").replace("\\%", "%")
    text = _THIN_SPACE.sub("", text)
    return _LINES.sub("\n", _BLANKS.sub(" ", text)).strip()


_SENTENCE_END: Final = re.compile(r"[.!?](?=\s|$)|\n")
_TO_LAST_END: Final = re.compile(rf"(?s:.*)(?:{_SENTENCE_END.pattern})")


def sentence_from(text: str, start: int, longest: int = 400) -> str:
    """The text from ``start`` to the end of that sentence or line, at most ``longest`` long."""
    end = _SENTENCE_END.search(text, start, start + longest)
    return text[start : end.start() if end else start + longest]


def sentence_before(text: str, end: int, longest: int = 120) -> str:
    """The part of the sentence before ``end``, at most ``longest`` characters."""
    window = text[max(0, end - longest) : end]
    cut = _TO_LAST_END.match(window)
    return window[cut.end() :] if cut else window


_NEXT: Final = re.compile(
    r"(?<=[.!?])(?<!\b[A-Z]s\.)(?<!\b[MD][rs]\.)(?<!\bMrs\.)(?<!\bi\.e\.)(?<!\be\.g\.)\s|\n"
)
_SAYS: Final = re.compile(r"\w")


def sentences(text: str) -> list[str]:
    """The text's sentences and lines that hold a word or a number."""
    return [part for part in _NEXT.split(text) if _SAYS.search(part)]
