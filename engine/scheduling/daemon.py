"""The conductor process: one detached process per runs folder that starts its phases.

It holds the lock on ``conductor/lock`` while it lives; the kernel releases the lock when the
process dies, however it dies. What the process does is in :mod:`engine.scheduling.loop`.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING, Any

from engine.machine import processes
from engine.machine.state import DAMAGED
from engine.schema.jsonfile import read_json
from engine.store.clock import ahead
from engine.store.conductor_dir import ConductorDir
from engine.store.eventlog import STALE_AFTER_S
from engine.store.locking import Timeout, acquire, held
from engine.store.shared_disk import status
from engine.store.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.scheduling.loop import Timing
    from engine.store.layout import RunsFolder

ENGINE = (sys.executable, "-m", "engine")
LOCK_WAIT_S = 1.0  # longer than a killed conductor takes to die
LEAVE_S = 5.0
START_S = 5.0  # until a new conductor says who it is
START_POLL_S = 0.05
HANDED_ON = (
    "HF_TOKEN", "HF_HOME", "HF_HUB_OFFLINE", "HTTPS_PROXY", "WANDB_API_KEY", "WANDB_MODE",
    "SIRT_VLLM",
)  # fmt: skip
LOG_BYTES = 1_000_000
log = logging.getLogger(__name__)


def ensure_running(runs: RunsFolder, program: tuple[str, ...] = ENGINE) -> None:
    """Make sure that a conductor reads the queue as it is now.

    Call it after changing the queue. It always starts a conductor, which exits at once when
    another one runs: checking the lock is not enough, since its holder may be dying. A conductor
    releases its lock under the queue's lock, after a last look (``Conductor._resign``), so
    either it still sees the change or the new one gets the lock.
    """
    folder = ConductorDir(runs.conductor)
    folder.path.mkdir(exist_ok=True)  # not above it: the runs may have been moved
    command = (*program, "conductor", str(runs.root.resolve()))
    process = processes.spawn(command, folder.stderr, folder.stderr)
    # or it would stay a zombie of a screen that outlives it
    threading.Thread(target=process.wait, name="conductor-reaper", daemon=True).start()


def revive(runs: RunsFolder, program: tuple[str, ...] = ENGINE) -> None:
    """Start a conductor if none is running; of several callers at once, only one starts it."""
    if _lives(runs):
        return
    with contextlib.suppress(Timeout), held(ConductorDir(runs.conductor).starting):
        if not _lives(runs):
            ensure_running(runs, program)
            deadline = time.monotonic() + START_S
            while not _lives(runs) and time.monotonic() < deadline:
                time.sleep(START_POLL_S)


def _lives(runs: RunsFolder) -> bool:
    """Whether the conductor is alive; one on another machine is judged by its heartbeat."""
    who = holder(runs)
    if who is None or processes.is_alive(who):
        return who is not None
    try:
        beat = status(ConductorDir(runs.conductor).alive).st_mtime
    except OSError:
        return False
    return time.time() - ahead(runs.root) - beat < STALE_AFTER_S


def make_way(runs: RunsFolder, keys: Iterable[str]) -> None:
    """Stop a conductor that was started without environment variables that this process has.

    ``keys``: variables with the API keys of what is about to be queued. Phases get their
    conductor's environment, since no key is ever written down for it to read. Call it before the
    queue is changed: the next conductor adopts what runs.
    """
    who = holder(runs)
    if who is None or not _lacks(who, (*keys, *HANDED_ON)):
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(who["pid"], signal.SIGTERM)
    processes.wait_gone(who, LEAVE_S)


def _lacks(who: dict[str, Any], names: Iterable[str]) -> bool:
    import psutil

    try:
        theirs = psutil.Process(who["pid"]).environ() if processes.is_alive(who) else None
    except psutil.Error:
        return False
    ours = os.environ
    return theirs is not None and any(n in ours and ours[n] != theirs.get(n) for n in names)


def holder(runs: RunsFolder) -> dict[str, Any] | None:
    """The identity of the running conductor; ``None`` when there is none."""
    try:
        who: dict[str, Any] = read_json(ConductorDir(runs.conductor).process)
        return who if processes.probe(who) != "exited" else None
    except DAMAGED:
        return None


def waiting(runs: RunsFolder) -> dict[str, str]:
    """Why each ready phase still waits, by phase; empty when no conductor is running."""
    try:
        said = read_json(ConductorDir(runs.conductor).waiting)
    except DAMAGED:
        return {}
    return said if isinstance(said, dict) and holder(runs) else {}


def conduct(
    runs: RunsFolder, program: tuple[str, ...] = ENGINE, timing: Timing | None = None
) -> int:
    """Run as the folder's conductor until idle; returns at once when there is one already.

    What it works with is imported here: those who only ask for a conductor start without it.
    """
    from engine.scheduling.launchers.forked import Forks
    from engine.scheduling.launchers.local import LocalLauncher
    from engine.scheduling.loop import IDLE_S, Conductor, Timing
    from engine.scheduling.servers import Servers

    folder = ConductorDir(runs.conductor)
    folder.path.mkdir(exist_ok=True)
    _open_log(folder)
    try:
        lock = acquire(folder.lock, LOCK_WAIT_S)
    except Timeout:
        who = holder(runs) or {"pid": "?", "host": "?"}
        log.info("pid %d leaves: pid %s on %s conducts", os.getpid(), who["pid"], who["host"])
        return 0
    held = folder.lock.stat().st_ino

    def holds() -> bool:
        """Whether the lock is still the folder's; not when the folder was deleted or made anew."""
        try:
            return folder.lock.stat().st_ino == held
        except OSError:
            return False

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with contextlib.suppress(OSError):  # a full disk; the lock is what counts
        write_json(folder.process, processes.identity())
    log.info("pid %d conducts %s", os.getpid(), runs.root)
    forks = Forks(folder.stderr, program)
    timing = timing or Timing(idle=float(os.environ.get("SIRT_CONDUCTOR_IDLE_S", IDLE_S)))
    try:
        servers = Servers(runs)
        local = LocalLauncher(program, forks, servers.idle_on)
        Conductor(runs, local, servers, holds, lock.release, timing).run()
    except Exception:
        log.exception("the conductor fails; running phases go on, and the next one adopts them")
        raise
    finally:
        forks.close()
        lock.release()
    return 0


def _open_log(folder: ConductorDir) -> None:
    logging.raiseExceptions = False  # a full disk must not fill stderr
    handler = RotatingFileHandler(folder.log, maxBytes=LOG_BYTES, backupCount=1)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("engine")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
