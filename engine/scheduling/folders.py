"""What the conductor reads from the runs folder, cached so that only changes are read again."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from engine.machine import devices
from engine.machine.state import devices_of, final_event, phase_state
from engine.machine.vllm import is_installed
from engine.planning.engines import served_model, server_gib
from engine.planning.estimate import expectations
from engine.planning.history import history
from engine.planning.memory import is_pocket, needed_gib
from engine.scheduling.policy import (
    Fact,
    Node,
    QueuedRun,
    node_of,
)
from engine.scheduling.standing import ENDED_BADLY, NOBODY_TRIED
from engine.schema.errors import UserError
from engine.store.registry import CLOCK_GRAIN_NS
from engine.store.run import read_run
from engine.store.untouched import Inodes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.interfaces import Devices, Slot
    from engine.planning.history import Likeness, Witness
    from engine.scheduling.queue import Entry
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder

AT_REST = ENDED_BADLY | {"done"}


class Folders:
    """Reads runs and phases; a run's file is read again only when changed, a past attempt never."""

    def __init__(self, runs: RunsFolder) -> None:
        self._runs = runs
        self._inodes = Inodes(runs)
        self._nodes: dict[str, tuple[int, tuple[Node, ...], str]] = {}
        self._at_rest: dict[str, tuple[int, Fact]] = {}  # the folder's time of change
        self._generations: dict[str, str | None] = {}

    def queued_run(self, entry: Entry) -> QueuedRun:
        """A queued run with its phases; ``UserError`` if it was deleted or its file is damaged."""
        nodes, experiment = self._nodes_of(entry.run_id)
        batch = entry.run_id if entry.moved else experiment
        return QueuedRun(entry.run_id, nodes, entry.devices, entry.forgiven, entry.hold, batch)

    def _nodes_of(self, run_id: str) -> tuple[tuple[Node, ...], str]:
        """The phases of a run, and its experiment."""
        try:
            changed = self._runs.run_file(run_id).stat().st_mtime_ns
        except FileNotFoundError:
            raise UserError("it was deleted") from None
        known = self._nodes.get(run_id)
        if known is None or known[0] != changed:
            spec = read_run(self._runs, run_id).spec
            took = expectations(spec.phases, self._runs, self._on_gpu, self._past)
            nodes = tuple(self._node(one, took[one.id].seconds or 0.0) for one in spec.phases)
            self._nodes[run_id] = known = (changed, nodes, spec.experiment)
        return known[1:]

    @cached_property
    def _on_gpu(self) -> bool:
        return bool(devices.gpus())

    @cached_property
    def _past(self) -> dict[Likeness, list[Witness]]:
        return history(self._runs)

    def _node(self, spec: PhaseSpec, seconds: float) -> Node:
        memory, on_card = self.needed(spec, on_gpu=False), self.needed(spec, on_gpu=True)
        if spec.card and served_model(spec, False, is_installed(self._runs.root)):
            memory = server_gib(spec.card)
        small = spec.card is not None and is_pocket(spec.card)
        return replace(
            node_of(spec),
            memory=memory,
            card_memory=on_card,
            pocket=small,
            served=self._served(spec),
            seconds=seconds,
        )

    def _served(self, spec: PhaseSpec) -> str:
        """The model that a phase asks a server for, on a GPU or on the CPU."""
        there = is_installed(self._runs.root)
        return served_model(spec, True, there) or served_model(spec, False, there)

    def needed(self, spec: PhaseSpec, on_gpu: bool) -> float:
        """The memory a phase needs, in GiB; 0 when unknown. Finished phases are looked up once."""
        return needed_gib(spec, on_gpu, self._past) or 0.0

    def generations(self, phases: Sequence[PhaseDir]) -> frozenset[str]:
        """What these phases generate; another phase with the same generations waits for them."""
        for phase in phases:
            if phase.id not in self._generations:
                self._generations[phase.id] = None
                with suppress(OSError, UserError):  # the phase says it itself
                    self._generations[phase.id] = phase.spec().generation_key
        found = (self._generations[phase.id] for phase in phases)
        return frozenset(key for key in found if key)

    def facts(self, wanted: Iterable[QueuedRun]) -> dict[str, Fact]:
        """The state and last attempt of every phase of these runs, by phase."""
        ids = {node.id for run in wanted for node in run.nodes}
        return {phase_id: self._fact(phase_id) for phase_id in ids}

    def _fact(self, phase_id: str) -> Fact:
        """Of a phase at rest, read again when its folder has changed: a new attempt, a manifest."""
        inode = self._inodes.look(phase_id)
        if inode is None or self._inodes.untouched(phase_id, inode):
            return NOBODY_TRIED
        changed = inode.st_mtime_ns
        known = self._at_rest.get(phase_id)
        if known is not None and known[0] == changed:
            return known[1]
        found = phase_state(self._runs.phase(phase_id))
        fact = Fact(found.state, found.attempt)
        sure = time.time_ns() - changed > CLOCK_GRAIN_NS
        if sure and fact.state in AT_REST:
            self._at_rest[phase_id] = changed, fact
        return fact

    def outcome(self, phase: PhaseDir, attempt: AttemptDir) -> str | None:
        """How an attempt ended; ``None`` if it has no final event and the phase no manifest."""
        final = final_event(attempt)
        if final is not None:
            return final.outcome + (f" ({final.error})" if final.error else "")
        return "done" if phase.done else None

    def attempt_number(self, phase_id: str) -> int:
        last = self._runs.phase(phase_id).last_attempt()
        return last.number if last else 0

    def cpu_threads(self, phase_id: str) -> int:
        """The CPU threads of the last attempt, on each of its nodes; 0 when it ran on a GPU, or
        there was none."""
        given = devices_of(self._runs.phase(phase_id))
        return given.threads if given and not given.gpus else 0

    def open_attempt(self, phase: PhaseDir) -> AttemptDir | None:
        """The last attempt, if it has no final event yet."""
        attempt = phase.last_attempt()
        return None if attempt is None or final_event(attempt) else attempt

    def slot(self, phase: PhaseDir, devices: Devices) -> Slot:
        """Which kind of slot a running phase takes."""
        if devices.gpus:
            return "gpu"
        return "api" if node_of(phase.spec()).remote else "cpu"
