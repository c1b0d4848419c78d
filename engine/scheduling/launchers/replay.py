"""Replays a recorded attempt as a new one, at a chosen speed, for demos and tests of screens.

    python -m engine.scheduling.launchers.replay SRC_ATTEMPT DST_PHASE [--speed 10]

Events keep their content and their distances (divided by the speed); times are those of the
replay. A recorded phase's outputs and manifest are copied before its last event, so that the
copy is done when it says so.
"""

from __future__ import annotations

import argparse
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from engine.interfaces import Devices
from engine.machine import processes
from engine.schema.errors import UserError
from engine.schema.events import PhaseFinished, PhaseStarted
from engine.store.eventlog import EventReader, EventWriter
from engine.store.layout import AttemptDir, PhaseDir

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.schema.events import Event


def replay(
    source: AttemptDir,
    phase: PhaseDir,
    speed: float = 10.0,
    sleep: Callable[[float], None] = time.sleep,
) -> AttemptDir:
    """Replay all events and return the new attempt; ``UserError`` when there are none.

    A recording that ends without a final event leaves a *lost* phase, as it should.
    """
    events = EventReader(source.events).read(max_records=10_000_000, max_ms=float("inf"))
    if not events:
        raise UserError(f"{source.events}: no events to replay; give an attempt's folder")
    recorded = PhaseDir(source.path.parent)
    if not phase.spec_file.exists():
        phase.create(recorded.spec())
    attempt = phase.new_attempt()
    processes.write_owner(attempt, "local", processes.identity(), Devices())
    with EventWriter(attempt.events, attempt.alive) as writer:
        for before, event in zip([events[0], *events], events, strict=False):
            sleep(max(0.0, (event.ts - before.ts).total_seconds() / speed))
            if isinstance(event, PhaseFinished):
                _copy_outputs(recorded, phase)
            writer.copy(_of_now(event, attempt))
    return attempt


def _of_now(event: Event, attempt: AttemptDir) -> Event:
    now = datetime.now(UTC)
    if isinstance(event, PhaseStarted):
        return event.model_copy(update={"ts": now, "attempt": attempt.number})
    return event.model_copy(update={"ts": now})


def _copy_outputs(recorded: PhaseDir, phase: PhaseDir) -> None:
    if recorded.done and not phase.done:
        phase.out.mkdir()
        if recorded.out.exists():  # a recording without weights may have lost its empty folder
            shutil.copytree(recorded.out, phase.out, dirs_exist_ok=True)
        shutil.copyfile(recorded.manifest_file, phase.manifest_file)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m engine.scheduling.launchers.replay")
    parser.add_argument("source", type=Path, help="attempt folder that was recorded")
    parser.add_argument("phase", type=Path, help="phase folder to play into; made when absent")
    parser.add_argument("--speed", type=float, default=10.0)
    given = parser.parse_args()
    replay(AttemptDir(given.source), PhaseDir(given.phase), given.speed)


if __name__ == "__main__":
    main()
