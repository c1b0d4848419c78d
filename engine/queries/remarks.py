"""Summarise what a phase's log says beyond progress, messages and accuracies, a line each: results
of a judgement or merge, money, which engine answered, checkpoints, outputs, damage. ``sirt status``
and the Run screen show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.store.spending import spending

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from engine.schema.specs import PhaseSpec
    from engine.store.phase_log import PhaseView


def remarks(spec: PhaseSpec, view: PhaseView) -> Iterator[str]:
    """Yield the lines, none where there is nothing to say. Times are UTC."""
    if isinstance(said := view.figures.get("summary"), str):
        yield said
    if (paid := spending(spec, view)) is not None:
        yield f"{paid.cost.requests} replies, {paid.text}"
    if view.answering is not None and view.answering.engine != "builtin":
        yield view.answering.text
    if (saved := view.checkpoint) is not None:
        when = f"{saved.ts:%Y-%m-%d %H:%M:%S}"
        yield f"last checkpoint: step {saved.step}, saved {when}, {saved.path}"
    for made in view.artefacts:
        count = "" if made.count is None else f", {made.count}"
        yield f"made {made.path}: {made.what}{count}"
    yield from (event.said for event in view.latest.values() if event.said)
    yield from doubts(view)


def reused(finished: datetime | None, launched: datetime) -> str:
    """Say that a phase was finished before its run was launched; empty for one that was not."""
    if finished is None or finished >= launched:
        return ""
    return f"reused: finished {finished:%Y-%m-%d %H:%M}, before this run was launched"


def doubts(view: PhaseView) -> Iterator[str]:
    """Say which events of the log are missing, or are a later version's."""
    if view.gaps:
        yield f"events that are missing, since the log was damaged: {view.gaps}"
    if view.unknown:
        kinds = ", ".join(sorted({event.kind for event in view.unknown}))
        yield f"events of kinds that this version doesn't know: {len(view.unknown)} ({kinds})"
