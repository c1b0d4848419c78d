"""Tables of answers' quality and of judges' preferences, with shares in per cent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.schema.evaluation import Evaluation
from engine.tables.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.queries.judgements import Judgement
    from engine.queries.quality import Measured
    from engine.schema.accuracy import Share


def _where(one: Measured | Judgement) -> str:
    return Evaluation(one.task, one.prompt, one.split).where


QUALITY: tuple[Column[Measured], ...] = (
    ("run", lambda one: one.run),
    ("answers of", lambda one: one.kind),
    ("task", _where),
    ("prompt", lambda one: one.prompt),
    ("n", lambda one: str(one.quality.answers)),
    ("with steps [95 %]", lambda one: one.quality.with_steps),
    ("words", lambda one: f"{one.quality.words:.1f}"),
    ("tokens", lambda one: f"{one.quality.tokens:.1f}" if one.quality.tokens else None),
    ("repeated 4-grams", lambda one: _per_cent(one.quality.repetition)),
    ("steps true [95 %]", lambda one: one.quality.true_steps),
    ("steps", lambda one: str(one.quality.true_steps.total)),
    ("all steps true [95 %]", lambda one: one.quality.sound),
    ("cut off", lambda one: _alone(one.quality.cut_off)),
)
QUALITY_NOTE = (
    "What can be said of the answers without a judge: reasoning in steps, length, repeated "
    "four-grams, and the equations in the text that are true."
)
JUDGED: tuple[Column[Judgement], ...] = (
    ("A", lambda one: one.a),
    ("B", lambda one: one.b),
    ("task", _where),
    ("prompt", lambda one: one.prompt),
    ("judge", lambda one: one.judge),
    ("n", lambda one: str(one.tally.questions)),
    ("A better [95 %]", lambda one: one.tally.first),
    ("equal", lambda one: _alone(one.tally.tie)),
    ("undecided", lambda one: _alone(one.tally.undecided)),
    ("B better [95 %]", lambda one: one.tally.second),
    ("sign p", lambda one: f"{one.tally.p:.2g}"),
    ("flips [95 %]", lambda one: one.tally.flips),
    ("prefers the right one [95 %]", lambda one: one.tally.agrees),
    ("the wrong one", lambda one: _alone(one.tally.disagrees)),
    ("of", lambda one: str(one.tally.agrees.total)),
)
JUDGED_NOTE = (
    "A judge saw both answers to a question in both orders; one is better when it is "
    "preferred in both. Undecided: the judge contradicted itself or gave no verdict. "
    "Flips: it preferred the same place twice. The right one: of the questions that "
    "exactly one run answered correctly, those in which the judge prefers that answer."
)


def quality(found: Iterable[Measured]) -> Table:
    """Make a table with a row per phase, task and prompt style of a run."""
    return Table.of(found, QUALITY, "quality", "Quality of the answers", QUALITY_NOTE)


def judgements(found: Iterable[Judgement]) -> Table:
    """Make a table with a row per pair of runs, task and prompt style."""
    return Table.of(found, JUDGED, "judgements", "What a judge prefers", JUDGED_NOTE)


def _alone(share: Share) -> str | None:
    """Write a share without its interval; 0 where nothing was counted."""
    return _per_cent(share.value or 0.0)


def _per_cent(value: float | None) -> str | None:
    return None if value is None else f"{100 * value:.1f}"
