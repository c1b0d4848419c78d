"""Sites: where phases may run other than here, and whether they would be taken there."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.device_request import device_request
from engine.commands.simulating import USED, Simulated, simulations
from engine.planning.estimate import expectations
from engine.planning.history import history
from engine.planning.sites import LOCAL, SHIPPED, find_site, load_site, own_sites, sites
from engine.planning.yaml_file import dump
from engine.scheduling.launchers.slurm.detect import Found, look
from engine.scheduling.launchers.slurm.program import NoAnswer
from engine.scheduling.launchers.slurm.queries import partition_limit
from engine.scheduling.launchers.slurm.script import script
from engine.scheduling.launchers.slurm.submit import try_out
from engine.scheduling.queue import DeviceRequest
from engine.schema.errors import UserError
from engine.schema.kinds import METHOD
from engine.schema.site import Site, seconds_of
from engine.store.layout import AttemptDir, PhaseDir, atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.planning.plan import Plan
    from engine.schema.site import Asked
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder

__all__ = ["LOCAL", "Found", "Job", "check_site", "jobs", "look", "site_names", "site_request"]


@dataclass(frozen=True, slots=True)
class Job:
    """What the jobs of one kind of phase ask for. ``count``: how many are to do. ``partition``,
    ``gres``: "" is the cluster's default, and no GPU."""

    kind: str
    count: int
    partition: str
    gres: str
    asked: Asked


def site_names(runs: RunsFolder) -> tuple[str, ...]:
    """The clusters that somebody has described; not the example that is shipped."""
    return tuple(name for name, path in sites(runs).items() if path.parent != SHIPPED)


def site_request(
    runs: RunsFolder,
    name: str,
    gpus: list[int] | None = None,
    gpu_count: int | None = None,
    cpu: bool = False,
) -> DeviceRequest:
    """A request for the devices of a site; ``UserError`` when there is none of that name, or its
    file is wrong."""
    if name == LOCAL:
        return device_request(gpus, gpu_count, cpu)
    path = find_site(runs, name)
    site = load_site(path)
    if gpus is not None:
        raise UserError(f"site {path.stem}: it chooses the GPUs itself; give a number of them")
    if gpu_count is not None and gpu_count < 1:
        raise UserError("ask for 1 GPU or more")
    return DeviceRequest(cpu=cpu, gpu_count=gpu_count, launcher=f"{site.launcher}:{path}")


def needs_job(spec: PhaseSpec) -> bool:
    """Whether a phase is handed over; one whose model is behind an endpoint runs here."""
    return spec.card is None or spec.card.source.needs_device


def jobs(site: Site, to_do: Iterable[PhaseSpec], request: DeviceRequest) -> list[Job]:
    """What is handed over for these phases, by kind."""
    found: dict[str, list[PhaseSpec]] = {}
    for spec in to_do:
        if needs_job(spec):
            found.setdefault(spec.kind, []).append(spec)
    told = []
    for kind, specs in found.items():
        asked = site.asked(kind)
        if request.cpu:
            asked = asked._replace(gpus=0)
        elif request.gpu_count is not None:
            asked = asked._replace(gpus=request.gpu_count if specs[0].trains else 1)
        gres = f"{site.gres}:{asked.gpus}" if asked.gpus else ""
        told.append(Job(kind, len(specs), site.partition, gres, asked))
    return told


def uses_gpus(request: DeviceRequest | None) -> bool | None:
    """Whether jobs of the requested site have GPUs; None for this machine."""
    site = site_of(request) if request else None
    if site is None or request is None:
        return None
    return not request.cpu and any(site.asked(kind).gpus for kind in METHOD)


@dataclass(frozen=True, slots=True)
class Size:
    """How much a plan is for a site. ``gpu_hours``: of all jobs together, each as long as expected;
    ``wall``: its simulated end, for some numbers of GPUs."""

    gpu_hours: float
    wall: tuple[Simulated, ...]


