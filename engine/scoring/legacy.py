"""The authors' matcher, for comparison only.

A reconstruction, inferred and not confirmed: a regular expression takes the first option letter
(or the last number), and without a letter the option whose text is most like the answer's
counts when difflib's ratio is at least 0.6. It is known to be lenient: it believes "A is wrong".
"""

from __future__ import annotations

import difflib
import re
from typing import TYPE_CHECKING, Final

from engine.schema.records import Verdict
from engine.scoring.formula import same_formula
from engine.scoring.number import same_number
from engine.scoring.text import LETTERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.interfaces import AnswerKind

RATIO: Final = 0.6
LONGEST: Final = 300  # characters of an answer that difflib compares

_LETTER: Final = re.compile(r"\b([A-J])(?:\)|\.|:|\b)")
_ANSWER: Final = re.compile(r"answer(?: is)?:?\s*", re.IGNORECASE)
_NUMBER: Final = re.compile(r"-?[0-9][0-9,]*(?:\.[0-9]+)?")


def legacy_verdict(
    kind: AnswerKind, text: str, target: str, choices: Sequence[str] = ()
) -> Verdict:
    """Like :func:`engine.scoring.verdict.score_answer`, but by the reconstructed matcher."""
    if kind == "choice":
        return _choice(text, target, choices)
    numbers = _NUMBER.findall(text)
    if not numbers:
        return Verdict(answer=None, tier=None, correct=False)
    answer = numbers[-1].replace(",", "")
    same = same_number if kind == "number" else same_formula
    return Verdict(answer=answer, tier="number", correct=same(target, answer))


def _choice(text: str, target: str, choices: Sequence[str]) -> Verdict:
    stated = _ANSWER.split(text)[-1].strip()
    valid = LETTERS[: len(choices)]
    letter = next((m[1] for m in _LETTER.finditer(stated) if m[1] in valid), None)
    if letter is not None:
        return Verdict(answer=letter, tier="letter", correct=letter == target)
    ratios = [
        difflib.SequenceMatcher(None, stated[:LONGEST].lower(), option.lower()).ratio()
        for option in choices
    ]
    best = max(ratios, default=0.0)
    if best < RATIO:
        return Verdict(answer=None, tier=None, correct=False)
    letter = valid[ratios.index(best)]
    return Verdict(answer=letter, tier="difflib", correct=letter == target)
