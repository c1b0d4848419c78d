"""How much of a phase is still to do: answers and steps that are there are kept, and phases with
the same generations have these made once."""

from __future__ import annotations

from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING

from engine.machine.state import recent_view
from engine.planning.amounts import amounts_of
from engine.schema.errors import UserError
from engine.schema.specs import EvaluateSpec
from engine.store.layout import REPLIES, RunsFolder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from engine.schema.specs import PhaseSpec
    from engine.store.layout import PhaseDir

# units of what a retry goes on with, and of what is counted once all questions are answered
KEPT, AFTER = frozenset({"questions", "answers", "verdicts", "steps"}), "conclusions"


def left_of(
    to_do: Sequence[PhaseSpec], runs: RunsFolder, amounts: Mapping[str, int]
) -> dict[str, float]:
    """The share of each phase's work that is left, 0 to 1, if they are done in this order.
    ``amounts``: their questions."""
    asked = dict(_generated(to_do, runs))
    found: dict[str, float] = {}
    for spec in to_do:
        rest, key = left(runs, spec), spec.generation_key
        if key is not None and (mine := amounts[spec.id]):
            rest = min(rest, max(0.0, 1 - asked.get(key, 0.0) / mine))
            asked[key] = max(asked.get(key, 0.0), mine)
        found[spec.id] = rest
    return found


def left(runs: RunsFolder, spec: PhaseSpec) -> float:
    """The share that is left by what the phase's own attempts have done; nothing of an evaluation
    that another one, which differs in its conclusions alone, has answered."""
    if isinstance(spec, EvaluateSpec) and runs.phase(spec.twin).done:
        return 0.0
    return 1 - _share_done(runs.phase(spec.id))


def _generated(to_do: Sequence[PhaseSpec], runs: RunsFolder) -> Iterator[tuple[str, float]]:
    """Generations that other phases have, also those that ended badly, with how many questions
    were answered."""
    wanted = {key: spec.kind for spec in to_do if (key := spec.generation_key)}
    mine, kinds = {spec.id for spec in to_do}, tuple({f"{kind}-" for kind in wanted.values()})
    most: dict[str, float] = {}
    for folder in runs.phase_dirs() if wanted else ():
        if folder.id in mine or not folder.id.startswith(kinds):
            continue
        with suppress(OSError, UserError):
            key, questions = _asked(folder, folder.spec_file.stat().st_mtime_ns)
            if key in wanted and (folder.work / REPLIES).exists():
                share = 1.0 if folder.done else _share_done(folder)
                most[key] = max(most.get(key, 0.0), share * questions)
    yield from most.items()


@lru_cache(maxsize=100_000)
def _asked(folder: PhaseDir, _changed: int) -> tuple[str | None, int]:
    """A phase's generations, and how many questions they are. Cached: a plan is remade at every
    change while somebody composes it."""
    spec = folder.spec()
    key = spec.generation_key
    return key, amounts_of([spec], RunsFolder(folder.path.parent.parent))[spec.id] if key else 0


def _share_done(folder: PhaseDir) -> float:
    """By the last count of its attempts."""
    for attempt in reversed(folder.attempts()):
        told = recent_view(attempt).progress
        if told is not None and told.total > 0:
            if told.unit == AFTER:
                return 1.0
            return min(1.0, told.done / told.total) if told.unit in KEPT else 0.0
    return 0.0