def size_of(
    site: Site, plan: Plan, runs: RunsFolder, request: DeviceRequest, cards: Sequence[int]
) -> Size:
    """What is still to do, in GPU-hours and as the time that it takes on so many GPUs."""
    took = expectations(plan.to_do, runs, True, history(runs))
    counts = {job.kind: job.asked.gpus for job in jobs(site, plan.to_do, request)}
    seconds = sum(
        counts[spec.kind] * (took[spec.id].seconds or 0.0) for spec in plan.to_do if needs_job(spec)
    )
    training = max((counts[s.kind] for s in plan.to_do if s.trains), default=1) or 1
    wall = simulations(plan, runs, cards, (USED,), False, training)
    return Size(seconds / 3600, tuple(wall))


def site_of(request: DeviceRequest) -> Site | None:
    """The site that a request is for; None for this machine."""
    kind, _, path = request.launcher.partition(":")
    return load_site(Path(path)) if kind == "slurm" else None


def check_launch(to_do: Iterable[PhaseSpec], request: DeviceRequest) -> None:
    """Have the cluster check one job of each kind, before anything is queued; ``UserError`` with
    its own words when it would not take one."""
    site = site_of(request)
    if site is None:
        return
    for job in jobs(site, to_do, request):
        check_job(site, job.kind, job.asked)


def check_site(site: Site) -> list[str]:
    """Say what the cluster thinks of a job of each kind of phase, a line each; ``UserError`` with
    its own words for the first that it would not take."""
    told = []
    for kind in METHOD:
        asked = site.asked(kind)
        check_job(site, kind, asked)
        told.append(f"{kind}: {in_words(site, asked)}: taken")
    return told


def check_job(site: Site, kind: str, asked: Asked) -> None:
    with tempfile.TemporaryDirectory() as folder:
        phase = PhaseDir(Path(folder) / kind)
        file = Path(folder) / "job.sh"
        file.write_text(script(phase, AttemptDir(phase.path), "sirt:check", site, asked))
        try:
            limit = partition_limit(site.partition)
            if limit and seconds_of(limit) < seconds_of(asked.time):
                raise UserError(
                    f"{kind}: {asked.time} is more than the partition gives ({limit}): phases go "
                    f"on in a next allocation, so set phases.{kind}.time in the site to {limit}"
                )
            try_out(file)
        except OSError as error:
            raise UserError(
                f"{kind} ({in_words(site, asked)}): {error}; nothing was handed over: see the "
                "site's file"
            ) from None


def in_words(site: Site, asked: Asked) -> str:
    """``partition gpu, gpu:1, 8 cores, 32G, 4:00:00``."""
    parts = [f"partition {site.partition}" if site.partition else "default partition"]
    parts.append(f"{site.gres}:{asked.gpus}" if asked.gpus else "no GPU")
    parts.append(f"{asked.cpus} cores")
    return ", ".join([*parts, *[asked.memory] * bool(asked.memory), asked.time])


def make_site(runs: RunsFolder, name: str, site: Site, detected: str, group: bool) -> Path:
    """Write a site's file, a person's own or the group's beside the runs, and what the cluster said
    beside it; ``UserError`` when there is one already."""
    path = new_file(runs, name, group)
    values = site.model_dump(mode="json", exclude_defaults=True)
    values["phases"] = {
        kind: need.model_dump(exclude_none=True) for kind, need in site.phases.items()
    }
    atomic_write(path, dump({"launcher": site.launcher} | values))
    if detected:
        atomic_write(path.with_suffix(".detected.txt"), detected)
    return path


def join_site(runs: RunsFolder, name: str, file: Path, group: bool) -> Path:
    """Take over a colleague's site as it is; ``UserError`` when it is wrong or there is one."""
    load_site(file)
    path = new_file(runs, name, group)
    shutil.copyfile(file, path)
    return path


def new_file(runs: RunsFolder, name: str, group: bool) -> Path:
    """Where a site's file is to be; ``UserError`` when the name is none, or there is one."""
    if not name.replace("-", "").replace("_", "").isalnum() or name == LOCAL:
        raise UserError(f"site {name!r}: name it with letters, digits, - and _, and not {LOCAL!r}")
    folder = runs.root / "sites" if group else own_sites()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.yaml"
    if path.exists():
        raise UserError(f"{path}: is there already; change it, or give another name")
    return path


def try_detecting() -> Found:
    """What the cluster offers; ``UserError`` where there is none."""
    try:
        return look()
    except NoAnswer as error:
        raise UserError(
            f"no Slurm here ({error}): do this on the cluster's login node, or take over a "
            "colleague's file with --join FILE"
        ) from None
