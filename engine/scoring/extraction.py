"""Which answer a text gives, and by which rule.

Rules are tried from the most explicit to the least; the first that finds an answer names its
*tier*, which is kept with every verdict. A text in which no rule finds one is *unparsed*.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from engine.scoring import choice, formula, number
from engine.scoring.text import Asked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from engine.interfaces import AnswerKind
    from engine.scoring.text import Rule


class Found(NamedTuple):
    """A letter, a plain decimal number, or LaTeX; both fields are None when unparsed."""

    answer: str | None
    tier: str | None


_NEXT_QUESTION: Final = re.compile(r"\n[ \t]{0,8}[#*]{0,4}[ ]?Question(?: [0-9]{1,3})?[ ]?:")
UNPARSED: Final = Found(None, None)
_TIERS: Final[dict[AnswerKind, Callable[[str, Asked], Iterator[Rule]]]] = {
    "choice": choice.tiers,
    "number": number.tiers,
    "math": formula.tiers,
}


def extract(
    kind: AnswerKind,
    text: str,
    choices: Sequence[str] = (),
    *,
    question: str = "",
    cut_off: bool = False,
) -> Found:
    """The answer that ``text`` gives to a ``question`` with these ``choices``.

    ``cut_off``: the text was cut off by a token limit.

    A model that doesn't know where to stop goes on with a question of its own and answers that;
    what it said before counts, if it answered anything there.
    """
    asked = Asked(choices, question, cut_off)
    own = _NEXT_QUESTION.split(text, maxsplit=1)[0]
    for part in dict.fromkeys((own, text)):
        for tier, find in _TIERS[kind](part, asked):
            answer = find()
            if answer is not None:
                return Found(answer, tier)
    return UNPARSED
