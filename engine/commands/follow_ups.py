"""What is made of finished runs: a judgement between two of them, a student merged.

Each is a small run of its own, in the experiment of the run that it is made of and tagged with the
runs' ids: it is queued, watched, stopped, retried and deleted as any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.commands.experiments import launch_runs, run_id_of
from engine.machine import devices
from engine.planning.estimate import Estimate, estimate
from engine.planning.graph import Plan

if TYPE_CHECKING:
    from engine.commands.experiments import Launched
    from engine.scheduling.queue import DeviceRequest
    from engine.schema.specs import RunSpec
    from engine.store.layout import RunsFolder


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Such a run before it is launched, with what its phases will take. ``name``, ``tags``: what it
    is called where it is new."""

    spec: RunSpec
    name: str
    tags: tuple[str, ...]
    plan: Plan
    estimate: Estimate

    @property
    def run_id(self) -> str:
        return run_id_of(self.spec)


def planned(runs: RunsFolder, spec: RunSpec, name: str, tags: tuple[str, ...]) -> FollowUp:
    """With what of it is there; changes nothing."""
    done = frozenset(phase.id for phase in spec.phases if runs.phase(phase.id).done)
    plan = Plan((spec,), spec.phases, done)
    return FollowUp(spec, name, tags, plan, estimate(plan, runs, bool(devices.gpus())))


def launch(runs: RunsFolder, wanted: FollowUp, request: DeviceRequest) -> Launched:
    """Write the run and queue it, unless all of it is there."""
    return launch_runs(runs, [wanted.spec], request, wanted.name, wanted.tags)
