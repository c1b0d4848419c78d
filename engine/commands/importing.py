"""Import a bundle from somebody else, after checking it; see :mod:`engine.commands.bundling`.

Everything is unpacked beside the runs and checked against the bundle's list, the manifests and
the fingerprints; only then is it renamed into place, phases first and runs last. What is here
already is kept: a finished phase is the same by its fingerprint.
"""

from __future__ import annotations

import hashlib
import lzma
import os
import re
import shutil
import tarfile
import time
import zlib
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from engine.commands.bundling import (
    FORMAT,
    LISTING,
    OF_ATTEMPT,
    Listing,
)
from engine.queries.runs import registry
from engine.schema.errors import UserError
from engine.schema.jsonfile import read_json
from engine.schema.kinds import PHASES
from engine.store.item_notes import read_marks
from engine.store.layout import hash_file
from engine.store.placing import place, staging
from engine.store.registry import folder_lock
from engine.store.run import read_record, read_run
from engine.store.sealing import sealed_files
from engine.store.writing import sync_folder, sync_tree

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.store.layout import PhaseDir, RunsFolder
    from engine.store.run import RunFile

PHASE = rf"phases/(?:{'|'.join(map(re.escape, PHASES))})-[0-9a-f]{{16}}"
ALLOWED = re.compile(
    rf"{re.escape(LISTING)}"
    r"|(?!phases/|conductor/|drafts/|experiments/|registry/)[A-Za-z0-9][A-Za-z0-9._-]*/run\.json"
    r"|experiments/[0-9a-f]{16}\.yaml"
    rf"|{PHASE}/(?:phase|manifest|seals|rescored|marks)\.json"
    rf"|{PHASE}/attempt-[0-9]{{3,}}/(?:{'|'.join(map(re.escape, OF_ATTEMPT))})"
    rf"|{PHASE}/out(?:/(?!\.{{1,2}}(?:/|$))[^/\x00-\x1f]+)+"
)
CHUNK = 1 << 20
NOTHING_TAKEN = "nothing was taken in"
UNREADABLE = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError)
UNREADABLE_JSON = (
    OSError, ValueError, UserError, KeyError, TypeError, AttributeError, RecursionError,
)  # fmt: skip
listings: TypeAdapter[Listing] = TypeAdapter(Listing)


@dataclass(frozen=True, slots=True)
class TakenIn:
    """The result of an import: new runs and phases, and those kept since they were here already.

    ``filled``: phases of which missing weights were added. ``differs``: kept phases whose outputs
    here are not the bundle's, bit for bit: scores of the bundle were made from its own.
    """

    runs: tuple[str, ...]
    runs_kept: tuple[str, ...]
    phases: tuple[str, ...]
    phases_kept: tuple[str, ...]
    filled: tuple[str, ...]
    differs: tuple[str, ...]
    left_out: tuple[str, ...]


def take_in(runs: RunsFolder, file: Path) -> TakenIn:
    """Check a bundle and add its runs; ``UserError``, leaving no trace, when anything is wrong."""
    runs.create()
    with importing(runs) as staging:
        listing = _unpack(file, staging.root)
        _check_listing(file, listing, staging)
        phases = [_checked(file, staging, phase, listing) for phase in staging.phase_dirs()]
        fresh, known = _sorted_runs(runs, file, staging)
        sync_tree(staging.root)
        new, kept, filled, differs = [], [], [], []
        for phase in phases:
            mine = runs.phase(phase.id)
            if place(phase, mine):
                new.append(phase.id)
                continue
            kept.append(phase.id)
            if phase.marks.exists() and not mine.marks.exists():
                phase.marks.rename(mine.marks)
            if mine.done and phase.done:
                filled += [phase.id] if _fill(phase, mine) else []
                differs += [phase.id] if _outputs(phase) != _outputs(mine) else []
        sync_folder(runs.phases)
        with folder_lock(runs):  # an experiment's file goes when its last run is deleted
            _place_experiments(runs, staging)
            for run in fresh:
                staging.run_folder(run.run_id).rename(runs.run_folder(run.run_id))
        sync_folder(runs.root)
    taken = [run.run_id for run in fresh]
    registry(runs).refresh([*taken, *known])
    return TakenIn(
        tuple(taken),
        tuple(known),
        tuple(new),
        tuple(kept),
        tuple(filled),
        tuple(differs),
        listing.left_out,
    )


@contextmanager
def importing(runs: RunsFolder) -> Iterator[RunsFolder]:
    """An empty runs folder to unpack into, for one import at a time."""
    from engine.store.locking import Timeout

    try:
        with staging(runs, ".import") as folder:
            yield folder
    except Timeout:
        raise UserError(f"{runs.root}: another import is at work; try again after it") from None


# --- unpacking ---


def _unpack(file: Path, folder: Path) -> Listing:
    """Write the archive's files, only plain ones with known names; return its list."""
    free = shutil.disk_usage(folder).free
    found: dict[str, dict[str, Any]] = {}
    try:
        with tarfile.open(file) as archive:
            for member in archive:
                _check_member(file, member, found)
                free -= member.size
                if free < 0:
                    raise UserError(f"{file}: does not fit on the disk of {folder.parent}")
                found[member.name] = _written(archive, member, folder)
    except UNREADABLE as error:
        first = str(error).partition("\n")[0].rstrip(":")
        raise UserError(f"{file}: no bundle, or a damaged one ({first}); {NOTHING_TAKEN}") from None
    except OSError as error:
        raise UserError(f"{file}: {error.strerror or error}; {NOTHING_TAKEN}") from error
    if LISTING not in found:
        raise UserError(f"{file}: has no {LISTING}, so it is no bundle; {NOTHING_TAKEN}")
    listing = _listing(file, folder / LISTING)
    del found[LISTING]
    for name in sorted(found.keys() | listing.files.keys()):
        if found.get(name) != listing.files.get(name):
            what = "is missing" if name not in found else "is not what the bundle's list says"
            raise UserError(f"{file}: {name} {what}: damaged or changed; {NOTHING_TAKEN}")
    return listing


