"""The state of phases and runs, and what blocks them, from their folders and the queue.

The list of runs, ``sirt status``, following, the screens and the scheduler all use this one
derivation; it has no side effects.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from engine.store.phase_log import State

    Needs = Iterable[tuple[str, Sequence[str]]]  # phase, its inputs; inputs come first

ENDED_BADLY: frozenset[State] = frozenset({"failed", "stopped", "lost"})
ENDED: frozenset[State] = ENDED_BADLY | {"unreachable"}
# the state of a run is that of its phase that matters most
WORST_FIRST: tuple[State, ...] = (
    "running", "pending", "stopping",
    "failed", "lost", "unreachable", "stopped", "queued", "blocked",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fact:
    """A phase's state and the number of its last attempt, as its folder records them."""

    state: State
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """A phase's state. ``blocked_by``: the phases that ended badly and must be retried first."""

    state: State
    blocked_by: tuple[str, ...] = ()

    @property
    def because(self) -> str:
        """The phase that blocks this one; empty when it is not blocked."""
        return self.blocked_by[0] if self.state == "blocked" else ""


NOBODY_TRIED = Fact("waiting")


def standings(
    needs: Needs, facts: Mapping[str, Fact], forgiven: Mapping[str, int] | None
) -> dict[str, Standing]:
    """The state of each phase, in the order of ``needs``.

    ``forgiven``: by phase, the attempt up to which a bad end will be retried; None when these
    phases are not queued. A phase not tried yet, or to be retried, is ``queued``, or ``waiting``
    if it isn't wanted. A phase that needs one that ended badly is ``blocked``; one that needs an
    unreachable one is ``waiting``, since that may still come to its end.
    """
    found: dict[str, Standing] = {}
    for phase, inputs in needs:
        if phase not in found:
            before = [
                (name, found.get(name) or Standing(facts.get(name, NOBODY_TRIED).state))
                for name in inputs
            ]
            found[phase] = _standing(phase, facts.get(phase, NOBODY_TRIED), before, forgiven)
    return found


def _standing(
    phase: str,
    fact: Fact,
    inputs: Iterable[tuple[str, Standing]],
    forgiven: Mapping[str, int] | None,
) -> Standing:
    if fact.state in ("done", "running", "pending"):
        return Standing(fact.state)
    tries = 0 if forgiven is None else forgiven.get(phase, 0)
    if fact.state in ENDED and fact.attempt > tries:
        return Standing(fact.state)
    blockers: dict[str, State] = {}
    for name, standing in inputs:
        if standing.state in ENDED:
            blockers[name] = "waiting" if standing.state == "unreachable" else "blocked"
        else:
            blockers |= dict.fromkeys(standing.blocked_by, standing.state)
    if not blockers:
        return Standing("waiting" if forgiven is None else "queued")
    states = blockers.values()
    return Standing("blocked" if "blocked" in states else "waiting", tuple(blockers))


def forgiven_by(entries: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """The forgiven attempts of all queued runs: retrying a shared phase retries it for all."""
    merged: dict[str, int] = {}
    for entry in entries:
        for phase, attempt in entry.items():
            merged[phase] = max(attempt, merged.get(phase, 0))
    return merged


def run_state(states: Collection[State], stop: bool = False, stopping: bool = False) -> State:
    """A run's state: done when all its phases are; else the state that matters most. ``stop``: it
    was taken off the queue by a stop, also where no phase had to end for it; ``stopping``: and a
    phase at work was asked to stop."""
    if all(state == "done" for state in states):
        return "done"
    found: State = next((state for state in WORST_FIRST if state in states), "waiting")
    if stop and stopping and found in ("running", "pending"):
        return "stopping"
    return "stopped" if stop and found == "waiting" else found
