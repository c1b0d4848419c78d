"""A question under way, and what its state or its reply says about going on."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.generation.endpoint.patience import Spell

if TYPE_CHECKING:
    from collections.abc import Collection

    from engine.generation.endpoint.faults import Fault
    from engine.interfaces import Question, Reply


@dataclass
class Ask:
    """A question under way. ``amount``: money set aside for it. ``resting``: the fault after which
    it waits for its next try, with no request under way. ``unaffordable``: the spend cap allows no
    other try."""

    question: Question
    amount: float
    spell: Spell = field(default_factory=Spell)
    resting: Fault | None = None
    unaffordable: bool = False


def stuck(asks: Collection[Ask]) -> bool:
    """Return whether all requests broke in ways that may be their questions' fault; then one more
    is sent, to see whether others succeed."""
    return bool(asks) and all(
        ask.resting is not None and (ask.resting.kind == "reply" or ask.resting.status == 500)
        for ask in asks
    )


def judged(question: Question, reply: Reply, retries: int) -> Reply:
    """Mark a reply as final unless it has a content fault and may be asked again; ``retries``: how
    often at most."""
    faulty = reply.finish in ("empty", "filtered") or not (reply.text.strip() or reply.why)
    return replace(reply, final=not faulty or question.tries >= retries)
