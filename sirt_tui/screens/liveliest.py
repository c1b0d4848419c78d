"""Which phase of a run the Run screen follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.queries.runs import PhaseStatus


class Followed:
    """The phase that the Run screen shows: the liveliest, until a person chooses another."""

    def __init__(self) -> None:
        self.phase_id: str | None = None
        self.by_person = False

    def phase(self, phases: Sequence[PhaseStatus]) -> PhaseStatus | None:
        return next((phase for phase in phases if phase.id == self.phase_id), None)

    def choose(self, phase_id: str, phases: Sequence[PhaseStatus]) -> None:
        """Show this one, for a person; who chooses the liveliest follows the work again."""
        self.by_person = not phases or phase_id != liveliest(phases, self.phase(phases)).id
        self.phase_id = phase_id

    def advance(self, phases: Sequence[PhaseStatus]) -> int | None:
        """Go with the work; return the number of the liveliest phase, None where a person chose."""
        if self.by_person:
            return None
        lively = liveliest(phases, self.phase(phases))
        self.phase_id = lively.id
        return phases.index(lively)


def liveliest(phases: Sequence[PhaseStatus], chosen: PhaseStatus | None) -> PhaseStatus:
    """Return the phase worth watching: the running one, else a failed one, else the last done one;
    for a finished run the one ``chosen`` before, or else the first evaluation."""
    for states in ({"running"}, {"failed", "lost", "unreachable"}):
        for phase in reversed(phases):
            if phase.state in states:
                return phase
    done = [phase for phase in phases if phase.state == "done"]
    if len(done) == len(phases):
        scored = [phase for phase in phases if phase.spec.kind == "evaluate"]
        return chosen or (scored or phases)[0]
    return done[-1] if done else phases[0]
