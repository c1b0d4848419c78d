"""Predictions -> Score."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from engine.contract.records import Score
from engine.scoring.interval import wilson
from engine.scoring.steps import has_steps

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.contract.records import Prediction


def score(predictions: Iterable[Prediction]) -> Score:
    """Accuracy with its interval, and what to know beside it; all shares are 0 without any."""
    rows = list(predictions)
    correct = sum(row.verdict.correct for row in rows)
    low, high = wilson(correct, len(rows))
    legacy = [row.legacy.correct for row in rows if row.legacy is not None]
    total = max(len(rows), 1)
    return Score(
        correct=correct,
        total=len(rows),
        accuracy=correct / total,
        low=low,
        high=high,
        unparsed=sum(row.verdict.tier is None for row in rows) / total,
        truncated=sum(row.finish == "length" for row in rows) / total,
        mean_tokens=sum(row.tokens for row in rows) / total,
        with_steps=sum(has_steps(row.output, row.choices) for row in rows) / total,
        tiers=dict(Counter(row.verdict.tier for row in rows if row.verdict.tier).most_common()),
        legacy=sum(legacy) / len(legacy) if legacy else None,
    )
