"""The real command line, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SMALL = Path(__file__).parent / "small.yaml"
SIRT = Path(sys.executable).parent / "sirt"
DEADLINE_S = 300.0


@dataclass
class CommandLine:
    """Runs ``sirt`` on one runs folder."""

    runs: Path
    env: dict[str, str]
    umask: int = -1  # as ours

    def __call__(self, *arguments: str, code: int = 0, **extra_env: str) -> str:
        result = self.result(*arguments, **extra_env)
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout if code == 0 else result.stderr

    def result(self, *arguments: str, **extra_env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SIRT), "--runs", str(self.runs), *arguments],
            capture_output=True,
            text=True,
            env=self.env | extra_env,
            timeout=DEADLINE_S,
            check=False,
            umask=self.umask,
            stdin=subprocess.DEVNULL,
        )

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json"))

    def processes(self) -> list[psutil.Process]:
        """Everything that works on this folder: conductor, warm process, phases."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("SIRT_TEST_FOLDER") == str(self.runs):
                    found.append(process)
            except psutil.Error:
                continue
        return found


def wait_for(
    condition: Callable[[], Any],
    what: str,
    deadline_s: float = DEADLINE_S,
    instead: Callable[[], str] = str,
) -> Any:
    """Poll until the condition holds; its value. ``instead``: what there was when it never did."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if value := condition():
            return value
        time.sleep(0.02)
    pytest.fail(f"waited {deadline_s:.0f} s in vain: {what}\n{instead()}")


def make_command_line(folder: Path) -> CommandLine:
    # pytest loads readline, which tells the workers that their terminal has 80 x 24 cells
    env = {k: v for k, v in os.environ.items() if k not in {"LINES", "COLUMNS"}} | {
        "SIRT_TEST_FOLDER": str(folder),
        "HOME": str(folder.parent),
        "HF_HUB_OFFLINE": "1",
        "SIRT_CONDUCTOR_IDLE_S": "2",
    }
    return CommandLine(folder, env)


@pytest.fixture
def sirt(tmp_path: Path) -> Iterator[CommandLine]:
    line = make_command_line(tmp_path / "runs")
    yield line
    kill_all(line)


def kill_all(line: CommandLine) -> None:
    for process in line.processes():
        process.kill()


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """The small experiment, run once without disturbance for all workers, in a folder that a group
    may write to; tests only read it."""
    common = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        common = common.parent
    line = make_command_line(common / "finished" / "runs")
    line.umask = 0o002
    made = common / "finished" / "made"
    made.parent.mkdir(exist_ok=True)
    with FileLock(common / "finished" / "lock"):
        if not made.exists():
            try:
                line("run", str(SMALL))
                wait_for(lambda: not line.processes(), "its conductor ends")
            finally:
                kill_all(line)
            made.touch()
    return line


@pytest.fixture
def copy(finished: CommandLine, tmp_path: Path) -> Iterator[CommandLine]:
    """The finished experiment, to be changed."""
    line = make_command_line(tmp_path / "copy" / "runs")
    shutil.copytree(finished.runs, line.runs, ignore=shutil.ignore_patterns("registry"))
    yield line
    kill_all(line)


@pytest.fixture
def half_done(finished: CommandLine, sirt: CommandLine) -> CommandLine:
    """A folder without a run, in which the small experiment's phases are done up to its pairs."""
    new = shutil.ignore_patterns("refine-*", "evaluate-*")
    shutil.copytree(finished.runs / "phases", sirt.runs / "phases", ignore=new)
    return sirt
