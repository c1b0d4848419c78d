"""Checkpoints that are whole or not there: what a killed training resumes from.

A checkpoint counts once it is flushed to the disk and sealed: a marker, written last, lists
every file with its size. A folder without a seal, or with a file missing or cut off, was torn
by a kill or a full disk and is deleted.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from engine.contract.errors import UserError
from engine.contract.rundir import read_json, sync_tree, write_json

if TYPE_CHECKING:
    from pathlib import Path

_SEAL = "complete.json"
_STATE = "trainer_state.json"


def name(step: int) -> str:
    """The trainer's own name for the checkpoint of a step."""
    return f"checkpoint-{step}"


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def seal(checkpoint: Path, layout: dict[str, int]) -> None:
    """Flush a finished checkpoint and mark it as whole.

    ``layout`` is how a step's batch was cut; a resumed training must cut it the same way.
    """
    sync_tree(checkpoint)
    write_json(checkpoint / _SEAL, {"files": _sizes(checkpoint), "layout": layout})


def sealed_layout(checkpoint: Path) -> dict[str, int]:
    layout: dict[str, int] = read_json(checkpoint / _SEAL)["layout"]
    return layout


def state_file(checkpoint: Path) -> Path:
    return checkpoint / _STATE


def newest(folder: Path) -> Path | None:
    """The newest whole checkpoint; torn ones are deleted on the way."""
    found = sorted((p for p in folder.glob("checkpoint-*") if p.is_dir()), key=step_of)
    whole = None
    for checkpoint in found:
        if _is_whole(checkpoint):
            whole = checkpoint
        else:
            shutil.rmtree(checkpoint, ignore_errors=True)
    return whole


def _is_whole(checkpoint: Path) -> bool:
    try:
        sealed: Any = read_json(checkpoint / _SEAL)
        return bool(sealed["files"] == _sizes(checkpoint))
    except (OSError, UserError, KeyError, TypeError):
        return False


def _sizes(checkpoint: Path) -> dict[str, int]:
    return {
        str(path.relative_to(checkpoint)): path.stat().st_size
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != _SEAL
    }
