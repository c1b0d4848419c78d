"""The folder of the process that starts the phases of a folder of runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class ConductorDir:
    """``conductor/``: the files of the process that starts this folder's phases."""

    path: Path

    @property
    def lock(self) -> Path:
        return self.path / "lock"

    @property
    def starting(self) -> Path:
        """The lock held while a conductor is being started."""
        return self.path / "starting"

    @property
    def process(self) -> Path:
        """JSON: pid, start time and host of the lock's holder."""
        return self.path / "process.json"

    @property
    def alive(self) -> Path:
        """Heartbeat: touched every few seconds."""
        return self.path / "alive"

    @property
    def waiting(self) -> Path:
        """JSON: phase -> why it has to wait although its inputs are there."""
        return self.path / "waiting.json"

    @property
    def arrays(self) -> Path:
        """The folders of job arrays that were handed over to a cluster."""
        return self.path / "arrays"

    @property
    def log(self) -> Path:
        return self.path / "log"

    @property
    def stderr(self) -> Path:
        """Stderr of the conductor and of its pre-imported process, such as crashes."""
        return self.path / "stderr.log"
