"""Where two texts differ, word by word, and where in a text its answer stands; pure.

Both give spans (first and past-the-last character) of the text as it is shown.
"""

from __future__ import annotations

import re
from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

Span = tuple[int, int]
WORDS = 600  # compared of each text; the matcher's time grows with their product
LETTERS = "ABCDEFGHIJ"
_WORD = re.compile(r"\S+")
_NUMBER = re.compile(r"(?<![\w.])[-+−]?[$€£]?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_CLOSED = r"(?:[)\].:]|(?=\s*(?:$|\n)))"
_LED = r"(?:answer|option|choice|letter|boxed)\W{0,3}(?:is|was|be|:)?\W{0,4}"


def differences(left: str, right: str) -> tuple[list[Span], list[Span]]:
    """What only the one and only the other says, of their first :data:`WORDS` words."""
    mine, theirs = _words(left), _words(right)
    matcher = SequenceMatcher(
        None, [left[a:b] for a, b in mine], [right[a:b] for a, b in theirs], autojunk=False
    )
    only_left: list[Span] = []
    only_right: list[Span] = []
    for kind, i, j, k, m in matcher.get_opcodes():
        if kind != "equal":
            only_left += _joined(mine[i:j])
            only_right += _joined(theirs[k:m])
    return only_left, only_right


def _words(text: str) -> list[Span]:
    found: list[Span] = []
    for match in _WORD.finditer(text):
        if len(found) == WORDS:
            break
        found.append(match.span())
    return found


def _joined(words: Sequence[Span]) -> list[Span]:
    return [(words[0][0], words[-1][1])] if words else []


def answer_span(
    text: str, answer: str | None, tier: str | None = None, choices: Sequence[str] = ()
) -> Span | None:
    """The place that most likely gave the answer; None when it can't be found.

    The engine keeps what was extracted and by which rule, not where: this only guides the eye.
    """
    if not answer:
        return None
    if len(answer) == 1 and answer in LETTERS:
        number = LETTERS.index(answer)
        return _letter(text, answer, tier, choices[number] if number < len(choices) else "")
    numbers = [match.span() for match in _NUMBER.finditer(text)]
    same = [(a, b) for a, b in numbers if _plain(text[a:b]) == _plain(answer)]
    at = text.rfind(answer)
    return same[-1] if same else (at, at + len(answer)) if at >= 0 else None


def _letter(text: str, letter: str, tier: str | None, option: str) -> Span | None:
    """The letter behind "answer", else in brackets, else alone; else its option's text."""
    tail = rf"(?:\s?{re.escape(option)})?" if option else ""
    bare = rf"[(\[]?(?<!\w){letter}(?![\w'])[)\]]?[.:]?{tail}"
    patterns = (rf"(?i:{_LED})(?P<at>{bare})", rf"(?P<at>[(\[]?\b{letter}{_CLOSED}{tail})")
    for pattern in patterns if tier != "first_letter" else patterns[1:]:
        found = [match.span("at") for match in re.finditer(pattern, text)]
        if found:
            return found[0] if tier == "first_letter" else found[-1]
    if letter not in "AI":
        alone = [match.span() for match in re.finditer(bare, text)]
        if alone:
            return alone[-1]
    at = text.lower().rfind(option.lower()) if option else -1
    return (at, at + len(option)) if at >= 0 else None


def _plain(number: str) -> str:
    """``$1,200.50`` and ``1200.5`` are the same."""
    text = number.translate({ord(c): None for c in "$€£,+"}).replace("−", "-")
    return text.rstrip("0").rstrip(".") if "." in text else text
