"""Tell servers which models ready phases will ask for; the conductor keeps this list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.generation.vllm.folder import DAMAGED, ServerDir
from engine.machine import processes
from engine.schema.jsonfile import read_object
from engine.store.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

FILE: Final = "wanted.json"


def tell_wanted(servers: Path, models: Collection[str]) -> None:
    """Write the list: folders or hub ids of the models that ready phases will ask."""
    write_json(servers / FILE, {"conductor": processes.identity(), "models": sorted(models)})


def is_wanted(folder: ServerDir) -> bool:
    """Whether a server's model is on the list; a dead conductor's list does not count."""
    try:
        said = read_object(folder.path.parent / FILE)
        origin = read_object(folder.launch)["origin"]
        return origin in said["models"] and processes.is_alive(said["conductor"])
    except DAMAGED:
        return False
