"""What the jobs of a plan ask of a site, how much that is in all, and whether they are taken."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from engine.commands.simulating import USED, Simulated, simulations
from engine.commands.sites import check_job, site_of
from engine.planning.estimate import seconds_left
from engine.planning.memory import GIB, splits
from engine.planning.needs import Needs
from engine.scheduling.launchers.slurm.script import asked_with, devices_of
from engine.scheduling.policy import elsewhere
from engine.schema.counts import counted
from engine.schema.errors import UserError
from engine.schema.kinds import METHOD, PHASES
from engine.schema.site import bytes_of, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.planning.plan import Plan
    from engine.scheduling.queue import DeviceRequest
    from engine.schema.site import Asked, Site
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder


@dataclass(frozen=True, slots=True)
class Job:
    """Jobs of one kind of phase that ask for the same. ``count``: how many are to do.
    ``partition``, ``gres``: "" is the cluster's default, and no GPU."""

    kind: str
    count: int
    partition: str
    gres: str
    asked: Asked


@dataclass(frozen=True, slots=True)
class SiteJobs:
    """The jobs of a plan. ``short``: a line for each kind that took more memory before than the
    site gives. ``gpu_hours``: of all together, each as long as expected on one; ``wall``: the
    simulated end, for some numbers of GPUs; none on the CPU."""

    jobs: tuple[Job, ...]
    short: tuple[str, ...]
    gpu_hours: float
    wall: tuple[Simulated, ...]

    @property
    def count(self) -> int:
        return sum(job.count for job in self.jobs)


def site_jobs(
    plan: Plan, runs: RunsFolder, request: DeviceRequest, cards: Sequence[int]
) -> SiteJobs:
    """What is handed over for the phases that are still to do; nothing for this machine."""
    site = site_of(request)
    specs = [spec for spec in plan.to_do if _needs_job(spec)]
    if site is None or not specs:
        return SiteJobs((), (), 0.0, ())
    needs = Needs(runs)
    asked = needs.asked(specs, partial(_most, site, request))
    alike: dict[tuple[str, Asked], int] = defaultdict(int)
    for spec, one in zip(specs, asked, strict=True):
        alike[spec.kind, one] += 1
    found = (
        Job(kind, count, site.partition, f"{site.gres}:{one.gpus}" if one.gpus else "", one)
        for (kind, one), count in alike.items()
    )
    order = sorted(found, key=lambda job: ([*PHASES].index(job.kind), seconds_of(job.asked.time)))
    seconds = seconds_left(plan, runs, needs.expected(plan.to_do, True))
    gpus = {spec.id: one.nodes * one.gpus for spec, one in zip(specs, asked, strict=True)}
    hours = sum(seconds[spec.id] for spec in specs if gpus[spec.id])
    training = max([1, *(gpus[spec.id] for spec in specs if spec.trains)])
    wall = simulations(plan, runs, cards, (USED,), False, training, seconds) if hours else []
    return SiteJobs(tuple(order), tuple(_short(site, specs, needs)), hours / 3600, tuple(wall))


def _needs_job(spec: PhaseSpec) -> bool:
    """Whether a phase is handed over; one whose model is behind an endpoint runs here."""
    return spec.card is None or spec.card.source.needs_device


def _most(site: Site, request: DeviceRequest, spec: PhaseSpec) -> Asked:
    usual = site.asked(spec.kind)
    return asked_with(usual, elsewhere(spec.spreads, request, devices_of(usual)))


def refusals(to_do: Iterable[PhaseSpec], request: DeviceRequest) -> list[str]:
    """A line for each kind of training that can't work on its devices: its batch can't be divided
    among its processes, or its weights can't be split."""
    site = site_of(request)
    told: dict[tuple[str, object], str] = {}
    for spec in to_do:
        if (batch := spec.batch_size) is None or spec.card is None:
            continue
        if site is None:
            processes = 1 if request.cpu else request.gpu_count or len(request.gpus or (0,))
            where = f"{counted(processes, 'GPU')} of this machine"
        else:
            devices = devices_of(_most(site, request, spec))
            processes = devices.processes
            a_node = counted(len(devices.gpus), "GPU") if devices.gpus else "the CPU"
            where = f"{counted(devices.nodes, 'node')} with {a_node} each"
            if devices.shard and spec.card.source.weights and not splits(spec.card.source.weights):
                told[spec.kind, spec.card.name] = (
                    f"{spec.kind}: the site says shard: true, and 4-bit weights can't be split "
                    f"among processes: use precision: bf16 in card {spec.card.name!r}, or another "
                    "shard"
                )
        if batch % processes:
            near = f"{batch - batch % processes} or " if batch > processes else ""
            told[spec.kind, batch] = (
                f"{spec.kind}.batch_size: {batch} can't be divided among {processes} processes "
                f"({where}); use {near}{batch + -batch % processes}, or another number of GPUs"
            )
    return list(told.values())


def _short(site: Site, specs: Iterable[PhaseSpec], needs: Needs) -> Iterable[str]:
    found: dict[str, float] = {}
    for spec in specs:
        taken = needs.took_gib(spec, bool(site.asked(spec.kind).gpus)) or 0.0
        found[spec.kind] = max(taken, found.get(spec.kind, 0.0))
    for kind, taken in found.items():
        gives = site.asked(kind).memory
        if gives and taken * GIB > bytes_of(gives):
            yield (
                f"{kind}: took up to {taken:.1f} GiB of memory before, and the site gives {gives}: "
                f"raise phases.{kind}.memory in it"
            )


def uses_gpus(request: DeviceRequest | None) -> bool | None:
    """Whether jobs of the requested site have GPUs; None for this machine."""
    site = site_of(request) if request else None
    if site is None or request is None:
        return None
    return not request.cpu and any(site.asked(kind).gpus for kind in METHOD)


def check_launch(to_do: Iterable[PhaseSpec], request: DeviceRequest) -> None:
    """Check that batches can be divided among the processes, and have the cluster check a job of
    each kind that asks for all that the site gives, before anything is queued; ``UserError`` in a
    line when one would not be taken."""
    to_do = list(to_do)
    if told := refusals(to_do, request):
        raise UserError(told[0])
    site = site_of(request)
    if site is None:
        return
    for kind, asked in {s.kind: _most(site, request, s) for s in to_do if _needs_job(s)}.items():
        check_job(site, kind, asked)
