"""A program in a real tmux pane: its screen, its keys, its bytes, its processor time."""

from __future__ import annotations

import itertools
import os
import shlex
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

NUMBERS = itertools.count()
LOOK_S = 0.01
DEADLINE_S = 60.0


@dataclass(frozen=True)
class Used:
    """Since the program's start: CPU seconds of it and its children; bytes it sent to the terminal;
    and when."""

    cpu: float
    sent: int
    at: float


class Pane:
    """A tmux server of its own. The screen is asked for through one control connection, so a look
    starts no process. What the program remembers, such as a filter, is kept in ``folder``."""

    def __init__(self, command: Sequence[str], folder: Path, width: int, height: int) -> None:
        self._socket = f"bench-{os.getpid()}-{next(NUMBERS)}"  # the last server may be dying
        self._environment = os.environ | {"XDG_STATE_HOME": str(folder)}
        self._log = folder / "bytes"
        self._log.touch()
        self._tmux("new-session", "-d", "-x", str(width), "-y", str(height), "cat")
        self._tmux("set-option", "-g", "remain-on-exit", "on")
        self._tmux("set-option", "-g", "default-terminal", "tmux-256color")
        self._tmux("pipe-pane", "-o", f"cat >> {shlex.quote(str(self._log))}")
        self.began = time.monotonic()
        self._tmux("respawn-pane", "-k", f"exec {shlex.join(command)}")
        pid = self._tmux("display-message", "-p", "#{pane_pid}").strip()
        self.process = psutil.Process(int(pid))
        self._control = subprocess.Popen(
            ["tmux", "-L", self._socket, "-C", "attach", "-f", "no-output,ignore-size"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-L", self._socket, "-f", "/dev/null", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=True, env=self._environment
        ).stdout

    def _ask(self, command: str) -> list[str]:
        """A command's answer. What tmux says by itself lies between answers and is skipped."""
        assert self._control.stdin is not None
        assert self._control.stdout is not None
        mark = f"mark-{time.monotonic_ns()}"
        self._control.stdin.write(f"{command}\ndisplay-message -p {mark}\n")
        self._control.stdin.flush()
        answers: list[list[str]] = []
        inside = False
        for line in self._control.stdout:
            if line.startswith("%begin"):
                inside = True
                answers.append([])
            elif line.startswith(("%end", "%error")):
                inside = False
                if answers[-1] == [mark]:
                    return answers[-2]
            elif inside:
                answers[-1].append(line.rstrip("\n"))
        raise RuntimeError("tmux is gone")

    def lines(self) -> list[str]:
        return self._ask("capture-pane -p")

    def screen(self) -> str:
        return "\n".join(self.lines())

    def press(self, key: str) -> None:
        self._ask(f"send-keys {shlex.quote(key)}")

    def until(self, shows: Callable[[str], bool]) -> float:
        """Seconds until the screen is so, from now."""
        began = time.monotonic()
        while not shows(self.screen()):
            if time.monotonic() - began > DEADLINE_S:
                raise TimeoutError(self.screen())
            time.sleep(LOOK_S)
        return time.monotonic() - began

    def used(self) -> Used:
        times = [process.cpu_times() for process in self._tree()]
        return Used(
            sum(t.user + t.system for t in times), self._log.stat().st_size, time.monotonic()
        )

    def rss_mib(self) -> float:
        return sum(process.memory_info().rss for process in self._tree()) / 2**20

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._control.stdin is not None
        self._tmux("kill-server")
        self._control.stdin.close()
        self._control.wait()
