"""Computes a score from predictions."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from engine.schema.records import CommittedScore, Score
from engine.scoring.statistics import share
from engine.scoring.steps import has_steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.schema.records import Prediction, Verdict


def score(predictions: Iterable[Prediction], commit: bool = False) -> Score:
    """Accuracy with its interval, and related shares; all are 0 without predictions.

    ``commit``: the model was asked to finish its unclear answers; both accuracies are given.
    """
    rows = list(predictions)
    correct = sum(row.verdict.correct for row in rows)
    right = share(correct, len(rows))
    legacy = [row.legacy.correct for row in rows if row.legacy is not None]
    total = max(len(rows), 1)
    return Score(
        correct=correct,
        total=len(rows),
        accuracy=right.value or 0.0,
        low=right.low,
        high=right.high,
        unparsed=sum(row.verdict.tier is None for row in rows) / total,
        truncated=sum(row.finish == "length" for row in rows) / total,
        mean_tokens=sum(row.tokens for row in rows) / total,
        with_steps=sum(has_steps(row.output, row.choices) for row in rows) / total,
        tiers=_tiers(row.verdict for row in rows),
        legacy=sum(legacy) / len(legacy) if legacy else None,
        committed=_committed(rows) if commit else None,
    )


def _committed(rows: list[Prediction]) -> CommittedScore:
    verdicts = [row.committed.verdict if row.committed else row.verdict for row in rows]
    correct = sum(verdict.correct for verdict in verdicts)
    right = share(correct, len(rows))
    total = max(len(rows), 1)
    return CommittedScore(
        asked=sum(row.committed is not None for row in rows),
        correct=correct,
        accuracy=right.value or 0.0,
        low=right.low,
        high=right.high,
        unparsed=sum(verdict.tier is None for verdict in verdicts) / total,
        tiers=_tiers(verdicts),
    )


def _tiers(verdicts: Iterable[Verdict]) -> dict[str, int]:
    return dict(Counter(v.tier for v in verdicts if v.tier).most_common())
