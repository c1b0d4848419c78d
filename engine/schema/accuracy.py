"""Measured figures with their 95 % intervals. Shares and differences are in 0..1.

``Share``     a proportion, such as right answers of all questions
``Estimate``  a mean over runs, or a difference of two models
``Accuracy``  the result of an evaluation
``Comparison``  two models on the same questions
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from engine.schema.evaluation import Evaluation

NOTHING = "–"
SIGNIFICANT = 0.05  # of a p that is adjusted for the number of tests


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion, with Wilson's interval."""

    count: int
    total: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """The share; None when ``total`` is 0."""
        return self.count / self.total if self.total else None

    @property
    def text(self) -> str:
        """``87.2 [84.2, 89.7]``, in per cent; a dash where there is nothing to count."""
        return NOTHING if self.value is None else said(self.value, self.low, self.high)


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over ``runs``, or a difference of means.

    With two or more ``seeds`` the interval is Student's t over them, within what a share can be,
    and ``sd`` their spread; with one (``sd`` is None) it reflects the sampling of questions alone.
    ``signed``: a difference, shown in points. ``known``: how many runs there are, where only
    ``runs`` of them have a seed that all have.
    """

    value: float
    low: float
    high: float
    runs: int = 1
    sd: float | None = None
    signed: bool = False
    seeds: int = 1
    known: int | None = None

    @property
    def text(self) -> str:
        """``87.2 [84.2, 89.7]``, ``88.0 ± 1.1 [85.3, 90.7] n 3``, ``+6.1 [+3.0, +9.2]``; of two
        seeds ``88.0 ± 1.1 n 2``."""
        sign = "+" if self.signed else ""
        parts = (f"{100 * self.value:{sign}.1f}", self.spread, self.interval, self.counted)
        return " ".join(part for part in parts if part)

    @property
    def spread(self) -> str:
        """``± 1.1``, empty of one seed."""
        return "" if self.sd is None else f"± {100 * self.sd:.1f}"

    @property
    def interval(self) -> str:
        """``[85.3, 90.7]``; empty of two seeds, of which Student's t interval says nothing."""
        two = self.sd is not None and self.seeds == 2
        return "" if two else bounds(self.low, self.high, "+" if self.signed else "")

    @property
    def counted(self) -> str:
        """``n 3``, or ``n 2 of 3``; empty where the only run is meant."""
        if self.known is not None:
            return f"n {self.runs} of {self.known}"
        return f"n {self.runs}" if self.runs > 1 else ""


def said(value: float, low: float, high: float) -> str:
    """``87.2 [84.2, 89.7]``, in per cent."""
    return f"{100 * value:.1f} {bounds(low, high)}"


def bounds(low: float, high: float, sign: str = "") -> str:
    """An interval in per cent, ``[84.2, 89.7]``."""
    return f"[{100 * low:{sign}.1f}, {100 * high:{sign}.1f}]"


@dataclass(frozen=True, slots=True)
class Accuracy:
    """An evaluation's result. ``unparsed``, ``truncated``, ``with_steps``: shares of the
    answers; ``legacy``: accuracy by the authors' matcher; ``tiers``: number of answers found by
    each rule of the scorer."""

    evaluation: Evaluation
    right: Share
    unparsed: float = 0.0
    truncated: float = 0.0
    mean_tokens: float = 0.0
    with_steps: float = 0.0
    legacy: float | None = None
    tiers: tuple[tuple[str, int], ...] = ()

    @property
    def value(self) -> float:
        return self.right.value or 0.0

    @property
    def total(self) -> int:
        return self.right.total

    @property
    def text(self) -> str:
        return self.right.text

    def figures(self) -> dict[str, Any]:
        """A flat dict for the index and ``--json``; versions may only append."""
        what, right = self.evaluation, self.right
        return {
            "task": what.task, "prompt": what.prompt, "method": what.method, "split": what.split,
            "accuracy": self.value, "low": right.low, "high": right.high, "correct": right.count,
            "total": right.total, **{name: getattr(self, name) for name in BEHIND},
        }  # fmt: skip

    @classmethod
    def of(cls, what: Evaluation, found: Mapping[str, Any]) -> Accuracy:
        """The accuracy in a score's figures; a later version's are ignored."""
        right = Share(found["correct"], found["total"], found["low"], found["high"])
        behind = {name: found[name] for name in BEHIND if name in found}
        tiers = dict(found.get("tiers", ()))
        return cls(what, right, **behind | {"tiers": tuple(tiers.items())})


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models' answers to the same questions.

    ``difference``: accuracy of ``b`` minus accuracy of ``a``, with its paired interval.
    ``gained``, ``lost``: questions only b, only a gets right. ``p``: exact McNemar test;
    ``adjusted``: Holm-corrected over its table. ``kept``: how many answers of a, of b were there to
    be paired, of which ``total`` are to the same questions.
    """

    evaluation: Evaluation
    total: int
    accuracy_a: float
    accuracy_b: float
    difference: Estimate
    gained: int
    lost: int
    p: float
    adjusted: float = 1.0
    kept: tuple[int, int] = (0, 0)

    @property
    def discordant(self) -> float:
        """Share of the questions that exactly one of the two gets right."""
        return (self.gained + self.lost) / self.total


BEHIND = tuple(field.name for field in fields(Accuracy))[2:]  # all but its first two fields
