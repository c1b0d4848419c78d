"""Checkpoints from which a killed training resumes; incomplete ones are never used.

A checkpoint counts once it is flushed to the disk and sealed: a marker, written last, lists
every file with its size and hash. A folder without a seal, or with a file missing or cut off, was
torn by a kill or a full disk and is deleted; one whose content was changed since is deleted too,
and that is told: the training goes on from an earlier one, or begins again.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from engine.machine import ranks
from engine.schema.errors import UserError
from engine.schema.jsonfile import read_object, read_sealed, with_seal
from engine.store.layout import hash_file
from engine.store.writing import follow_umask, sync_folder, sync_tree, write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_SEAL = "complete.json"
_STATE = "trainer_state.json"
Facts = dict[str, dict[str, Any]]


def bring(kept: Path, here: Path) -> None:
    """Copy the checkpoints that were kept to the disk on which this process works, in place of
    what is there."""
    shutil.rmtree(here, ignore_errors=True)
    here.mkdir(parents=True)
    for checkpoint in kept.glob("checkpoint-*"):
        shutil.copytree(checkpoint, here / checkpoint.name)


def keep(here: Path, kept: Path) -> None:
    """Copy the new checkpoints of a node's own disk to where they are kept, and delete what is no
    longer here. Wherever it is killed, whole checkpoints are kept."""
    kept.mkdir(exist_ok=True)
    for torn in kept.glob(".checkpoint-*"):
        shutil.rmtree(torn)
    mine = {checkpoint.name for checkpoint in here.glob("checkpoint-*")}
    for checkpoint in map(here.joinpath, sorted(mine)):
        target = kept / checkpoint.name
        if _is_same(checkpoint, target):
            continue
        copy = kept / f".{checkpoint.name}"
        shutil.copytree(checkpoint, copy)
        follow_umask(copy)
        sync_tree(copy)
        if target.exists():  # another one, made before a fault
            shutil.rmtree(target)
        copy.rename(target)
        sync_folder(kept)
    for gone in {checkpoint.name for checkpoint in kept.glob("checkpoint-*")} - mine:
        shutil.rmtree(kept / gone)


def _is_same(checkpoint: Path, other: Path) -> bool:
    """Whether both have one seal, which tells the hash of every file."""
    try:
        return (checkpoint / _SEAL).read_bytes() == (other / _SEAL).read_bytes()
    except FileNotFoundError:
        return False


def name(step: int) -> str:
    """The folder name that the trainer gives the checkpoint of a step."""
    return f"checkpoint-{step}"


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def seal(checkpoint: Path, layout: dict[str, int]) -> None:
    """Flush a finished checkpoint to disk and mark it as complete.

    ``layout`` is how a step's batch was cut; a resumed training must cut it the same way.
    """
    sync_tree(checkpoint)
    facts = {
        name: facts | {"sha256": hash_file(checkpoint / name)}
        for name, facts in _sizes(checkpoint).items()
    }
    write_json(checkpoint / _SEAL, with_seal({"files": facts, "layout": layout}))


def sealed_layout(checkpoint: Path) -> dict[str, int]:
    layout: dict[str, int] = read_object(checkpoint / _SEAL)["layout"]
    return layout


def state_file(checkpoint: Path) -> Path:
    return checkpoint / _STATE


def whole(folder: Path, step: int) -> Path:
    """The checkpoint of a step; ``UserError`` when it differs from what was saved."""
    checkpoint = folder / name(step)
    if problem := _torn(checkpoint) or _changed(checkpoint):
        raise UserError(f"{checkpoint}: {problem}; a retry goes on without it")
    return checkpoint


def newest(folder: Path, tell: Callable[[str], None]) -> Path | None:
    """The newest complete checkpoint whose best checkpoint so far is there too, since that one may
    be published in the end; later ones are deleted. ``tell`` takes a line for each that
    was changed since it was saved."""
    return ranks.from_first(lambda: _newest(folder, tell))


def _newest(folder: Path, tell: Callable[[str], None]) -> Path | None:
    sound: list[Path] = []
    for checkpoint in sorted((p for p in folder.glob("checkpoint-*") if p.is_dir()), key=step_of):
        problem = ""
        if _torn(checkpoint) or (problem := _changed(checkpoint) or _lacks_best(checkpoint, sound)):
            if problem:
                tell(f"{checkpoint}: {problem}; it is not used, the training goes on without it")
            shutil.rmtree(checkpoint, ignore_errors=True)
        else:
            sound.append(checkpoint)
    return sound[-1] if sound else None


def _torn(checkpoint: Path) -> str:
    """Whether a checkpoint is incomplete, as a kill or a full disk leaves it; not reported."""
    try:
        listed = read_object(checkpoint / _SEAL)["files"]
        same = {n: f["bytes"] if isinstance(f, dict) else f for n, f in listed.items()}
        whole = same == {n: facts["bytes"] for n, facts in _sizes(checkpoint).items()}
    except (OSError, UserError, KeyError, TypeError, AttributeError):
        whole = False
    return "" if whole else "not whole"


def _changed(checkpoint: Path) -> str:
    """The file of a checkpoint that differs from what was saved; older seals hold only sizes."""
    try:
        listed = read_sealed(checkpoint / _SEAL, "")["files"]
    except UserError:
        return f"{_SEAL} was changed after it was saved"
    for file, facts in listed.items():
        if isinstance(facts, dict) and hash_file(checkpoint / file) != facts.get("sha256"):
            return f"{file} was changed after it was saved"
    return ""


def _lacks_best(checkpoint: Path, sound: list[Path]) -> str:
    try:
        best = read_object(state_file(checkpoint)).get("best_global_step")
    except UserError as error:
        return str(error)
    earlier = {step_of(path) for path in sound}
    if best and best != step_of(checkpoint) and best not in earlier:
        return f"the best one so far, {name(best)}, is gone"
    return ""


def _sizes(checkpoint: Path) -> Facts:
    return {
        str(path.relative_to(checkpoint)): {"bytes": path.stat().st_size}
        for path in sorted(checkpoint.rglob("*"))
        if path.is_file() and path.name != _SEAL
    }
