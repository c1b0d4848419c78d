"""Share servers between phases: use a running one, or start one and leave it to the others."""

from __future__ import annotations

import contextlib
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, cast

from engine.generation.vllm import group, keeper
from engine.generation.vllm.faults import stage
from engine.generation.vllm.folder import Server, ServerDir, server_dirs, servers_of
from engine.generation.vllm.wire import is_well
from engine.machine import processes
from engine.schema.errors import UserError
from engine.store.locking import Timeout, held
from engine.store.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from engine.generation.vllm.command import Launch

T = TypeVar("T")
POLL_S: Final = 0.2
START_S: Final = 1800.0  # large weights from a slow disk, and CUDA graphs
WELL_S: Final = 10.0
KEEPER_S: Final = 30.0  # until a new keeper says who it is


@dataclass(frozen=True, slots=True)
class Lease:
    """A ready server, held while this is open. ``waited_s``: seconds until it was ready."""

    folder: ServerDir
    server: Server
    file: Path
    waited_s: float

    @property
    def lives(self) -> bool:
        """Whether the leased server is still the same one, and answers."""
        now = self.folder.living()
        if now is None or now.mark != self.server.mark:
            return False
        return processes.is_alive(now.leader) and is_well(now, WELL_S)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.unlink(missing_ok=True)


def run_out(waiting: Generator[Any, None, T]) -> T:
    """Run a generator to its end and return its value, ignoring what it yields."""
    while True:
        try:
            next(waiting)
        except StopIteration as over:
            return cast("T", over.value)


def leasing(
    runs: Path,
    launch: Launch,
    adapter: str,
    doing: Callable[[str], None],
    merge: Callable[[Path], None] | None,
) -> Generator[list[Any], None, Lease]:
    """Share or start a server for this launch; return when it is ready, and yield an empty list
    every moment until then. Closing it gives the server up.

    ``adapter``: its name, for others to see which are in use. ``merge`` writes the model into a
    folder where that is to be made first. ``UserError`` when the server does not start, in a line.
    """
    folder = ServerDir(servers_of(runs) / launch.key)
    folder.path.mkdir(parents=True, exist_ok=True)
    began, mine = time.monotonic(), None
    try:
        while mine is None:
            mine = _join_or_start(folder, launch, adapter, merge)
            if mine is None:
                doing("waiting for a server of this model to start or end")
                time.sleep(POLL_S)
                yield []
        while (server := _ready(folder, began)) is None:
            doing(f"starting vLLM: {stage(folder.log)}")
            time.sleep(POLL_S)
            yield []
        return Lease(folder, server, mine, round(time.monotonic() - began, 1))
    except BaseException:
        if mine is not None:
            mine.unlink(missing_ok=True)
        raise


def _join_or_start(
    folder: ServerDir, launch: Launch, adapter: str, merge: Callable[[Path], None] | None
) -> Path | None:
    """Lease a running server or start one; None while it is ending or being started."""
    try:
        with held(folder.lock):
            living = folder.living()
            if living is not None and _is_over(living):
                return None
            if living is None:
                _clear(folder)
                if merge is not None:
                    merge(folder.merged)
                    launch = replace(launch, model=str(folder.merged.resolve()))
                write_json(folder.launch, asdict(launch))
                _start(folder)
            return folder.add_lease(adapter)
    except Timeout:  # another phase is starting it
        return None


def _is_over(server: Server) -> bool:
    """Whether the server is ending, or has ended without its keeper noticing yet."""
    return server.state == "ending" or not processes.is_alive(server.leader)


def _start(folder: ServerDir) -> None:
    """Start a keeper and wait for its sign, holding the lock so that no second one starts."""
    started = keeper.start(folder)
    deadline = time.monotonic() + KEEPER_S
    while folder.living() is None and started.poll() is None:
        if time.monotonic() > deadline:
            raise UserError(f"vLLM did not start: its keeper says nothing; see {folder.keeper_log}")
        time.sleep(POLL_S)


def _ready(folder: ServerDir, began: float) -> Server | None:
    """Return the server once it answers; ``UserError`` when it never will."""
    server = folder.living()
    if server is None:
        why = _read(folder.ended) or f"its keeper ended; see {folder.keeper_log}"
        raise UserError(f"vLLM did not start: {why}")
    if server.state == "ready":
        return server
    if time.monotonic() - began > START_S:
        raise UserError(f"vLLM did not start within {START_S / 60:.0f} minutes; see {folder.log}")
    return None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def _clear(folder: ServerDir) -> None:
    """End what is left of an earlier server that has no keeper any more."""
    old = folder.read()
    if old is not None:
        group.end(old.leader["pid"], old.mark, grace_s=0)
    folder.forget()
    folder.ended.unlink(missing_ok=True)


def reap(runs: Path) -> list[str]:
    """End what killed keepers left behind, and delete what belonged to servers that are gone;
    return a line for each server that was ended."""
    told = []
    for folder in server_dirs(runs):
        with contextlib.suppress(Timeout), held(folder.lock):
            if folder.living() is not None:
                continue
            old = folder.read()
            left = group.members(old.leader["pid"], old.mark) if old is not None else []
            if left:
                told.append(f"{folder.path.name}: {len(left)} processes of a dead server ended")
            _clear(folder)
    return told


def idle(runs: Path) -> list[tuple[ServerDir, Server]]:
    """Return running servers that no living phase holds."""
    found = ((folder, folder.living()) for folder in server_dirs(runs))
    return [(f, s) for f, s in found if s is not None and not f.holders()]
