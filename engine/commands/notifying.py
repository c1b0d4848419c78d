"""What is told of runs, and to whom; a notice sent as a test."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.planning import notify_files
from engine.planning.presets import find_experiment, load_experiment
from engine.scheduling.sending import Unsent, send
from engine.schema.errors import told
from engine.store.notices import Notice, read

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.schema.notify import Channel, Notify
    from engine.store.layout import RunsFolder


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told, the file that says so, and what was told of a run until now."""

    notify: Notify | None
    file: Path | None
    notices: tuple[Notice, ...] = ()


def of_run(runs: RunsFolder, run_id: str) -> Told:
    """Who is told of a run; ``UserError`` when the file that says so can't be read."""
    notify, file = notify_files.notify_of(runs, run_id)
    return Told(notify, file, tuple(read(runs, run_id)))


def of_experiment(name: str) -> Told:
    """Who would be told of an experiment's runs."""
    path, given = find_experiment(name), load_experiment(name).experiment.notify
    if given is None:
        return of_configuration()
    return Told(notify_files.beside(given, path.parent), path)


def of_configuration() -> Told:
    """Who is told of runs whose experiment doesn't say."""
    return Told(*notify_files.configured())


def send_test(runs: RunsFolder, notify: Notify) -> Iterator[tuple[Channel, str]]:
    """Send a notice by every channel; yield each with why it failed, "" when it was sent."""
    host = socket.gethostname()
    facts: dict[str, Any] = {
        "event": "test",
        "runs": str(runs.root),
        "host": host,
        "text": f"test: notices of {runs.root} on {host} arrive here",
    }
    for channel in notify.channels:
        try:
            send(notify, channel, facts, time.sleep)
            yield channel, ""
        except Unsent as error:
            yield channel, str(error)
        except OSError as error:
            yield channel, told(error)
