"""The vLLM servers that phases share, as the conductor sees them: which are in use, and which
must end when their memory is needed."""

from __future__ import annotations

import contextlib
import logging
import os
from typing import TYPE_CHECKING

from engine.generation.vllm.command import read_launch
from engine.generation.vllm.folder import servers_of
from engine.generation.vllm.shared import idle, reap
from engine.generation.vllm.wanted import tell_wanted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.generation.vllm.command import Launch
    from engine.generation.vllm.folder import Server, ServerDir
    from engine.interfaces import Capacity, Devices
    from engine.machine.devices import Gpu
    from engine.scheduling.policy import Node
    from engine.store.layout import RunsFolder

log = logging.getLogger(__name__)


class Servers:
    """Ends unused servers early, when their GPU or memory is needed. A server's own keeper ends it
    only when no phase holds it and no ready phase wants it."""

    def __init__(self, runs: RunsFolder) -> None:
        self._root = runs.root
        self._wanted: set[str] | None = None
        self._idle: list[tuple[ServerDir, Server, Launch]] = []
        for line in reap(self._root):
            log.info("vLLM: %s", line)

    def look(self, ready: Iterable[Node]) -> None:
        """Read the servers before each round of starts. ``ready``: phases that could start now."""
        self._idle = []
        for folder, server in idle(self._root):
            with contextlib.suppress(OSError, ValueError, TypeError):  # ends just now
                self._idle.append((folder, server, read_launch(folder)))
        wanted = {node.served for node in ready if node.served}
        if wanted != self._wanted and servers_of(self._root).is_dir():
            self._wanted = wanted
            tell_wanted(servers_of(self._root), wanted)

    def idle_on(self, card: Gpu) -> bool:
        """Whether a GPU is used by nothing but servers that no phase holds."""
        leaders = {server.leader["pid"] for _, server, _ in self._idle}
        return bool(leaders) and all(_group(p.pid) in leaders for p in card.processes)

    def in_the_way(self, node: Node, devices: Devices, free: Capacity) -> bool:
        """Whether a start on these devices must wait for another model's server, which holds the
        GPU or memory, to end; the server is asked to."""
        found = False
        for folder, _, launch in self._idle:
            short = not devices.gpus and not launch.gpus and node.memory > free.memory
            held = set(launch.gpus) & set(devices.gpus)
            if launch.origin != node.served and (short or held):
                found = True
                self._end(folder, f"{node.id} needs its place")
        return found

    def make_room(self, short: Iterable[Node]) -> None:
        """End servers that no phase holds before a phase waits for memory; the server that the
        phase itself would ask stays."""
        for node in short:
            for folder, _, launch in self._idle:
                if launch.origin != node.served:
                    self._end(folder, f"{node.id} waits for memory")

    @staticmethod
    def _end(folder: ServerDir, why: str) -> None:
        with contextlib.suppress(OSError):
            if not folder.stop.exists():
                log.info("vLLM server %s is asked to end: %s", folder.path.name, why)
                folder.stop.touch()


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0
