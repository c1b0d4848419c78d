"""What a cluster offers, from text of ``sinfo``, ``scontrol`` and ``sacctmgr`` that Slurm 20.11 to
25.11 print alike."""

from __future__ import annotations

import getpass
import re
from dataclasses import dataclass, field

from engine.scheduling.launchers.slurm.program import NoAnswer, Said, ask

NODES = ("sinfo", "--noheader", "--Node", "--format=%P|%G|%c|%m|%f|%T")
PARTITIONS = ("scontrol", "--oneliner", "show", "partition")
_PAIR = re.compile(r"(\w+)=(\S+)")
_GPU = re.compile(r"(?:^|,)(gpu(?::[A-Za-z_][\w.-]*)?):(\d+)")
MISSING = {"", "N/A", "(null)", "NONE", "UNLIMITED", "None"}


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition. ``limit``: its longest time as Slurm writes it; "" without one. ``gpus``: what
    a node there has at most, by the name for ``--gres``. ``features``: for ``--constraint``."""

    name: str
    default: bool = False
    limit: str = ""
    gpus: dict[str, int] = field(default_factory=dict)
    cores: int = 0
    memory_mib: int = 0
    features: tuple[str, ...] = ()

    @property
    def said(self) -> str:
        """``gpu (default): 1-00:00:00 at most; gpu:a100 x 4, 64 cores, 500 GiB a node``."""
        cards = ", ".join(f"{name} x {count}" for name, count in self.gpus.items()) or "no GPU"
        default = " (default)" if self.default else ""
        limit = f"{self.limit} at most" if self.limit else "no limit on time"
        size = f"{self.cores} cores, {self.memory_mib / 1024:.0f} GiB a node"
        return f"{self.name}{default}: {limit}; {cards}, {size}"


@dataclass(frozen=True, slots=True)
class Found:
    """What a cluster offers. ``accounts``, ``qos``: those one may use; empty without accounting.
    ``text``: all that its commands printed."""

    partitions: tuple[Partition, ...]
    accounts: tuple[str, ...] = ()
    qos: tuple[str, ...] = ()
    text: str = ""

    @property
    def usual(self) -> Partition | None:
        """The default partition if it has GPUs, else the first that has, else the default."""
        first = sorted(self.partitions, key=lambda p: (not p.gpus, not p.default))
        return first[0] if first else None


def look() -> Found:
    """Ask the cluster; :class:`NoAnswer` where there is none."""
    user = getpass.getuser()
    assoc = (
        "sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={user}",
        "format=Account,QOS",
    )  # fmt: skip
    dump, answers = [], []
    commands: tuple[tuple[str, ...], ...] = (NODES, PARTITIONS, assoc)
    for command in commands:
        try:
            said = ask(command)
        except NoAnswer:
            if command is not assoc:
                raise
            said = Said(1, "", "")  # no accounting
        if said.code and command is not assoc:
            raise NoAnswer(f"{command[0]}: {said.complaint}")
        answers.append("" if said.code else said.out)
        dump.append(f"$ {' '.join(command)}\n{said.out}{said.err}")
    accounts, qos = of_associations(answers[2])
    found = of_partitions(answers[1], answers[0])
    return Found(found, accounts, qos, "\n".join(dump))


def of_partitions(partitions: str, nodes: str) -> tuple[Partition, ...]:
    """From ``scontrol show partition`` and ``sinfo``; a partition that is down is left out."""
    found = []
    for line in partitions.splitlines():
        pairs = dict(_PAIR.findall(line))
        if "PartitionName" not in pairs or pairs.get("State", "UP") != "UP":
            continue
        name = pairs["PartitionName"]
        limit = pairs.get("MaxTime", "")
        found.append(
            _with_nodes(
                Partition(
                    name,
                    pairs.get("Default") == "YES",
                    "" if limit in MISSING or limit == "INFINITE" else limit,
                ),
                nodes,
            )
        )
    return tuple(found)


def _with_nodes(partition: Partition, nodes: str) -> Partition:
    gpus: dict[str, int] = {}
    features: set[str] = set()
    cores = memory = 0
    for line in nodes.splitlines():
        parts = line.split("|")
        if len(parts) != 6 or parts[0].rstrip("*") != partition.name:
            continue
        _, gres, cpus, mib, named, _state = parts
        for name, count in _GPU.findall(re.sub(r"\([^)]*\)", "", gres)):  # (S:0-1), (IDX:0)
            gpus[name] = max(gpus.get(name, 0), int(count))
        cores, memory = max(cores, _number(cpus)), max(memory, _number(mib))
        features |= {word for word in named.split(",") if word not in MISSING}
    return Partition(
        partition.name,
        partition.default,
        partition.limit,
        gpus,
        cores,
        memory,
        tuple(sorted(features)),
    )


def of_associations(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Accounts and QOS that a user may use, each once, from ``sacctmgr show associations``."""
    accounts: dict[str, None] = {}
    qos: dict[str, None] = {}
    for line in text.splitlines():
        account, _, listed = line.partition("|")
        if account.strip():
            accounts[account.strip()] = None
        qos |= dict.fromkeys(word for word in listed.strip("|").split(",") if word.strip())
    return tuple(accounts), tuple(qos)


def _number(text: str) -> int:
    found = re.match(r"\d+", text.strip())  # 64+, where nodes differ
    return int(found[0]) if found else 0
