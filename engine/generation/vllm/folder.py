"""``servers/<host>/<key>/`` beside the runs: the names of one server's files, and what they say.

Only the keeper writes ``server.json``; whoever asks writes a lease of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from engine.machine import processes
from engine.schema.errors import UserError
from engine.schema.jsonfile import read_object
from engine.store.layout import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.interfaces import Handle

DAMAGED: Final = (OSError, UserError, KeyError, TypeError)
State = Literal["starting", "ready", "ending"]


@dataclass(frozen=True, slots=True)
class Server:
    """What ``server.json`` says.

    Attributes:
        keeper: the process that started it and will end it.
        leader: vLLM's first process, whose process group all of it is.
        mark: in the environment of all its processes, so that nobody else's are taken for its.
        key: what it wants to be shown with a request; drawn by chance at each start.
    """

    state: State
    keeper: Handle
    leader: Handle
    mark: str
    port: int
    key: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@dataclass(frozen=True, slots=True)
class ServerDir:
    """One server's folder."""

    path: Path

    @property
    def launch(self) -> Path:
        """What is to be started."""
        return self.path / "launch.json"

    @property
    def server(self) -> Path:
        return self.path / "server.json"

    @property
    def ended(self) -> Path:
        """Why the last server ended that was not wanted to, in a line."""
        return self.path / "ended"

    @property
    def stop(self) -> Path:
        """Its presence asks the keeper to end it."""
        return self.path / "stop"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def keeper_log(self) -> Path:
        return self.path / "keeper.log"

    @property
    def lock(self) -> Path:
        """Held while it is decided whether it starts, is shared, or ends."""
        return self.path / "lock"

    @property
    def leases(self) -> Path:
        return self.path / "leases"

    @property
    def merged(self) -> Path:
        """A merged model that is served from here, and goes with the server."""
        return self.path / "merged"

    def read(self) -> Server | None:
        """None where none was started."""
        try:
            return Server(**read_object(self.server))
        except DAMAGED:
            return None

    def write(self, server: Server) -> None:
        """For its owner's eyes: the key is in it."""
        beside = self.path / f".server.{secrets.token_hex(4)}"
        values = {name: getattr(server, name) for name in Server.__slots__}
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file)
        beside.replace(self.server)

    def living(self) -> Server | None:
        """A server whose keeper is at work."""
        found = self.read()
        return found if found is not None and processes.is_alive(found.keeper) else None

    def add_lease(self, adapter: str = "") -> Path:
        """Of this process; delete the file when the server isn't needed any more."""
        self.leases.mkdir(exist_ok=True)
        lease = self.leases / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        write_json(lease, {"who": processes.identity(), "adapter": adapter})
        return lease

    def holders(self) -> list[dict[str, Any]]:
        """Leases of living processes; those of the dead are taken away."""
        found = []
        for lease in sorted(self.leases.glob("[0-9]*.json")):
            try:
                said = read_object(lease)
                alive = processes.probe(said["who"]) != "exited"
            except DAMAGED:
                alive = False
            if alive:
                found.append(said)
            else:
                lease.unlink(missing_ok=True)
        return found

    def forget(self) -> None:
        """The server is gone, and what it used."""
        for file in (self.server, self.stop):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.merged, ignore_errors=True)


def servers_of(runs: Path) -> Path:
    """Where this machine's servers are; another may have the same runs on its disks."""
    return runs / "servers" / socket.gethostname()


def server_dirs(runs: Path) -> Iterator[ServerDir]:
    """All that this machine ever started beside these runs."""
    with contextlib.suppress(FileNotFoundError):
        yield from map(ServerDir, sorted(p for p in servers_of(runs).iterdir() if p.is_dir()))
