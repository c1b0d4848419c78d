"""Whether a server is still to be asked by phases that could start now: the conductor says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.generation.vllm.folder import DAMAGED, ServerDir
from engine.machine import processes
from engine.schema.jsonfile import read_object
from engine.store.layout import write_json

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

FILE: Final = "wanted.json"


def tell_wanted(servers: Path, models: Collection[str]) -> None:
    """Folders or hub ids of the models that ready phases will ask; kept by the conductor."""
    write_json(servers / FILE, {"conductor": processes.identity(), "models": sorted(models)})


def is_wanted(folder: ServerDir) -> bool:
    """What a dead conductor said counts no more."""
    try:
        said = read_object(folder.path.parent / FILE)
        origin = read_object(folder.launch)["origin"]
        return origin in said["models"] and processes.is_alive(said["conductor"])
    except DAMAGED:
        return False
