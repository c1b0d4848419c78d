"""The interface in a real terminal (tmux): hang up, come back, and everything is there."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
import pytest

from tests.acceptance.conftest import SIRT, SMALL, CommandLine, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.slow(10),
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


NUMBERS = itertools.count()


@dataclass
class Terminal:
    """A tmux server of its own with one window, and the interface in it."""

    sirt: CommandLine
    socket: str

    def tmux(self, *arguments: str, check: bool = True) -> str:
        command = ["tmux", "-u", "-L", self.socket, "-f", "/dev/null", *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, check=check, env=self.sirt.env
        )
        return done.stdout

    def open(self, width: int = 120, height: int = 40, env: str = "") -> None:
        size = ("-x", str(width), "-y", str(height))
        command = f"env {env} {SIRT} --runs {self.sirt.runs}"
        self.tmux("new-session", "-d", "-s", "sirt", *size, command)
        self.tmux("set-option", "-g", "remain-on-exit", "on")

    def screen(self) -> str:
        return self.tmux("capture-pane", "-p", "-t", "sirt", check=False)

    def shows(self, text: str) -> None:
        seen = ""

        def there() -> bool:
            nonlocal seen
            seen = self.screen()
            return text in seen

        wait_for(there, f"{text!r} on the screen", 120, lambda: seen)

    def press(self, *keys: str) -> None:
        self.tmux("send-keys", "-t", "sirt", *keys)

    @property
    def pid(self) -> int:
        return int(self.tmux("display-message", "-p", "-t", "sirt", "#{pane_pid}"))

    def over(self) -> bool:
        """The program has ended."""
        return self.tmux("display-message", "-p", "-t", "sirt", "#{pane_dead}").strip() == "1"

    def close(self) -> None:
        self.tmux("kill-server", check=False)


@pytest.fixture
def terminal(sirt: CommandLine) -> Iterator[Terminal]:
    window = Terminal(sirt, f"sirt-test-{os.getpid()}-{next(NUMBERS)}")  # the last may be dying
    yield window
    window.close()


def test_a_hang_up_stops_nothing_and_coming_back_shows_all(half_done, terminal):
    terminal.open()
    terminal.shows("No runs here yet")
    terminal.press("3")
    terminal.shows("enter to choose")
    terminal.press("End", "Up", "Enter")  # the last but one: a file
    terminal.shows("enter to accept")
    terminal.press(str(SMALL), "Enter")
    terminal.shows("1 run")
    terminal.press("C-l")
    terminal.shows("Launch 1 run of small?")
    terminal.press("y")
    terminal.shows("both")
    terminal.press("Enter")
    terminal.shows("annotate pocket-sums")
    interface = psutil.Process(terminal.pid)
    os.kill(interface.pid, signal.SIGHUP)
    wait_for(lambda: not interface.is_running() or interface.status() == "zombie", "it is gone")
    terminal.close()
    wait_for(lambda: half_done.json("status")[0]["state"] == "done", "the run went on to its end")
    terminal.open()
    terminal.shows("✓ done")
    terminal.press("Enter")
    terminal.shows("✓ refine")
    terminal.shows("SIRT Run ")  # the preview has shown the phases before
    terminal.press("q")
    wait_for(terminal.over, "it has quit")


def test_two_of_them_on_one_folder_see_the_same(copy, terminal):
    terminal.sirt = copy
    terminal.open(80, 24)
    terminal.shows("✓ done")
    terminal.tmux("split-window", "-t", "sirt", f"{SIRT} --runs {copy.runs}")
    terminal.shows("✓ done")
    terminal.tmux("select-pane", "-t", "sirt:0.0")
    terminal.press("t")
    terminal.shows("Tags")
    terminal.press("seen-by-both", "Enter")
    wait_for(lambda: copy.json("status")[0]["tags"] == ["seen-by-both"], "the tag is kept")


@pytest.mark.parametrize(
    ("env", "wanted", "unwanted"),
    [
        ("-u COLORTERM TERM=xterm-256color", ("38;5;",), ("38;2;", "48;2;")),
        ("-u COLORTERM TERM=xterm-16color", ("\x1b[3",), ("38;2;", "48;2;", "38;5;", "48;5;")),
    ],
    ids=["256", "16"],
)
def test_colours_are_those_that_the_terminal_has(copy, terminal, env, wanted, unwanted):
    terminal.sirt = copy
    terminal.open(env=env)
    terminal.shows("✓ done")
    terminal.press("Enter")
    terminal.shows("✓ refine")
    drawn = terminal.tmux("capture-pane", "-p", "-e", "-t", "sirt")
    assert all(code in drawn for code in wanted)
    assert not [code for code in unwanted if code in drawn]


def test_a_hang_up_of_one_leaves_the_other(copy, terminal):
    terminal.sirt = copy
    terminal.open(80, 24)
    terminal.shows("✓ done")
    first = psutil.Process(terminal.pid)
    terminal.tmux("split-window", "-t", "sirt", f"{SIRT} --runs {copy.runs}")
    terminal.shows("✓ done")
    second = psutil.Process(terminal.pid)
    os.kill(first.pid, signal.SIGHUP)
    wait_for(lambda: not first.is_running() or first.status() == "zombie", "one is gone")
    terminal.press("Enter")
    terminal.shows("SIRT Run ")  # half a window is too low for all phases
    assert second.is_running()


def test_without_a_terminal_it_prints_the_runs(finished):
    assert "both" in finished()
