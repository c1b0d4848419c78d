"""Extracts the answer that a text gives, with the rule that found it.

Rules are tried from the most explicit to the least; the first that finds an answer names its
*tier*, which is kept with every verdict. A text in which no rule finds one is *unparsed*.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from engine.scoring import choice, expression, number
from engine.scoring.own_turn import own_turn
from engine.scoring.text import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.interfaces import AnswerKind
    from engine.scoring.text import Rule


class Found(NamedTuple):
    """A found answer: a letter, a decimal number or LaTeX; both fields are None if unparsed."""

    answer: str | None
    tier: str | None


UNPARSED: Final = Found(None, None)
_TIERS: Final[dict[AnswerKind, Callable[[str, Asked], Iterator[Rule]]]] = {
    "choice": choice.tiers,
    "number": number.tiers,
    "math": expression.tiers,
}


def extract(
    kind: AnswerKind,
    text: str,
    choices: Sequence[str] = (),
    *,
    question: str = "",
    cut_off: bool | None = None,
) -> Found:
    """Extract the answer that ``text`` gives to a ``question`` with these ``choices``.

    ``cut_off``: whether the text was cut off by a token limit; None when that isn't known.

    Only the model's own turn is read, after its thinking: :mod:`engine.scoring.own_turn`.
    """
    asked = Asked(choices, question, cut_off)
    for part in own_turn(text, question):
        for tier, find in _TIERS[kind](part, asked):
            answer = find()
            if answer is not None:
                return Found(answer, tier)
    return UNPARSED
