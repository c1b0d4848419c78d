"""The scheduling policy, without side effects: which queued phases to start on the free devices.

They are considered in the order that :mod:`engine.scheduling.order` gives; a phase that several
runs share stands in one place only and starts once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from engine.interfaces import Capacity, Devices, Slot
from engine.scheduling import standing
from engine.scheduling.standing import (
    ENDED_BADLY,
    Fact,
    Standing,
    forgiven_by,
)
from engine.schema.cards import Frozen

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

    from engine.scheduling.order import Rank
    from engine.schema.specs import PhaseSpec

__all__ = ["ENDED_BADLY", "Fact", "Standing", "standings", "starts"]


class DeviceRequest(Frozen):
    """The devices requested for a run: exactly these GPUs, a number of GPUs, or only the CPU.

    A list with a count means that many of the listed GPUs. With neither, it is one GPU if there
    is one, else the CPU. ``launcher``: the launcher that starts the phases.
    """

    gpus: tuple[int, ...] | None = None
    gpu_count: int | None = None
    cpu: bool = False
    launcher: str = "local"


@dataclass(frozen=True, slots=True)
class Node:
    """What scheduling needs to know about a phase.

    ``remote``: an endpoint or a file does the work, so it needs no device. ``trains``: gets as many
    GPUs as are asked for. ``spreads``: can use several; of this machine it gets its share of the
    free ones, of a cluster as many as the site says. ``memory``: GiB of the machine's memory that
    it takes on the CPU, ``card_memory``: GiB of GPU memory that it takes there; 0 when unknown.
    ``pocket``: so small a model that a second thread would slow it. ``generation``: phases that
    share it ask the same questions; the later one takes the earlier one's replies.
    ``served``: the model that it asks a shared server for, as the server's launch names it; ""
    where it asks none. ``model``: the model's card. ``seconds``: how long it is expected to take;
    0 when unknown.
    """

    id: str
    inputs: tuple[str, ...] = ()
    remote: bool = False
    trains: bool = False
    spreads: bool = False
    memory: float = 0.0
    card_memory: float = 0.0
    pocket: bool = False
    generation: str | None = None
    served: str = ""
    model: str = ""
    seconds: float = 0.0

    @property
    def kind(self) -> str:
        return self.id.rpartition("-")[0]

    @property
    def shares_questions(self) -> bool:
        """Whether it can ask on several GPUs at once; a shared server has its own."""
        return self.spreads and not (self.trains or self.remote or self.served)


@dataclass(frozen=True, slots=True)
class QueuedRun:
    """A run to schedule. ``forgiven``: by phase, the attempt up to which failures don't count.
    ``batch``: runs that stand together in the queue with the same one may be mixed."""

    run_id: str
    nodes: tuple[Node, ...]
    request: DeviceRequest = field(default_factory=DeviceRequest)
    forgiven: Mapping[str, int] = field(default_factory=dict)
    hold: bool = False
    batch: str = ""


@dataclass(frozen=True, slots=True)
class Start:
    """Start this phase on these devices."""

    phase: str
    run_id: str
    slot: Slot
    devices: Devices


def handed_over(
    runs: Iterable[QueuedRun],
    stands: Mapping[str, Standing],
    there: Iterable[str],
    room: Capacity,
    rank: Rank | None = None,
) -> list[Start]:
    """Which phases a queue elsewhere takes now: in our order, also those whose inputs it makes
    (``there``) or is about to. Phases whose model is behind an endpoint are left out."""
    chosen: dict[str, Start] = {}
    wanted = {p for p, where in stands.items() if where.state in ("queued", "waiting")}
    for run, node in candidates(runs, wanted.difference(there), rank):
        if len(chosen) >= (room.jobs or 0):
            break
        if node.remote or node.id in chosen:
            continue
        if all(i in there or i in chosen or made(i, stands) for i in node.inputs):
            devices = elsewhere(node.spreads, run.request, room.each[node.kind])
            slot: Slot = "gpu" if devices.gpus else "cpu"
            chosen[node.id] = Start(node.id, run.run_id, slot, devices)
    return list(chosen.values())


def alike(
    chosen: Iterable[Start], nodes: Mapping[str, Node], stands: Mapping[str, Standing]
) -> list[list[Start]]:
    """The same in groups: evaluations of one model on the same devices that wait for the same
    phases, or for none, since what they need is the same; all others by themselves."""
    groups: dict[object, list[Start]] = {}
    for start in chosen:
        node = nodes[start.phase]
        waits_for = tuple(i for i in node.inputs if not made(i, stands))
        key = (node.model, start.devices, waits_for) if node.kind == "evaluate" else start.phase
        groups.setdefault(key, []).append(start)
    return list(groups.values())


def made(phase: str, stands: Mapping[str, Standing]) -> bool:
    """An input that none of the runs has was there when the run was made."""
    return phase not in stands or stands[phase].state == "done"


def elsewhere(spreads: bool, request: DeviceRequest, usual: Devices) -> Devices:
    """The devices of a phase that a queue elsewhere takes, which has the ``usual`` ones there."""
    count = len(usual.gpus) if request.gpu_count is None else request.gpu_count
    count = 0 if request.cpu else count
    if not spreads:
        return Devices(tuple(range(min(count, 1))), usual.threads)
    return replace(usual, gpus=tuple(range(count)))


def node_of(spec: PhaseSpec) -> Node:
    """A phase's node for scheduling; this hashes its spec, so keep the result."""
    remote = spec.card is not None and not spec.card.source.needs_device
    return Node(
        *(spec.id, spec.inputs, remote, spec.trains, spec.spreads),
        generation=spec.generation_key,
        model=spec.card.name if spec.card else "",
    )


