"""Which phases nobody has begun, told by their folders' inodes alone: a grid has tens of thousands
of them, and most have only their specification for most of the time."""

from __future__ import annotations

import os
from functools import cached_property
from typing import TYPE_CHECKING

from engine.store.layout import MANIFEST

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder

NO_SUBFOLDERS = 2  # links of a folder: its name and its own "."; each subfolder's ".." adds one


class Inodes:
    """Looks at phases' folders without opening them."""

    def __init__(self, runs: RunsFolder) -> None:
        self._phases = str(runs.phases)

    def look(self, phase_id: str) -> os.stat_result | None:
        """Of the phase's folder; None where there is none."""
        try:
            return os.stat(f"{self._phases}/{phase_id}")  # noqa: PTH116  thousands of them
        except OSError:
            return None

    def untouched(self, phase_id: str, found: os.stat_result) -> bool:
        """Whether the phase has neither an attempt nor outputs; False where that can't be told."""
        return (
            found.st_nlink == NO_SUBFOLDERS
            and self._counts_subfolders
            and not os.path.exists(f"{self._phases}/{phase_id}/{MANIFEST}")  # noqa: PTH110
        )

    @cached_property
    def _counts_subfolders(self) -> bool:
        """Whether this disk counts subfolders as links, as most do: the phases' folder has some."""
        try:
            return os.stat(self._phases).st_nlink > NO_SUBFOLDERS  # noqa: PTH116
        except OSError:
            return False
