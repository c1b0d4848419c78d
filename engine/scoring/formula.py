"""Mathematical expressions: where a text states one, and when two are equal.

Tiers: ``boxed``, ``statement`` ("the answer is ..."), ``formula`` (the last ``$...$``),
``last_number``. Equality is math-verify's, which knows LaTeX and simplifies.
"""

from __future__ import annotations

import logging
import re
import threading
from math import prod
from typing import TYPE_CHECKING, Final

from engine.scoring import number
from engine.scoring.boxed import last_boxed
from engine.scoring.text import plain, sentence_from

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.scoring.text import Asked, Rule

LONGEST: Final = 300  # characters; nothing longer is simplified
SECONDS: Final = 5

_CUE: Final = re.compile(
    r"\banswer\b(?:\s?(?::|=)|\s(?:is|was|would be|will be|should be|must be|equals))+:?\s?",
    re.IGNORECASE,
)
_FORMULA: Final = re.compile(r"\$([^$\n]{1,300})\$")
_POWER: Final = re.compile(r"\^\s?\{?\s?\(?-?([0-9]+)")
_TOWER: Final = re.compile(r"\^\s?[{(][^{}()]{0,50}[\^!]|\^\s?\w\s?\^|[0-9]{4,}\s?!|[!)}]\s?!|\*\*")


def tiers(text: str, asked: Asked) -> Iterator[Rule]:
    """The rules in order; each gives LaTeX without its dollar signs."""
    words = plain(text)
    yield "boxed", lambda: last_boxed(text.replace("\0", ""))
    yield "statement", lambda: _statement(words)
    yield "formula", lambda: next(reversed(_FORMULA.findall(words)), None)
    yield "last_number", dict(number.tiers(text, asked)).get("last_number", lambda: None)


def _statement(text: str) -> str | None:
    cues = list(_CUE.finditer(text))
    if not cues:
        return None
    stated = sentence_from(text, cues[-1].end())
    if _heads_a_solution(cues[-1], stated):
        return None
    between = _FORMULA.search(stated)
    answer = (between[1] if between else stated).strip(" $.")
    return answer if len(answer) <= LONGEST and not answer.lower().startswith("not ") else None


def _heads_a_solution(cue: re.Match[str], stated: str) -> bool:
    """``Answer: We have two cases. ...``: the text begins so, in words, and calculates later."""
    begins_in_words = cue.start() == 0 and ":" in cue[0] and re.match(r"[a-zA-Z]{2}", stated)
    return bool(begins_in_words and re.search(r"[$0-9]", cue.string[cue.end() + len(stated) :]))


def same_formula(target: str, answer: str) -> bool:
    """Whether the two are equal; ``target`` is the gold.

    math-verify's own time limit needs the main thread (it sets an alarm), so elsewhere there is
    none. No limit at all stops big-integer arithmetic, hence :func:`_is_cheap`.
    """
    if _squeezed(target) == _squeezed(answer):
        return True
    if not (_is_cheap(target) and _is_cheap(answer)):
        return False
    logging.getLogger("math_verify").setLevel(logging.ERROR)  # it warns of the missing limit
    from math_verify import parse, verify

    main = threading.current_thread() is threading.main_thread()
    limit = SECONDS if main else None
    gold = parse(f"${target}$", parsing_timeout=limit)
    given = parse(f"${answer}$", parsing_timeout=limit)
    return bool(gold and given and verify(gold, given, timeout_seconds=limit))


def _is_cheap(expression: str) -> bool:
    """Short, and without powers of powers or huge factorials (``9^{9^9}`` never ends)."""
    powers = [int(digits[:9]) for digits in _POWER.findall(expression)]
    return (
        len(expression) <= LONGEST
        and not _TOWER.search(expression)
        and prod(max(power, 1) for power in powers) <= 10_000
    )


def _squeezed(expression: str) -> str:
    """For equality by letter: no blanks, sizes or fraction styles."""
    for old, new in ((r"\dfrac", r"\frac"), (r"\tfrac", r"\frac"), (r"\left", ""), (r"\right", "")):
        expression = expression.replace(old, new)
    return re.sub(r"\\[,;:! ]|\s", "", expression).strip("$.")
