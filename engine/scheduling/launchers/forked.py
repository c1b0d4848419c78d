"""Starts phases by forking a process that has already imported the training stack.

That process (:mod:`engine.scheduling.launchers.warm`) belongs to one launcher, by an inherited
socket; when its launcher is gone it only waits for its children, to write down how they ended.
Nobody else needs it: a handle is the phase's own process.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import subprocess
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from engine.machine import processes

if TYPE_CHECKING:
    from pathlib import Path

    from engine.interfaces import Devices, Handle
    from engine.store.layout import AttemptDir, PhaseDir

ENGINE = (sys.executable, "-m", "engine")
ANSWER_TIMEOUT_S = 10.0
MAX_FAILURES = 3
LIMIT_BYTES = 65_536


class Forks:
    """Forks phases; ``log`` is the file for errors of the pre-imported process.

    After :data:`MAX_FAILURES` failures :attr:`usable` stays False.
    """

    def __init__(self, log: Path | None = None, program: tuple[str, ...] = ENGINE) -> None:
        self._log = log
        self._program = program
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self.imported = False
        self._failures = 0

    @property
    def usable(self) -> bool:
        return self._failures < MAX_FAILURES

    def warm_up(self) -> None:
        """Start the imports unless they are running or done; ``OSError`` if that fails."""
        if self._socket is not None:
            return
        ours, theirs = socket.socketpair()
        log = self._log or processes.NOWHERE
        command = (*self._program, "warm", str(theirs.fileno()))
        with theirs:
            self._process = processes.spawn(command, log, log, pass_fds=(theirs.fileno(),))
        ours.settimeout(ANSWER_TIMEOUT_S)
        self._socket = ours

    def ready(self) -> bool:
        """Whether a phase can be forked at once; starts the imports if they have not begun."""
        self.warm_up()
        if not self.imported and self._socket and select.select([self._socket], [], [], 0)[0]:
            self.imported = self._read().get("imported", False)
        return self.imported

    def start(self, phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> Handle:
        request = {
            "phase": str(phase.path.resolve()),
            "attempt": str(attempt.path.resolve()),
            "devices": asdict(devices),
        }
        if self._socket is None:
            raise OSError("the pre-imported process is not there")
        try:
            self._socket.sendall(json.dumps(request).encode() + b"\n")
        except OSError:
            self.abandon()
            raise
        handle: Handle = self._read()["handle"]
        return handle

    def _read(self) -> dict[str, Any]:
        """The process's next answer; ``OSError`` when there is none, or it is an error."""
        assert self._socket is not None
        line = b""
        try:
            while not line.endswith(b"\n"):
                part = self._socket.recv(LIMIT_BYTES)
                if not part:
                    raise OSError(f"the pre-imported process has ended{self._how()}")
                line += part
        except OSError:
            self.abandon()
            raise
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            self.abandon()
            raise OSError(answer["error"])
        return answer

    def _how(self) -> str:
        if self._process is None:
            return ""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return f" (exit code {self._process.wait(timeout=1)})"
        return ""

    def abandon(self) -> None:
        """Count a failure and release the process; the next ``ready`` starts another."""
        self._failures += 1
        self.close()

    def close(self) -> None:
        """Release the process: it ends when its last child has ended."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self.imported = False

    def reap(self) -> None:
        """Collect the pre-imported process's exit status, so that no zombie stays."""
        if self._process is not None:
            self._process.poll()
