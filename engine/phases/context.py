"""The context that a recipe runs in: its folder, log and inputs, and whether to stop."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.phases.pulse import Pulse
from engine.schema import events as ev
from engine.schema.errors import UserError
from engine.store.layout import CHECKPOINTS
from engine.store.sealing import accepted, verified
from engine.store.shared_disk import refresh
from engine.training import checkpoints

if TYPE_CHECKING:
    from pathlib import Path

    from engine.interfaces import Devices
    from engine.store.eventlog import EventWriter
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder


STAGING = "staging"


class Stopped(Exception):
    """The phase was asked to stop, and what it had done is saved."""


@dataclass
class Context:
    """What one attempt of a phase can read, write and report.

    A recipe keeps in ``folder.work`` what the next attempt continues from, writes its outputs under
    :attr:`staging` and returns its figures; the runner publishes them. ``accepted``: by input,
    the changes to it that a person has accepted. ``scratch``: a folder on the disk of a cluster's
    node, where checkpoints and outputs are written first. ``taken``: how many answers of another
    phase stand for its own. ``pulse`` runs while it is entered.
    """

    runs: RunsFolder
    folder: PhaseDir
    attempt: AttemptDir
    writer: EventWriter
    devices: Devices
    accepted: dict[str, list[str]] = field(default_factory=dict)
    scratch: Path | None = None
    taken: int = 0
    pulse: Pulse = field(init=False)

    def __post_init__(self) -> None:
        self.pulse = Pulse(self.writer.emit)

    @property
    def work(self) -> Path:
        self.folder.work.mkdir(exist_ok=True)
        return self.folder.work

    @property
    def staging(self) -> Path:
        return (self.scratch or self.work) / STAGING

    @property
    def checkpoints(self) -> Path:
        """Where a training writes its checkpoints; see :meth:`keep_checkpoints`."""
        return (self.scratch or self.work) / CHECKPOINTS

    def bring_checkpoints(self) -> None:
        """Have those of earlier attempts where this one works."""
        if self.scratch is not None:
            checkpoints.bring(self.work / CHECKPOINTS, self.checkpoints)

    def keep_checkpoints(self) -> None:
        """Have those that are saved where the next attempt finds them."""
        if self.scratch is not None:
            checkpoints.keep(self.checkpoints, self.work / CHECKPOINTS)

    def clear_staging(self) -> Path:
        """Empty the staging folder, so that an earlier attempt's leftovers are never published."""
        shutil.rmtree(self.staging, ignore_errors=True)
        self.staging.mkdir()
        return self.staging

    def publish(self, figures: dict[str, Any]) -> None:
        """Publish what is staged; from a node's own disk it is copied first."""
        staged = self.staging
        if self.scratch is not None:
            staged = self.work / STAGING
            shutil.rmtree(staged, ignore_errors=True)
            shutil.copytree(self.staging, staged)
        self.folder.publish(staged, figures, self.accepted)

    def input(self, phase_id: str) -> PhaseDir:
        """A finished input phase; every phase checks this itself, however it was started."""
        folder = self.runs.phase(phase_id)
        refresh(folder.path)  # it may just have been finished on another node
        if not folder.done:
            raise UserError(f"{folder.path}: this input is not finished; run or retry it first")
        if phase_id not in self.accepted and (told := accepted(folder)):
            self.accepted[phase_id] = told
            for line in told:
                self.warn(f"made from {phase_id}: {line}", "accepted")
        return folder

    def output(self, phase_id: str, name: str) -> Path:
        """An output of a finished input, as it was published or accepted."""
        return verified(self.input(phase_id), name)

    def emit(self, event: ev.Event) -> None:
        self.writer.emit(event)
        self.pulse.heard(event)

    def doing(self, text: str) -> None:
        """Like :meth:`activity` for text that changes often: reported at most every 2 seconds."""
        self.pulse.doing(text)

    def activity(self, text: str) -> None:
        self.emit(ev.Activity(text=text))

    def message(self, text: str, level: str = "info", code: str = "") -> None:
        self.emit(ev.Message(level=level, text=text, code=code))

    def warn(self, text: str, code: str) -> None:
        self.message(text, "warning", code)

    def warn_of_checkpoint(self, text: str) -> None:
        self.warn(text, "checkpoint")

    def progress(
        self, done: int, total: int, unit: str, resumed: int = 0, under_way: int = 0
    ) -> None:
        self.emit(
            ev.Progress(done=done, total=total, unit=unit, resumed=resumed, under_way=under_way)
        )

    def metric(self, step: int, epoch: float | None = None, **values: float) -> None:
        self.emit(ev.Metric(step=step, epoch=epoch, values=values))

    @property
    def stop_requested(self) -> bool:
        """Whether to save what there is and end: for good, or to go on in a next allocation."""
        return self.attempt.stop.exists() or self.attempt.goes_on.exists()

    def stop_point(self) -> None:
        """Raise :class:`Stopped` if asked to stop; call it when all work so far is on disk."""
        if self.stop_requested:
            raise Stopped
