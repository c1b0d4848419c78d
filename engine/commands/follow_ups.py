"""Launch runs that follow up finished runs: a judgement between two, or a student's merge.

Each is a small run of its own, in the experiment of the run that it is made of and tagged with the
runs' ids: it is queued, watched, stopped, retried and deleted as any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.commands.experiments import launch_runs, run_id_of
from engine.machine import devices
from engine.planning.estimate import Estimate, estimate
from engine.planning.plan import Plan

if TYPE_CHECKING:
    from engine.commands.experiments import Launched
    from engine.scheduling.queue import DeviceRequest
    from engine.schema.run_spec import RunSpec
    from engine.store.layout import RunsFolder


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A follow-up run before it is launched, with its plan and estimate. ``name`` and ``tags`` are
    used if the run is new."""

    spec: RunSpec
    name: str
    tags: tuple[str, ...]
    plan: Plan
    estimate: Estimate

    @property
    def run_id(self) -> str:
        return run_id_of(self.spec)


def planned(runs: RunsFolder, spec: RunSpec, name: str, tags: tuple[str, ...]) -> FollowUp:
    """Plan a follow-up run and note which phases are done; changes nothing."""
    done = frozenset(phase.id for phase in spec.phases if runs.phase(phase.id).done)
    plan = Plan((spec,), spec.phases, done)
    return FollowUp(spec, name, tags, plan, estimate(plan, runs, bool(devices.gpus())))


def launch(runs: RunsFolder, wanted: FollowUp, request: DeviceRequest) -> Launched:
    """Write the run and queue it, unless it is finished."""
    return launch_runs(runs, [wanted.spec], request, wanted.name, wanted.tags)
