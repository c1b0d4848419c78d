"""The figures as a table: one line a run's phase, task and prompt; shares in per cent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.queries.results import Table
from engine.schema.accuracy import NOTHING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.quality.measures import Quality

HEADERS = (
    "run", "answers of", "task", "prompt", "n", "with steps [95 %]", "words", "tokens",
    "repeated 4-grams", "steps true [95 %]", "steps", "all steps true [95 %]", "cut off",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """The figures of one phase's answers to one prompt style."""

    run_id: str
    run: str
    phase: str
    kind: str
    task: str
    prompt: str
    quality: Quality


def quality_table(found: Iterable[Measured]) -> Table:
    return Table(HEADERS, tuple(_line(one) for one in found))


def _line(one: Measured) -> tuple[str, ...]:
    found = one.quality
    return (
        one.run,
        one.kind,
        one.task,
        one.prompt,
        str(found.answers),
        found.with_steps.text,
        f"{found.words:.1f}",
        f"{found.tokens:.1f}",
        NOTHING if found.repetition is None else f"{100 * found.repetition:.1f}",
        found.true_steps.text,
        str(found.true_steps.total),
        found.sound.text,
        f"{100 * (found.cut_off.value or 0):.1f}",
    )
