"""Judgements as a table: one line a task and prompt; shares in per cent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.queries.results import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.judging.verdicts import Tally

HEADERS = (
    "A", "B", "task", "prompt", "judge", "n", "A better [95 %]", "equal", "undecided",
    "B better [95 %]", "sign p", "flips [95 %]", "prefers the right one [95 %]", "the wrong one",
    "of",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a judge made of two runs' answers; the tally's first is ``a``, its second ``b``."""

    a: str
    b: str
    task: str
    prompt: str
    judge: str
    fingerprint: str
    tally: Tally


def judgement_table(found: Iterable[Judgement]) -> Table:
    return Table(HEADERS, tuple(_line(one) for one in found))


def _line(one: Judgement) -> tuple[str, ...]:
    found = one.tally
    return (
        one.a,
        one.b,
        one.task,
        one.prompt,
        one.judge,
        str(found.questions),
        found.first.text,
        f"{100 * (found.tie.value or 0):.1f}",
        f"{100 * (found.undecided.value or 0):.1f}",
        found.second.text,
        f"{found.p:.2g}",
        found.flips.text,
        found.agrees.text,
        f"{100 * (found.disagrees.value or 0):.1f}",
        str(found.agrees.total),
    )
