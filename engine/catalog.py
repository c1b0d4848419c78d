"""Names and where their implementations are: one line an extension.

Nothing is imported before it is used, so that ``sirt --help`` needs no torch.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, cast

from engine.schema.errors import UserError
from engine.schema.kinds import find, resolve

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from engine.interfaces import Launcher, ProviderFactory, Task
    from engine.schema.cards import ModelSource
    from engine.schema.phase import PhaseSpec

TASKS = {
    "csqa": "engine.tasks.commonsense_qa:TASK",
    "obqa": "engine.tasks.openbookqa:TASK",
    "piqa": "engine.tasks.piqa:TASK",
    "siqa": "engine.tasks.social_i_qa:TASK",
    "gsm8k": "engine.tasks.gsm8k:TASK",
    "multiarith": "engine.tasks.multiarith:TASK",
    "math": "engine.tasks.hendrycks_math:TASK",
    "mmlu": "engine.tasks.mmlu:TASK",
    "pocket-sums": "engine.pocket.tasks:SUMS",
    "pocket-boxes": "engine.pocket.tasks:BOXES",
    "pocket-compass": "engine.pocket.tasks:COMPASS",
}
LAUNCHERS = {
    "local": "engine.scheduling.launchers.local:LocalLauncher",
    "forked": "engine.scheduling.launchers.local:LocalLauncher",  # so called in version 0.1
    "slurm": "engine.scheduling.launchers.slurm.launcher:SlurmLauncher",  # slurm:FILE, of a site
}
TRACKERS = {
    "tensorboard": "engine.training.tracking:tensorboard",
    "wandb": "engine.training.tracking:wandb",
    "trackio": "engine.training.tracking:trackio",
}


def recipe(spec: PhaseSpec) -> Callable[..., dict[str, Any]]:
    """What does a phase's work."""
    return cast("Callable[..., dict[str, Any]]", resolve(spec.recipe))


def task(name: str) -> Task:
    return cast("Task", find(TASKS, "task", name))


def provider(source: ModelSource) -> ProviderFactory:
    """Whoever answers for a model of this source."""
    return cast("ProviderFactory", resolve(source.provider))


@cache
def launcher(name: str) -> Launcher:
    """The one of this process; behind a colon stands what it is made with."""
    kind, colon, given = name.partition(":")
    return cast("Launcher", find(LAUNCHERS, "launcher", kind)(*[given] * bool(colon)))


def tracker(name: str) -> Callable[..., AbstractContextManager[None]]:
    """A context manager around a training; see :mod:`engine.training.tracking`."""
    return cast("Callable[..., AbstractContextManager[None]]", find(TRACKERS, "tracker", name))


def check_tracker(name: str) -> None:
    """``UserError`` when there is no such tracker, or the package that it needs is missing."""
    package = getattr(tracker(name), "package", None)
    if package and find_spec(package) is None:
        raise UserError(
            f"{package!r} is not installed here: pip install {package}, or leave it out"
        )
