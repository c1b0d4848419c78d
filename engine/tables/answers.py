"""What can be said of answers, and what a judge prefers; shares in per cent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.schema.accuracy import NOTHING
from engine.schema.evaluation import Evaluation
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.queries.judgements import Judgement
    from engine.queries.quality import Measured
    from engine.schema.accuracy import Share
    from engine.tables.table import Cell

QUALITY = (
    "run", "answers of", "task", "prompt", "n", "with steps [95 %]", "words", "tokens",
    "repeated 4-grams", "steps true [95 %]", "steps", "all steps true [95 %]", "cut off",
)  # fmt: skip
JUDGED = (
    "A", "B", "task", "prompt", "judge", "n", "A better [95 %]", "equal", "undecided",
    "B better [95 %]", "sign p", "flips [95 %]", "prefers the right one [95 %]", "the wrong one",
    "of",
)  # fmt: skip


def quality(found: Iterable[Measured]) -> Table:
    """A line a run's phase, task and prompt."""
    note = (
        "What can be said of the answers without a judge: reasoning in steps, length, repeated "
        "four-grams, and the equations in the text that are true."
    )
    rows = tuple(map(_quality, found))
    return Table(QUALITY, rows, "quality", "Quality of the answers", note)


def _quality(one: Measured) -> tuple[Cell, ...]:
    found = one.quality
    return (
        one.run,
        one.kind,
        Evaluation(one.task, one.prompt, one.split).where,
        one.prompt,
        str(found.answers),
        found.with_steps,
        f"{found.words:.1f}",
        f"{found.tokens:.1f}",
        NOTHING if found.repetition is None else f"{100 * found.repetition:.1f}",
        found.true_steps,
        str(found.true_steps.total),
        found.sound,
        _alone(found.cut_off),
    )


def judgements(found: Iterable[Judgement]) -> Table:
    """A line a pair of runs, task and prompt."""
    note = (
        "A judge saw both answers to a question in both orders; one is better when it is "
        "preferred in both. Undecided: the judge contradicted itself or gave no verdict. "
        "Flips: it preferred the same place twice. The right one: of the questions that "
        "exactly one run answered correctly, those in which the judge prefers that answer."
    )
    rows = tuple(map(_judgement, found))
    return Table(JUDGED, rows, "judgements", "What a judge prefers", note)


def _judgement(one: Judgement) -> tuple[Cell, ...]:
    found = one.tally
    return (
        one.a,
        one.b,
        Evaluation(one.task, one.prompt, one.split).where,
        one.prompt,
        one.judge,
        str(found.questions),
        found.first,
        _alone(found.tie),
        _alone(found.undecided),
        found.second,
        f"{found.p:.2g}",
        found.flips,
        found.agrees,
        _alone(found.disagrees),
        str(found.agrees.total),
    )


def _alone(share: Share) -> str:
    """Without its interval; 0 where there is nothing to count."""
    return f"{100 * (share.value or 0):.1f}"
