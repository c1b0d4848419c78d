"""The files of one server, in ``servers/<host>/<key>/`` beside the runs.

Only the keeper writes ``server.json``; each phase that uses the server writes a lease.
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
from engine.store.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.interfaces import Handle

DAMAGED: Final = (OSError, UserError, KeyError, TypeError)
State = Literal["starting", "ready", "ending"]


@dataclass(frozen=True, slots=True)
class Server:
    """The content of ``server.json``: how to reach a server and who keeps it.

    Attributes:
        keeper: the process that started it and will end it.
        leader: vLLM's first process, which leads the process group of all others.
        mark: in the environment of all its processes, to tell them from other processes.
        key: the secret that each request must show; drawn at random at each start.
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
        """The file that says how to start the server."""
        return self.path / "launch.json"

    @property
    def server(self) -> Path:
        return self.path / "server.json"

    @property
    def ended(self) -> Path:
        """The file that says in a line why the last server ended unexpectedly."""
        return self.path / "ended"

    @property
    def stop(self) -> Path:
        """A file whose presence asks the keeper to end the server."""
        return self.path / "stop"

    @property
    def log(self) -> Path:
        return self.path / "server.log"

    @property
    def keeper_log(self) -> Path:
        return self.path / "keeper.log"

    @property
    def lock(self) -> Path:
        """The lock to hold while deciding whether the server starts, is shared, or ends."""
        return self.path / "lock"

    @property
    def leases(self) -> Path:
        return self.path / "leases"

    @property
    def merged(self) -> Path:
        """The merged model that is served from here, deleted with the server."""
        return self.path / "merged"

    def read(self) -> Server | None:
        """Read ``server.json``; None where no server was started."""
        try:
            return Server(**read_object(self.server))
        except DAMAGED:
            return None

    def write(self, server: Server) -> None:
        """Write ``server.json``, readable for its owner only, since it holds the key."""
        beside = self.path / f".server.{secrets.token_hex(4)}"
        values = {name: getattr(server, name) for name in Server.__slots__}
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file)
        beside.replace(self.server)

    def living(self) -> Server | None:
        """Return the server if its keeper is running."""
        found = self.read()
        return found if found is not None and processes.is_alive(found.keeper) else None

    def add_lease(self, adapter: str = "") -> Path:
        """Write a lease of this process; delete the file when it needs the server no more."""
        self.leases.mkdir(exist_ok=True)
        lease = self.leases / f"{os.getpid()}-{secrets.token_hex(4)}.json"
        write_json(lease, {"who": processes.identity(), "adapter": adapter})
        return lease

    def holders(self) -> list[dict[str, Any]]:
        """Return the leases of living processes, and delete those of dead ones."""
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
        """Delete what belonged to a server that is gone."""
        for file in (self.server, self.stop):
            file.unlink(missing_ok=True)
        shutil.rmtree(self.merged, ignore_errors=True)


def servers_of(runs: Path) -> Path:
    """Return the folder of this machine's servers; others may share the runs folder."""
    return runs / "servers" / socket.gethostname()


def server_dirs(runs: Path) -> Iterator[ServerDir]:
    """Yield the folders of all servers that this machine started beside these runs."""
    with contextlib.suppress(FileNotFoundError):
        yield from map(ServerDir, sorted(p for p in servers_of(runs).iterdir() if p.is_dir()))