def standings(runs: Iterable[QueuedRun], facts: Mapping[str, Fact]) -> dict[str, Standing]:
    """The state of each phase, in the order in which phases are to be considered. ``queued``:
    could start now; ``waiting``: for its inputs. An input that none of the runs has was there when
    the run was made; the phase itself reports when it is gone."""
    runs = list(runs)
    nodes = {node.id: node for run in runs for node in run.nodes}
    needs = ((node.id, node.inputs) for node in nodes.values())
    found = standing.standings(needs, facts, forgiven_by(run.forgiven for run in runs))

    return {
        phase: replace(where, state="waiting")
        if where.state == "queued" and not all(made(i, found) for i in nodes[phase].inputs)
        else where
        for phase, where in found.items()
    }


def blocked(stands: Mapping[str, Standing]) -> dict[str, list[str]]:
    """For each phase that ended badly, the phases that wait for it."""
    found: dict[str, list[str]] = {}
    for phase, where in stands.items():
        if where.state == "blocked":
            found.setdefault(where.because, []).append(phase)
    return found


def finished(run: QueuedRun, stands: Mapping[str, Standing]) -> bool:
    return all(stands[node.id].state == "done" for node in run.nodes)


Candidate = tuple[QueuedRun, Node]


def candidates(
    runs: Iterable[QueuedRun], ready: Container[str], rank: Rank | None = None
) -> list[Candidate]:
    """The ready phases, with every run that needs them and isn't held; in the order of the queue if
    no other is given."""
    found = [(run, n) for run in runs if not run.hold for n in run.nodes if n.id in ready]
    return found if rank is None else sorted(found, key=lambda one: rank(one[1].id))


def starts(
    runs: Iterable[QueuedRun],
    ready: Container[str],
    free: Capacity,
    kept: Mapping[str, int] = MappingProxyType({}),
    rank: Rank | None = None,
) -> list[Start]:
    """Which of the ready phases to start now, and on what; see :func:`placed`."""
    return placed(candidates(runs, ready, rank), free, kept)


def placed(
    wanted: Iterable[Candidate], free: Capacity, kept: Mapping[str, int] = MappingProxyType({})
) -> list[Start]:
    """Which of these phases to start now, the first ones first, and on what. ``kept``: how many CPU
    threads a phase had in its last attempt, and has again, since rounding depends on it.

    A phase that must wait for GPUs keeps those it waits for from later ones, so that a request
    for many is not starved by requests for few; CPU and endpoint phases go on meanwhile. One that
    must wait for as many threads as it had keeps all that are free. No more are looked at than
    until nothing is free.
    """
    chosen: dict[str, Start] = {}
    waiting: dict[str, Node] = {}
    wanted = list(wanted)
    sharing = {node.id for _, node in wanted if node.shares_questions}
    if free.cpu:
        waiting = {
            node.id: node
            for run, node in wanted
            if not node.remote and _on_cpu(_cards(node, run.request, free))
        }
    for run, node in wanted:
        if node.id not in chosen and node.generation not in free.asking:
            threads = kept.get(node.id) or _threads(node, waiting.values(), free)
            start, free = _place(node, run, free, threads, len(sharing))
            if start is not None:
                sharing.discard(node.id)
                if node.generation:
                    free = replace(free, asking=free.asking | {node.generation})
                waiting.pop(node.id, None)
                chosen[node.id] = start
        if not (free.cpu or free.gpus or free.api):
            break
    return list(chosen.values())


