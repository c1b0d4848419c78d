"""Extraction and comparison with the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.contract.records import Verdict
from engine.scoring.extraction import extract
from engine.scoring.formula import same_formula
from engine.scoring.number import same_number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.interfaces import AnswerKind


def judge(kind: AnswerKind, text: str, target: str, choices: Sequence[str] = ()) -> Verdict:
    """What ``text`` answers and whether that is the target; letters count, not option texts."""
    answer, tier = extract(kind, text, choices)
    if answer is None:
        return Verdict(answer=None, tier=None, correct=False)
    same = {"choice": str.__eq__, "number": same_number, "math": same_formula}[kind]
    return Verdict(answer=answer, tier=tier, correct=bool(same(target, answer)))
