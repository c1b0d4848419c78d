"""Starts phases in new attempts, each by itself or those that need the same together."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from engine.interfaces import TogetherLauncher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.interfaces import Handle, Launcher
    from engine.scheduling.policy import Start
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder


def start_attempts(
    runs: RunsFolder, group: Sequence[Start], launcher: Launcher
) -> list[tuple[PhaseDir, AttemptDir, Handle]]:
    """Start phases on the same devices, all of them or none: then there is an ``OSError``, and no
    attempt is left."""
    places: list[tuple[PhaseDir, AttemptDir]] = []
    devices = group[0].devices
    try:
        for start in group:
            phase = runs.phase(start.phase)
            places.append((phase, phase.new_attempt()))
        if len(places) > 1 and isinstance(launcher, TogetherLauncher):
            handles = launcher.start_together(places, devices)
        else:
            ((phase, attempt),) = places
            handles = [launcher.start(phase, attempt, devices)]
    except OSError:
        for _, attempt in places:  # nothing ran in it
            shutil.rmtree(attempt.path, ignore_errors=True)
        raise
    return [(*place, handle) for place, handle in zip(places, handles, strict=True)]