def _threads(node: Node, waiting: Iterable[Node], free: Capacity) -> int:
    """The threads of a CPU phase: an even share of the free ones among the phases whose memory
    fits beside it. Two phases of one thread each are faster than one with two."""
    if node.pocket:
        return 1
    if free.share:
        return free.share
    room, beside = free.memory - node.memory, 1
    for other in waiting:
        if other.id != node.id and other.memory <= room:
            room, beside = room - other.memory, beside + 1
    return max(1, free.cpu // beside)


def _place(
    node: Node, run: QueuedRun, free: Capacity, threads: int, sharing: int
) -> tuple[Start | None, Capacity]:
    if node.remote:
        if not free.api:
            return None, free
        return Start(node.id, run.run_id, "api", Devices()), replace(free, api=free.api - 1)
    wanted = _cards(node, run.request, free, sharing)
    if wanted is None:
        return None, free
    if _on_cpu(wanted):
        if not free.cpu or short_of_memory(node, free):
            return None, free
        takes = 1 if free.share else threads
        if takes > free.cpu and not free.alone:
            return None, replace(free, cpu=0)
        cpu, memory = max(0, free.cpu - takes), free.memory - node.memory
        left = replace(free, cpu=cpu, memory=memory, alone=False)
        return Start(node.id, run.run_id, "cpu", Devices(threads=threads)), left
    roomy = (g for g in wanted.available if free.card_memory.get(g, math.inf) >= node.card_memory)
    gpus = tuple(roomy)[: wanted.count]
    if len(gpus) < wanted.count:
        return None, _without(free, wanted.pool)
    start = Start(node.id, run.run_id, "gpu", Devices(gpus, free.threads))
    return start, _without(free, gpus)


def short_of_memory(node: Node, free: Capacity) -> bool:
    """Whether a phase has to wait until other phases have released memory."""
    return node.memory > free.memory and not free.alone


@dataclass(frozen=True, slots=True)
class _Cards:
    """``count`` GPUs to be taken from ``pool``, of which ``available`` are free now."""

    count: int
    pool: tuple[int, ...] = ()
    available: tuple[int, ...] = ()


def _on_cpu(wanted: _Cards | None) -> bool:
    return wanted is not None and not wanted.pool and not wanted.count


def _cards(node: Node, request: DeviceRequest, free: Capacity, sharing: int = 1) -> _Cards | None:
    """The GPUs a request can have; ``None`` if this machine can never meet it (:func:`problem`).
    ``sharing``: how many phases are ready that share their questions among what is free.

    GPUs that somebody else uses are only taken when they are named.
    """
    if problem(request, free.cards):
        return None
    if request.cpu or (request.gpus is None and request.gpu_count is None and not free.cards):
        return _Cards(0)
    pool = free.cards if request.gpus is None else request.gpus
    named = request.gpus is not None and request.gpu_count is None
    usable = set(free.gpus if named else free.quiet)
    available = tuple(g for g in pool if g in usable)
    count = len(pool) if named else (request.gpu_count or 1)
    if not node.trains:
        share = len(available) // max(1, sharing) if node.shares_questions else 1
        count = max(1, min(count, share))
    return _Cards(count, pool, available)


def problem(request: DeviceRequest, cards: Sequence[int]) -> str:
    """Why a request can never be met with these GPUs; "" when it can."""
    if request.cpu:
        return ""
    absent = sorted(set(request.gpus or ()) - set(cards))
    if absent:
        there = ", ".join(map(str, cards)) or "none"
        return f"there is no GPU {', '.join(map(str, absent))} here; present: {there}"
    if request.gpus == ():
        return "an empty list of GPUs; name some, or ask for CPU"
    many = len(cards if request.gpus is None else request.gpus)
    if request.gpu_count is not None and not 1 <= request.gpu_count <= many:
        return f"{request.gpu_count} GPUs were asked for, and there are {many} to choose from"
    return ""


def _without(free: Capacity, gpus: Sequence[int]) -> Capacity:
    return replace(
        free,
        gpus=tuple(g for g in free.gpus if g not in gpus),
        quiet=tuple(g for g in free.quiet if g not in gpus),
    )
