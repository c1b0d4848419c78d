"""Finished phases in colleagues' runs folders (``reuse:``), taken instead of being made again.

They are copied: a colleague may delete or lose what is theirs, and a phase's outputs are small
(adapters have tens of MB). Nothing is written into their folders. A copy counts only when it is
what its phase published, and ``taken.json`` beside it says whose it was.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands.bundling import OF_ATTEMPT
from engine.planning.own_folder import expanded
from engine.planning.sites import load_site
from engine.schema.errors import UserError, told
from engine.store.layout import RunsFolder
from engine.store.locking import Timeout
from engine.store.placing import place, staging
from engine.store.sealing import problems, seals
from engine.store.specification import own_spec
from engine.store.taken import write_taken
from engine.store.writing import sync_folder, sync_tree

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from engine.store.layout import PhaseDir

WAIT_S = 600.0  # for another launch that copies into the same folder
UNREADABLE = (OSError, UserError, KeyError, TypeError, AttributeError)


@dataclass(frozen=True, slots=True)
class Found:
    """A finished phase elsewhere. ``runs``: the runs folder that it lies in; ``size``: bytes to be
    copied."""

    phase: PhaseDir
    runs: Path
    size: int


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """What colleagues' folders have, by phase, and why some have nothing, a line each."""

    found: dict[str, Found]
    notes: tuple[str, ...] = ()

    @property
    def by_folder(self) -> dict[Path, list[Found]]:
        folders: dict[Path, list[Found]] = {}
        for one in self.found.values():
            folders.setdefault(one.runs, []).append(one)
        return folders


NOTHING = Elsewhere({})


def named(reuse: Iterable[str], file: Path, launcher: str = "local") -> list[Path]:
    """The folders that an experiment's ``file`` names, then those of the site that it runs at."""
    found = [(file.parent / expanded(name)).absolute() for name in reuse]
    _, _, site = launcher.partition(":")
    if site:
        base = Path(site).parent
        found += [(base / expanded(name)).absolute() for name in load_site(Path(site)).reuse]
    return list(dict.fromkeys(found))


def look(runs: RunsFolder, folders: Iterable[Path], wanted: Collection[str]) -> Elsewhere:
    """The finished ones among the ``wanted`` phases; the first folder that has one wins. A folder
    or phase that can't be read is told, and what it has is made here."""
    found: dict[str, Found] = {}
    notes: list[str] = []
    for folder in folders if wanted else ():
        theirs = RunsFolder(folder if (folder / "phases").is_dir() else folder / "runs")
        try:
            names = {path.name for path in theirs.phases.iterdir() if path.name in wanted}
            if runs.phases.exists() and theirs.phases.samefile(runs.phases):
                continue
        except FileNotFoundError:
            notes.append(f"reuse: {folder}: no runs folder there; its phases are made here")
            continue
        except OSError as error:
            notes.append(f"reuse: {told(error)}; its phases are made here")
            continue
        for name in sorted(names - found.keys()):
            phase = theirs.phase(name)
            try:
                found[name] = Found(phase, theirs.root, _size(phase))
            except FileNotFoundError as error:
                if error.filename != str(phase.manifest_file):  # else it is not finished there
                    notes.append(f"reuse: {told(error)}; the phase is made here")
            except UNREADABLE as error:
                notes.append(f"reuse: {told(error)}; the phase is made here")
    return Elsewhere(found, tuple(notes))


def _size(phase: PhaseDir) -> int:
    """Bytes of a finished phase's outputs; an error when one is missing or of another size, as
    after an import without weights."""
    listed = _listed(phase, phase.manifest_file.stat().st_mtime_ns)
    later = {seal.file: seal.bytes for seal in seals(phase)}
    for name, size in listed.items():
        if (phase.path / name).stat().st_size != later.get(name, size):
            raise UserError(f"{phase.path / name}: is not what its phase published")
    return sum((listed | later).values())


@lru_cache(maxsize=100_000)
def _listed(phase: PhaseDir, _finished: int) -> dict[str, int]:
    """Output -> bytes. Cached: a plan is made at each change of a draft."""
    files = phase.manifest()["files"].items()
    return {name: facts["bytes"] if isinstance(facts, dict) else facts for name, facts in files}


def take(runs: RunsFolder, found: Iterable[Found]) -> list[str]:
    """Copy phases into this folder; say of those that can't be taken why, a line each."""
    found = list(found)
    if not found:
        return []
    runs.create()
    notes = []
    try:
        with staging(runs, ".reuse", WAIT_S) as beside:
            for one in found:
                try:
                    _take(runs, one.phase, beside.phase(one.phase.id))
                except UNREADABLE as error:
                    notes.append(f"reuse: {told(error)}; the phase is made here")
    except Timeout:
        notes.append(f"reuse: {runs.root}: another launch is copying; these phases are made here")
    sync_folder(runs.phases)
    return notes


def _take(runs: RunsFolder, theirs: PhaseDir, copy: PhaseDir) -> None:
    for file in _files(theirs):
        target = copy.path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(theirs.path / file, target)
    own_spec(copy)
    if wrong := problems(copy):
        raise UserError(f"{theirs.path}: {wrong[0].partition(': ')[2].partition(';')[0]}")
    for attempt in copy.attempts():  # its age is read from its folder
        old = (theirs.path / attempt.path.name).stat()
        os.utime(attempt.path, ns=(old.st_atime_ns, old.st_mtime_ns))
    write_taken(copy, theirs)
    sync_tree(copy.path)
    place(copy, runs.phase(theirs.id))


def _files(theirs: PhaseDir) -> Iterator[Path]:
    """What is copied of a phase, relative to its folder; not what a next attempt would need."""
    yield Path(theirs.spec_file.name)
    yield Path(theirs.manifest_file.name)
    if theirs.seals_file.exists():
        yield Path(theirs.seals_file.name)
    for file in map(Path, theirs.manifest()["files"]):
        if file.parts[0] != theirs.out.name or ".." in file.parts:
            raise UserError(f"{theirs.manifest_file}: lists {file}, which is no output")
        yield file
    for attempt in theirs.attempts():
        for name in OF_ATTEMPT:
            if (attempt.path / name).exists():
                yield Path(attempt.path.name) / name
