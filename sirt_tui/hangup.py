"""End the interface when its terminal is gone, even if no SIGHUP says so: after ``nohup``, or when
a connection breaks. Reading from such a terminal returns nothing, forever."""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

CODE = 129  # as a shell says of a program that SIGHUP ended
LEAVE_S = 3.0  # for an orderly end; writing to such a terminal may fail in any way


def watch(leave: Callable[[], object]) -> None:
    """Call ``leave`` from a thread once the other end of standard input is gone, and end the
    process if that does not."""
    if not sys.__stdin__ or not sys.__stdin__.isatty():
        return
    poll = select.poll()
    poll.register(sys.__stdin__.fileno(), 0)  # nothing but that it is gone

    def wait() -> None:
        poll.poll()
        overdue = threading.Timer(LEAVE_S, os._exit, (CODE,))
        overdue.daemon = True
        overdue.start()
        leave()

    threading.Thread(target=wait, name="hangup", daemon=True).start()
