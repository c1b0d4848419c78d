"""A terminal whose other end vanishes, without the SIGHUP that would say so."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from typing import TYPE_CHECKING

import pytest

from sirt_tui.hangup import CODE, LEAVE_S
from tests.tui.conftest import copy_recorded

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
SIZE = struct.pack("HHHH", 30, 100, 0, 0)
DEADLINE_S = 60.0


def drawn(terminal: int, words: bytes) -> bool:
    """Whether the words come on the screen in time."""
    seen, end = b"", time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        if select.select([terminal], [], [], 1.0)[0]:
            seen += os.read(terminal, 65_536)
        if words in seen:
            return True
    return False


def test_the_interface_ends_when_its_terminal_is_gone(tmp_path: Path) -> None:
    runs = copy_recorded(tmp_path / "runs")
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, SIZE)
    program = subprocess.Popen(  # in a session without a controlling terminal: no SIGHUP
        [sys.executable, "-m", "sirt_tui", "--runs", str(runs.root)],
        stdin=end, stdout=end, stderr=end, start_new_session=True,
        env=os.environ | {"TERM": "xterm-256color"},
    )  # fmt: skip
    os.close(end)
    try:
        assert drawn(terminal, b"baseline")
        os.close(terminal)
        assert program.wait(LEAVE_S + 20) == CODE
    finally:
        program.kill()
        program.wait()
