"""Which phase of a run the Run screen follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.queries.runs import PhaseStatus


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
