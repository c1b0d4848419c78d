"""A finished evaluation's figures and verdicts, as they were scored last."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from engine.schema.accuracy import BEHIND, Accuracy
from engine.schema.errors import UserError
from engine.schema.jsonfile import parse, read_sealed
from engine.schema.records import Verdict
from engine.store.layout import SCORE
from engine.store.sealing import verified_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from engine.schema.evaluation import Evaluation
    from engine.store.layout import PhaseDir

RESCORE = "score the run again (sirt score RUN --write), or move the file away"
NEEDED = frozenset({"accuracy", "low", "high", "correct", "total", "unparsed"})
COUNTS = frozenset({"correct", "total", "mean_tokens"})  # the others are shares


def accuracies_in(read: Evaluation, figures: dict[str, Any]) -> tuple[Accuracy, ...]:
    """The accuracy of the answers as they are read, and where unclear ones were completed, that
    with their completions."""
    accuracy, committed = Accuracy.of(read, figures), figures.get("committed")
    if committed is None:
        return (accuracy,)
    return accuracy, Accuracy.of(read.committed, figures | {"tiers": {}} | committed)


def scored(folder: PhaseDir) -> dict[str, Any]:
    """Read a finished evaluation's figures; ``UserError`` or ``OSError`` if that fails."""
    if folder.rescored.exists():
        return _score(folder.rescored, read_sealed(folder.rescored, RESCORE))
    return published_score(folder)


def published_score(folder: PhaseDir) -> dict[str, Any]:
    """Read the figures that the phase itself published, even if it was scored again since."""
    return _score(folder.score, parse(verified_bytes(folder, SCORE), folder.score))


def _score(file: Path, found: Any, needed: frozenset[str] = NEEDED) -> dict[str, Any]:
    """Check and return the content of a score's file. Its ``committed`` part has no total of its
    own, since the questions are the same."""
    if not isinstance(found, dict) or not found.keys() >= needed:
        raise UserError(f"{file}: not a score")
    if not isinstance(found.get("tiers", {}), dict):
        raise UserError(f"{file}: tiers: not counts")
    if found.get("committed") is not None:
        _score(file, found["committed"], NEEDED - {"total"})
    for name in (found.keys() & NEEDED.union(BEHIND)) - {"tiers"}:
        value, most = found[name], math.inf if name in COUNTS else 1.0
        if not (value is None and name == "legacy") and not _is_figure(value, most):
            raise UserError(f"{file}: {name}: not a figure that a score can have")
    return found


def _is_figure(value: object, most: float) -> bool:
    known = isinstance(value, int | float) and not isinstance(value, bool)
    return known and 0 <= value <= most and value != math.inf  # type: ignore[operator]


def scored_again(folder: PhaseDir) -> dict[str, Verdict]:
    """Read the verdicts that a later scoring has changed, by question: its tables and its tests
    must be of the same ones."""
    if not folder.rescored.exists():
        return {}
    try:
        found = read_sealed(folder.rescored, RESCORE).get("verdicts", {})  # none by older versions
        return {str(key): Verdict.model_validate(one) for key, one in found.items()}
    except (ValidationError, AttributeError):
        raise UserError(f"{folder.rescored}: not a score; {RESCORE}") from None
