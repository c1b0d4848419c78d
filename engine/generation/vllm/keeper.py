"""The keeper: a process that starts one server, watches it, and ends it when nobody needs it.

It belongs to no phase, so that phases can share the server. When it dies, so does the server
(:func:`engine.generation.vllm.group.guard`); when both were killed, the next start takes away
what is left (:func:`engine.generation.vllm.shared.reap`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

from engine.generation.vllm import group
from engine.generation.vllm.command import read_launch
from engine.generation.vllm.faults import PORT_TAKEN, why_it_ended
from engine.generation.vllm.folder import Server, ServerDir
from engine.generation.vllm.wanted import is_wanted
from engine.generation.vllm.wire import is_well
from engine.machine import processes
from engine.machine.vllm import VARIABLE
from engine.store.locking import Timeout, held

if TYPE_CHECKING:
    from pathlib import Path

    from engine.generation.vllm.command import Launch

POLL_S: Final = 0.5
IDLE_S: Final = 15.0  # between two phases that follow each other
GRACE_S: Final = 5.0
HEALTH_S: Final = 2.0
STARTS: Final = 3  # another may take the port that was free


def keep(path: Path) -> int:
    """Keep the server whose ``launch.json`` is in the folder."""
    folder = ServerDir(path)
    idle_s = float(os.environ.get("SIRT_SERVER_IDLE_S", IDLE_S))
    return Keeper(folder, read_launch(folder), idle_s).run()


class Keeper:
    """Keeps one server from its start to its end."""

    def __init__(self, folder: ServerDir, launch: Launch, idle_s: float) -> None:
        self._folder = folder
        self._launch = launch
        self._idle_s = idle_s
        self._needed = time.monotonic()
        self._over = threading.Event()

    def run(self) -> int:
        """Return 0 when nobody needed the server any more, 1 when it ended by itself."""
        signal.signal(signal.SIGTERM, lambda *_: self._over.set())
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        for _ in range(STARTS):
            why = self._keep()
            if why != PORT_TAKEN:
                break
        with contextlib.suppress(OSError):  # the folder may have been deleted
            if why:
                self._folder.ended.write_text(why, encoding="utf-8")
            self._folder.forget()
        return 1 if why else 0

    def _keep(self) -> str:
        """Start the server and watch it until it ends; say why if it should not have ended."""
        port, key, mark = _free_port(), secrets.token_urlsafe(24), secrets.token_hex(16)
        try:
            child = self._start(port, key, mark)
        except OSError as error:
            todo = f"check {VARIABLE}, and the machine with sirt doctor"
            return f"{error.filename}: {error.strerror}; {todo}"
        guard = group.guard(child.pid)
        me, leader = processes.identity(), processes.identity(child.pid)
        server = Server("starting", me, leader, mark, port, key)
        try:
            self._folder.write(server)
            return self._watch(child, server)
        except OSError as error:  # no folder any more, or a full disk
            return f"its keeper can't go on: {error.strerror or error}"
        finally:
            group.end(child.pid, mark, GRACE_S)
            child.wait()
            assert guard.stdin is not None
            with contextlib.suppress(OSError):
                guard.stdin.write(b"over\n")
                guard.stdin.close()
            guard.wait()

    def _start(self, port: int, key: str, mark: str) -> subprocess.Popen[bytes]:
        with self._folder.log.open("wb") as log:
            return subprocess.Popen(
                self._launch.command(port),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=self._launch.environment(key) | {group.MARK: mark},
                start_new_session=True,
            )

    def _watch(self, child: subprocess.Popen[bytes], server: Server) -> str:
        while True:
            if child.poll() is not None:
                return why_it_ended(self._folder.log, child.returncode)
            if server.state == "starting" and is_well(server, HEALTH_S):
                server = dataclasses.replace(server, state="ready")
                self._folder.write(server)
            if self._over.is_set() or self._nobody_needs(server):
                return ""
            self._over.wait(POLL_S)

    def _nobody_needs(self, server: Server) -> bool:
        """Whether to end the server; if so, mark it as ending, so that nobody joins it."""
        if self._folder.read() is None:
            return True
        asked = self._folder.stop.exists()
        if not asked and self._is_needed():
            self._needed = time.monotonic()
        if not asked and time.monotonic() - self._needed < self._idle_s:
            return False
        try:
            with held(self._folder.lock):
                if self._folder.holders():
                    self._folder.stop.unlink(missing_ok=True)
                    return False
                self._folder.write(dataclasses.replace(server, state="ending"))
                return True
        except Timeout:  # somebody is about to use it
            return False

    def _is_needed(self) -> bool:
        return bool(self._folder.holders()) or is_wanted(self._folder)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start(folder: ServerDir) -> subprocess.Popen[bytes]:
    """Start a keeper in its own session, so that it outlives this process."""
    log = folder.keeper_log
    command = (sys.executable, "-m", "engine", "serve", str(folder.path.resolve()))
    keeper = processes.spawn(command, log, log)
    # or it would stay a zombie of a program that outlives it
    threading.Thread(target=keeper.wait, name="keeper-reaper", daemon=True).start()
    return keeper
