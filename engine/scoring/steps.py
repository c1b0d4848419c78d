"""Decides whether a text reasons in steps or only answers.

A heuristic, used for shares and never for what is right: what is left of the text without its
answer statement and the options' own texts counts as steps when it holds an equation or at
least :data:`WORDS` words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.scoring.text import plain

if TYPE_CHECKING:
    from collections.abc import Sequence

WORDS: Final = 8

_STATEMENT: Final = re.compile(
    r"(?:\b(?:so|thus|hence|therefore|then|and)\b,?\s)?"
    r"(?:\b(?:the|my)\s)?(?:\b(?:final|correct|right|best)\s)*"
    r"\b(?:answer|option|choice)\b(?:\s(?:to|for)\s(?:this|the)\s\w+)?\s?"
    r"(?:is|would be|:|=)[^\n]{0,400}?(?:[.!?](?=\s|$)|\n|$)",
    re.IGNORECASE,
)
_MARKED: Final = re.compile(r"####[^\n]*|\\boxed\{[^{}]*\}")
_EQUATION: Final = re.compile(r"[0-9)]\s?[-+*/x×÷]\s?[$(]?[0-9.,]+[^=\n]{0,60}=")
_WORD: Final = re.compile(r"\w[\w'.,/-]*")
_PREAMBLE: Final = re.compile(r"let's think step by step[.:]?", re.IGNORECASE)


def has_steps(text: str, choices: Sequence[str] = ()) -> bool:
    """Whether ``text`` gives reasons beside its answer; ``choices`` are not counted as such."""
    rest = plain(text)
    for option in sorted(choices, key=len, reverse=True):
        rest = rest.replace(plain(option), " ") if len(option) > 2 else rest
    rest = _PREAMBLE.sub(" ", _MARKED.sub(" ", _STATEMENT.sub(" ", rest)))
    return bool(_EQUATION.search(rest)) or len(_WORD.findall(rest)) >= WORDS
