"""A share with its interval."""

from __future__ import annotations

from dataclasses import dataclass

from engine.scoring.interval import wilson


@dataclass(frozen=True, slots=True)
class Share:
    """``count`` of ``total``; ``value`` and its Wilson 95 % interval in 0..1."""

    count: int
    total: int
    low: float
    high: float

    @classmethod
    def of(cls, count: int, total: int) -> Share:
        return cls(count, total, *wilson(count, total))

    @property
    def value(self) -> float | None:
        return self.count / self.total if self.total else None

    @property
    def text(self) -> str:
        """``87.2 [84.2, 89.7]``, in per cent; a dash where there is nothing to count."""
        if self.value is None:
            return "–"
        return f"{100 * self.value:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"
