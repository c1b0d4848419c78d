"""A site: a cluster, and how phases become jobs there. One file a site, read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, field_validator

from engine.schema.cards import Frozen
from engine.schema.errors import nearest
from engine.schema.kinds import PHASES
from engine.schema.notify import Notify

EVERY = "all"
# what the launcher itself says to sbatch, and another value would break
OURS = frozenset(
    {"job-name", "J", "output", "o", "error", "e", "dependency", "d", "signal", "requeue"}
    | {"no-requeue", "open-mode", "array", "a", "wrap", "chdir", "D", "parsable"}
    | {"kill-on-invalid-dep"}
)
_UNITS = {"K": 10, "M": 20, "G": 30, "T": 40}
_OPTION = re.compile(r"--?([A-Za-z][\w-]*)")


def _like(pattern: str, meant: str) -> AfterValidator:
    """Text of this form; ``meant`` says which."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{text!r}: {meant}")
        return text

    return AfterValidator(check)


Word = Annotated[str, _like(r"\S*", "write one word, without spaces")]
Time = Annotated[
    str,
    _like(
        r"\d+-\d{1,2}(:\d{2}){0,2}|\d+(:\d{2}){0,2}",
        "write it as Slurm does: 12:00:00, or 2-00:00:00",
    ),
]
Folder = Annotated[
    str, _like(r'[^"`\\\n]*', "write a folder's path, as /tmp or $TMPDIR, without quotes")
]
Memory = Annotated[str, _like(r"\d+[KMGT]?", "write it as Slurm does: 32G, or 500M")]


def _kind(name: str) -> str:
    if name not in (EVERY, *PHASES):
        raise ValueError(f"not a kind of phase; {nearest(name, (EVERY, *PHASES))}")
    return name


class Need(Frozen):
    """What a job of one kind of phase asks for; what is left out is as for ``all``."""

    time: Time | None = None
    memory: Memory | None = None
    nodes: Annotated[int, Field(ge=1)] | None = None
    gpus: Annotated[int, Field(ge=0)] | None = None
    cpus: Annotated[int, Field(ge=1)] | None = None
    processes: Annotated[int, Field(ge=1)] | None = None
    shard: bool | None = None


class Asked(NamedTuple):
    """What one job asks for: ``nodes``, and the rest on each of them. ``time``, ``memory``: as
    Slurm writes them; no memory: the site's default. ``processes``: where there are no GPUs.
    ``shard``: whether a training's weights are split among its processes; None: if they must be."""

    time: str
    memory: str
    gpus: int
    cpus: int
    nodes: int = 1
    processes: int = 1
    shard: bool | None = None


DEFAULT = Asked("4:00:00", "", 1, 4)


class Site(Frozen):
    """A cluster, and what jobs there need; ``presets/sites`` explains every key.

    ``environment``: the folder of the Python environment on the nodes; empty: the one that
    submits. ``setup``: lines of shell before a phase. ``sbatch``: more options for every job.
    ``jobs``: the most jobs to have in the cluster's queue at once. ``notify``: who is told of runs
    there, unless their experiment or the user's own file says otherwise. ``reuse``: runs folders
    whose finished phases are taken by all runs there, besides those that experiments name.
    ``scratch``: a folder on each node's own disk, where a phase on one node writes checkpoints and
    outputs first; variables are the node's.
    """

    launcher: Literal["slurm"] = "slurm"
    description: str = ""
    partition: Word = ""
    account: Word = ""
    qos: Word = ""
    constraint: Word = ""
    gres: Word = "gpu"
    environment: str = ""
    setup: tuple[str, ...] = ()
    sbatch: tuple[str, ...] = ()
    jobs: Annotated[int, Field(ge=1)] = 100
    phases: Mapping[Annotated[str, AfterValidator(_kind)], Need] = Field(default_factory=dict)
    notify: Notify | None = None
    reuse: tuple[str, ...] = ()
    scratch: Folder = ""

    @field_validator("sbatch")
    @classmethod
    def _options(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        """Each as ``--option=value``; ``ValueError`` for what the launcher sets itself."""
        found = tuple(line.strip().removeprefix("#SBATCH").strip() for line in lines)
        for line in found:
            named = _OPTION.match(line)
            if named is None or "\n" in line:
                raise ValueError(f"{line!r} is no option of sbatch; write --exclude=n7, say")
            if named[1] in OURS:
                raise ValueError(f"{line!r}: the launcher sets --{named[1]} itself; leave it out")
        return found

    def asked(self, kind: str) -> Asked:
        """The most that a phase of this kind asks for."""
        found: dict[str, Any] = DEFAULT._asdict()
        for name in (EVERY, kind):
            if name in self.phases:
                found |= self.phases[name].model_dump(exclude_none=True)
        return Asked(**found)


def bytes_of(memory: str) -> float:
    """Memory as Slurm writes it (``32G``; a bare number is MiB), in bytes."""
    unit = memory[-1:] if memory[-1:] in _UNITS else "M"
    return float(memory.rstrip("KMGT")) * 2.0 ** _UNITS[unit]


def seconds_of(time: str) -> float:
    """A limit as Slurm writes it (``90``: minutes, ``1:30:00``, ``2-12``), in seconds; infinite
    for a word such as ``infinite``."""
    days, dash, rest = time.rpartition("-")
    parts = rest.split(":")
    if not all(part.isdigit() for part in (*parts, days or "0")):
        return float("inf")
    numbers = [int(part) for part in parts] + [0, 0]
    if dash or len(parts) == 3:
        hours, minutes, seconds = numbers[:3]
    else:
        hours, minutes, seconds = 0, numbers[0], numbers[1]
    return int(days or 0) * 86_400.0 + hours * 3600 + minutes * 60 + seconds
