"""The event that says where an attempt works on a cluster: one an allocation."""

from __future__ import annotations

from typing import Literal

from engine.schema.events import Event


class Allocation(Event):
    """A cluster's job has begun this attempt, or goes on with it; ``number`` counts from 1."""

    kind: Literal["allocation"] = "allocation"
    job: str
    node: str
    number: int = 1

    @property
    def said(self) -> str:
        again = f", allocation {self.number} of this attempt" if self.number > 1 else ""
        return f"job {self.job} on {self.node}{again}"
