"""Where it is configured who is told: with the run, by its user, or by the machine's owner."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from engine.planning.own_folder import expanded, own_folder
from engine.schema.errors import UserError
from engine.schema.jsonfile import read_as
from engine.schema.notify import Notify
from engine.store.writing import atomic_write

if TYPE_CHECKING:
    from collections.abc import Iterable

    from engine.store.layout import RunsFolder

NAME = "notify.yaml"


def places() -> tuple[Path, ...]:
    """The user's file, then those for all users of the machine: the first that is there counts."""
    shared = (os.environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)
    return own_file(), *(Path(folder) / "sirt" / NAME for folder in shared)


def own_file() -> Path:
    return own_folder() / NAME


def notify_of(runs: RunsFolder, run_id: str) -> tuple[Notify | None, Path | None]:
    """Who is told of a run, and the file that says so: the run's experiment, else the
    configuration. ``UserError`` when that file can't be read."""
    path = runs.notify_file(run_id)
    try:
        return read_as(path, Notify.model_validate_json, "mend it, or launch again"), path
    except FileNotFoundError:
        return configured()


def configured() -> tuple[Notify | None, Path | None]:
    """Who is told by the configuration, and its file; ``Problems`` name its lines."""
    path = next((place for place in places() if place.is_file()), None)
    if path is None:
        return None, None
    from engine.planning.yaml_file import load  # reading YAML takes a while to import

    return beside(load(path, Notify), path.parent), path


def of_launch(given: Notify | None, launcher: str) -> Notify | None:
    """Who is told of runs that are launched now, to be kept with them: those of their experiment,
    else those of the site that they run at, unless the user's own file says otherwise."""
    _, _, site = launcher.partition(":")
    if given is not None or not site or own_file().is_file():
        return given
    from engine.planning.sites import load_site

    found = load_site(Path(site)).notify
    return beside(found, Path(site).parent) if found else None


def keep(runs: RunsFolder, run_id: str, notify: Notify | None) -> None:
    """Keep what the experiment says with its run; a launch without it takes it away."""
    file = runs.notify_file(run_id)
    if notify is None:
        file.unlink(missing_ok=True)
    else:
        atomic_write(file, notify.model_dump_json(indent=1) + "\n")


def variables(runs: RunsFolder, run_ids: Iterable[str]) -> set[str]:
    """The environment variables that hold the addresses of these runs' webhooks."""
    found = set()
    for run_id in run_ids:
        with suppress(UserError):  # told by the conductor, which needs it
            notify, _ = notify_of(runs, run_id)
            found |= {notify.webhook_env} if notify else set()
    return found - {""}


def beside(notify: Notify, base: Path) -> Notify:
    """The same with a path that is relative to the file's folder made absolute."""
    if not notify.webhook_file:
        return notify
    path = (base / expanded(notify.webhook_file)).absolute()
    return notify.model_copy(update={"webhook_file": str(path)})