def _check_member(file: Path, member: tarfile.TarInfo, found: dict[str, Any]) -> None:
    if not member.isreg():
        raise UserError(f"{file}: {member.name!r} is no plain file; {NOTHING_TAKEN}")
    if not ALLOWED.fullmatch(member.name):
        raise UserError(f"{file}: {member.name!r} has no place in a bundle; {NOTHING_TAKEN}")
    if member.name in found:
        raise UserError(f"{file}: {member.name!r} is there twice; {NOTHING_TAKEN}")


def _written(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> dict[str, Any]:
    """Write a member to the disk; return its size and hash."""
    source = archive.extractfile(member)
    assert source is not None
    target = folder / member.name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    size = 0
    with target.open("xb") as out:
        while chunk := source.read(CHUNK):
            out.write(chunk)
            digest.update(chunk)
            size += len(chunk)
    written = min(max(0.0, member.mtime), time.time())
    for path in (target, target.parent):  # an attempt's age is read from its folder
        os.utime(path, (written, written))
    return {"bytes": size, "sha256": digest.hexdigest()}


def _listing(file: Path, path: Path) -> Listing:
    try:
        raw = read_json(path)
        version, listing = raw["format"], listings.validate_python(raw)
    except UNREADABLE_JSON as error:
        raise UserError(f"{file}: {LISTING} can't be read ({error}); {NOTHING_TAKEN}") from None
    if version not in (1, FORMAT):  # the first had no files of experiments
        raise UserError(f"{file}: of format {version}; this program reads {FORMAT}")
    return listing


# --- checking ---


def _check_listing(file: Path, listing: Listing, staging: RunsFolder) -> None:
    if sorted(listing.runs) != staging.run_ids() or not listing.runs:
        raise UserError(f"{file}: its runs are not those of its list; {NOTHING_TAKEN}")
    for kept in (staging.root / "experiments").glob("*.yaml"):
        if not hash_file(kept).startswith(kept.stem):
            raise UserError(f"{file}: experiments/{kept.name} is another file; {NOTHING_TAKEN}")


def _checked(file: Path, staging: RunsFolder, phase: PhaseDir, listing: Listing) -> PhaseDir:
    """Check that a phase's fingerprint and outputs match its name and its manifest."""
    where = f"{file}: {phase.id}"
    try:
        spec = phase.spec()
        outputs = _outputs(phase) if phase.done else {}
        read_marks(staging, phase.id)
    except UNREADABLE_JSON:
        raise UserError(
            f"{where}: its specification, manifest or marks can't be read; another version's,"
            f" perhaps; {NOTHING_TAKEN}"
        ) from None
    if spec.id != phase.id:
        raise UserError(f"{where}: its settings belong to {spec.id}; {NOTHING_TAKEN}")
    prefix = f"phases/{phase.id}/"
    packed = {
        name.removeprefix(prefix): facts["sha256"]
        for name, facts in listing.files.items()
        if name.startswith(f"{prefix}out/")
    }
    for name in sorted(packed.keys() | outputs.keys()):
        left_out = f"{prefix}{name}" in listing.left_out and name not in packed
        if packed.get(name) != outputs.get(name) and not left_out:
            raise UserError(f"{where}: {name} is not what its manifest says; {NOTHING_TAKEN}")
    return phase


def _outputs(phase: PhaseDir) -> dict[str, str]:
    """Return each output's path and sha256, from the manifest or a later seal."""
    return {name: str(facts["sha256"]) for name, facts in sealed_files(phase).items()}


def _sorted_runs(
    runs: RunsFolder, file: Path, staging: RunsFolder
) -> tuple[list[RunFile], list[str]]:
    """Return the runs to add and the ids of those that exist; ``UserError`` when an id is taken."""
    fresh, known = [], []
    for run_id in staging.run_ids():
        theirs = read_run(staging, run_id)
        if theirs.run_id != run_id:
            raise UserError(f"{file}: {run_id}: its file belongs to {theirs.run_id}")
        if not runs.run_folder(run_id).exists():
            fresh.append(theirs)
            continue
        mine = read_record(runs, run_id)
        if mine.spec.fingerprint != theirs.spec.fingerprint:
            raise UserError(
                f"{run_id}: a run of that name with other phases is here already; import into"
                f" another folder (--runs DIR), or delete that run; {NOTHING_TAKEN}"
            )
        known.append(run_id)
    return fresh, known


# --- publishing ---


def _place_experiments(runs: RunsFolder, staging: RunsFolder) -> None:
    """Add the experiments' files; they are named by content, so existing ones are the same."""
    for file in (staging.root / "experiments").glob("*.yaml"):
        mine = runs.experiment(file.name)
        mine.parent.mkdir(exist_ok=True)
        if not mine.exists():
            file.rename(mine)


def _fill(phase: PhaseDir, mine: PhaseDir) -> bool:
    """Add outputs that the manifest lists but that were left out before; True when any was."""
    wanted = _outputs(mine)
    theirs = _outputs(phase)
    filled = False
    for name, digest in wanted.items():
        source, target = phase.path / name, mine.path / name
        if theirs.get(name) == digest and source.exists() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            source.rename(target)
            filled = True
    return filled
