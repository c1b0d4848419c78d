"""Sites: where phases may run other than here, and whether they would be taken there."""

from __future__ import annotations

import getpass
import shlex
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.device_request import device_request
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
from engine.store.layout import AttemptDir, PhaseDir
from engine.store.writing import atomic_write

if TYPE_CHECKING:
    from engine.schema.site import Asked
    from engine.store.layout import RunsFolder

__all__ = ["LOCAL", "Found", "check_site", "look", "site_names", "site_request"]


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


def site_of(request: DeviceRequest) -> Site | None:
    """The site that a request is for; None for this machine."""
    kind, _, path = request.launcher.partition(":")
    return load_site(Path(path)) if kind == "slurm" else None


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
    """``partition gpu, 2 nodes, gpu:1, 8 cores, 32G, 4:00:00``."""
    parts = [f"partition {site.partition}" if site.partition else "default partition"]
    parts += [f"{asked.nodes} nodes with"] * (asked.nodes > 1)
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


def lines_for_ssh(runs: RunsFolder, name: str) -> list[str]:
    """Two lines of shell for a laptop, under a comment: the first notes how to get here, the second
    opens the interface on this runs folder. ``name``: what the laptop calls it; empty: as this
    machine is called."""
    full = socket.getfqdn()
    host = socket.gethostname() if full.startswith("localhost") else full
    name = name or f"sirt-{host.partition('.')[0]}"
    command = " ".join(map(shlex.quote, (*_program(), "--runs", str(runs.root.resolve()))))
    options = {
        "HostName": host,
        "User": getpass.getuser(),
        "RequestTTY": "yes",
        "RemoteCommand": command.replace("%", "%%"),
        "ServerAliveInterval": "15",
    }
    entry = "".join(f"\\n  {option} {value}" for option, value in options.items())
    quoted = shlex.quote(f"\\nHost {name}{entry}\\n".replace("%", "%%"))
    return [
        "# on your laptop; HostName must be how it reaches this machine",
        f"printf {quoted} >>~/.ssh/config",
        f"ssh {name}",
    ]


def _program() -> tuple[str, ...]:
    """What starts the interface: the installed command, else this Python."""
    command = Path(sys.executable).with_name("sirt")
    return (str(command),) if command.exists() else (sys.executable, "-m", "sirt_tui")


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
