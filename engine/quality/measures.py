"""Quality measures of answers; shares have Wilson's 95 % interval, means have none.

``repetition`` is rep-4 of Welleck et al. (2020), "Neural text generation with unlikelihood
training": of an answer's sequences of four words and signs, the share that had occurred in it
before; the mean over the answers of that length and more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Final

from engine.quality.arithmetic import arithmetic_steps
from engine.scoring.statistics import share
from engine.scoring.steps import has_steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.schema.accuracy import Share
    from engine.schema.records import Finish

N: Final = 4
_PIECE: Final = re.compile(r"\w+(?:[.,']\w+)*|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Said:
    """One answer; ``tokens`` as counted by its generator."""

    text: str
    choices: tuple[str, ...]
    tokens: int
    finish: Finish


@dataclass(frozen=True, slots=True)
class Quality:
    """Measures of a phase's answers.

    ``with_steps``: answers that give reasons, not only a result. ``true_steps``: arithmetic
    steps that are true, of all that were found; its interval treats steps as independent, which
    those of one answer are not, so it is too narrow. ``sound``: answers without a false step, of
    those that have any step; that interval is right. ``repetition``: None without answers long
    enough.
    """

    answers: int
    with_steps: Share
    cut_off: Share
    words: float
    tokens: float
    repetition: float | None
    true_steps: Share
    sound: Share


def quality(said: Iterable[Said]) -> Quality:
    """The measures of some answers; all are 0 without any."""
    rows = list(said)
    total = len(rows)
    pieces = [_PIECE.findall(row.text) for row in rows]
    reasoned, steps = 0, []
    for row in rows:
        reasoned += has_steps(row.text, row.choices)
        steps.append([step.true for step in arithmetic_steps(row.text)])
    calculating = [found for found in steps if found]
    repeated = [repetition(p) for p in pieces if len(p) >= N]
    return Quality(
        answers=total,
        with_steps=share(reasoned, total),
        cut_off=share(sum(row.finish == "length" for row in rows), total),
        words=fmean(sum(p[0].isalnum() for p in row) for row in pieces) if rows else 0.0,
        tokens=fmean(row.tokens for row in rows) if rows else 0.0,
        repetition=fmean(repeated) if repeated else None,
        true_steps=share(sum(map(sum, steps)), sum(map(len, steps))),
        sound=share(sum(map(all, calculating)), len(calculating)),
    )


def repetition(pieces: list[str], n: int = N) -> float:
    """1 - distinct n-grams / n-grams, of at least ``n`` pieces."""
    grams = [tuple(pieces[i : i + n]) for i in range(len(pieces) - n + 1)]
    return 1 - len(set(grams)) / len(grams)
