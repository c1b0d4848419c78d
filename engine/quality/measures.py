"""Quality measures of answers; shares have Wilson's 95 % interval, means have none.

``repetition`` is rep-4 of Welleck et al. (2020), "Neural text generation with unlikelihood
training": of an answer's sequences of four words and signs, the share that had occurred in it
before; the mean over the answers of that length and more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
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
TEXTS: Final = 20_000  # whose measures are kept in memory
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


@dataclass(frozen=True, slots=True)
class _Measured:
    """One text: its words, its repetition if it is long enough, which of its steps are true."""

    words: int
    repetition: float | None
    with_steps: bool
    steps: tuple[bool, ...]


def quality(said: Iterable[Said]) -> Quality:
    """The measures of some answers; all are 0 without any."""
    rows = list(said)
    total = len(rows)
    found = [_measured(row.text, row.choices) for row in rows]
    calculating = [one.steps for one in found if one.steps]
    repeated = [one.repetition for one in found if one.repetition is not None]
    return Quality(
        answers=total,
        with_steps=share(sum(one.with_steps for one in found), total),
        cut_off=share(sum(row.finish == "length" for row in rows), total),
        words=fmean(one.words for one in found) if rows else 0.0,
        tokens=fmean(row.tokens for row in rows) if rows else 0.0,
        repetition=fmean(repeated) if repeated else None,
        true_steps=share(sum(map(sum, calculating)), sum(map(len, calculating))),
        sound=share(sum(map(all, calculating)), len(calculating)),
    )


@lru_cache(maxsize=TEXTS)
def _measured(text: str, choices: tuple[str, ...]) -> _Measured:
    """Measure a text once: greedy models of one experiment often answer alike."""
    pieces = _PIECE.findall(text)
    return _Measured(
        words=sum(piece[0].isalnum() for piece in pieces),
        repetition=repetition(pieces) if len(pieces) >= N else None,
        with_steps=has_steps(text, choices),
        steps=tuple(step.true for step in arithmetic_steps(text)),
    )


def repetition(pieces: list[str], n: int = N) -> float:
    """1 - distinct n-grams / n-grams, of at least ``n`` pieces."""
    grams = [tuple(pieces[i : i + n]) for i in range(len(pieces) - n + 1)]
    return 1 - len(set(grams)) / len(grams)
