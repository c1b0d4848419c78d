"""Experiment trackers (transformers' callbacks) that a training reports to besides its own log.
They write to the phase's folder and continue its curve. Off unless ``report_to`` is set.

The trainer does not make the callbacks itself, since some look for their folder when they are made.
Their files go below the phase's ``work/``, never into the current folder. Nothing is sent anywhere
unless the person has set up a tracker to do so.
"""

from __future__ import annotations

import netrc
import os
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from engine import catalog
from engine.store.layout import TRACKERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager

    Tracker = Callable[..., AbstractContextManager[None]]

WANDB_HOST: Final = "https://api.wandb.ai"


@contextmanager
def reporting(
    trainer: Any, names: Iterable[str], step: int, has_ended: Callable[[], bool]
) -> Iterator[None]:
    """Runs the trackers around a training that starts after ``step``; ``has_ended`` says whether
    it is complete or will go on in another attempt."""
    folder = Path(trainer.args.output_dir).parent / TRACKERS
    with ExitStack() as stack:
        if trainer.is_world_process_zero():
            for name in names:
                folder.mkdir(exist_ok=True)
                (folder / name).mkdir(exist_ok=True)
                tracker = catalog.tracker(name)
                stack.enter_context(tracker(trainer, folder / name, step, has_ended))
        yield


def needs(package: str) -> Callable[[Tracker], Tracker]:
    """The package that a tracker needs; an experiment that asks for the tracker is refused if it
    is not installed."""

    def mark(tracker: Tracker) -> Tracker:
        vars(tracker)["package"] = package
        return tracker

    return mark


@needs("tensorboard")
@contextmanager
def tensorboard(
    trainer: Any, folder: Path, step: int, _has_ended: Callable[[], bool]
) -> Iterator[None]:
    """TensorBoard, with one events file per attempt; a resumed attempt removes what the last one
    logged after its checkpoint."""
    from torch.utils.tensorboard import SummaryWriter
    from transformers.integrations import TensorBoardCallback

    writer = SummaryWriter(str(folder), purge_step=step + 1)
    trainer.add_callback(TensorBoardCallback(writer))
    try:
        yield
    finally:
        writer.close()


@needs("wandb")
@contextmanager
def wandb(trainer: Any, folder: Path, _step: int, has_ended: Callable[[], bool]) -> Iterator[None]:
    """Weights & Biases, with one run for all attempts of a phase. Repeated steps are
    logged again, at the same ``train/global_step`` and with the same values."""
    import wandb as library
    from transformers.integrations import WandbCallback

    wanted = {
        "WANDB_DIR": str(folder),
        "WANDB_DATA_DIR": str(folder / "data"),
        "WANDB_CACHE_DIR": str(folder / "cache"),
        "WANDB_RESUME": "auto",
        "WANDB_CONSOLE": "off",
        "WANDB_SILENT": "true",
        "WANDB_PROJECT": os.environ.get("WANDB_PROJECT", trainer.args.project),
    }
    if not _wandb_is_set_up():
        wanted |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}
    with _environment(wanted):
        trainer.add_callback(WandbCallback())
        try:
            yield
        finally:
            if library.run is not None:
                library.finish(exit_code=0 if has_ended() else 1)


def _wandb_is_set_up() -> bool:
    """Whether wandb has a mode, a key or a login on this machine."""
    if os.environ.get("WANDB_MODE") or os.environ.get("WANDB_API_KEY"):
        return True
    host = urlsplit(os.environ.get("WANDB_BASE_URL", WANDB_HOST)).hostname or ""
    try:
        return netrc.netrc(os.environ.get("NETRC")).authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False


@needs("trackio")
@contextmanager
def trackio(
    trainer: Any, folder: Path, _step: int, _has_ended: Callable[[], bool]
) -> Iterator[None]:
    """Trackio, with a database in the folder; the run goes on under its name. Repeated steps are
    logged again. A Space is used if ``TRACKIO_SPACE_ID`` is set."""
    from transformers.integrations import TrackioCallback

    with _environment({"TRACKIO_DIR": str(folder)}):
        trainer.add_callback(TrackioCallback())
        import trackio as library  # not before: it looks for its folder when it is imported

        try:
            yield
        finally:
            if library.context_vars.current_run.get() is not None:
                library.finish()


@contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
