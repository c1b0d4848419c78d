"""The program as it was when a phase was handed over: a copy beside the runs, by its hash.

What starts hours later is that program, or says that it no longer is.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

from engine.schema.errors import UserError
from engine.store.provenance import CHECKOUT, provenance
from engine.store.registry import folder_lock

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.store.layout import PhaseDir, RunsFolder

PROGRAM, LIBRARIES = "SIRT_PROGRAM", "SIRT_LIBRARIES"  # what a job's script sets
PACKAGES = ("engine", "presets")
LENGTH = 16
_NAME = re.compile(rf"^export {PROGRAM}=(\w+)$", re.MULTILINE)


def kept(runs: RunsFolder, environment: bool) -> tuple[Path, dict[str, str]]:
    """The copy's folder, made where there is none or where it was damaged, and the variables by
    which :func:`check` holds it to that. ``environment``: whether the libraries are those that are
    installed here. ``OSError`` or ``UserError`` when it can't be made."""
    name, files = _ours()
    folder = runs.program(name)
    with folder_lock(runs):  # nobody removes it from here until a job names it: it is young
        if folder.exists() and hash_of(folder)[0] == name:
            with suppress(PermissionError):
                os.utime(folder)
        else:
            _copy(name, files, folder)
    told = {PROGRAM: name}
    if environment:
        told[LIBRARIES] = _libraries()
    return folder, told


def _copy(name: str, files: list[Path], folder: Path) -> None:
    beside = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(beside, ignore_errors=True)
    for file in files:
        target = beside / file.relative_to(CHECKOUT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, target)
    if hash_of(beside)[0] != name:
        shutil.rmtree(beside, ignore_errors=True)
        _ours.cache_clear()
        raise OSError(f"{CHECKOUT}: the program has just been changed; tried again soon")
    if folder.exists():
        folder.rename(folder.with_name(f".{folder.name}.{secrets.token_hex(2)}"))
    beside.rename(folder)


def unnamed(runs: RunsFolder) -> list[Path]:
    """The copies that no attempt of an unfinished phase names in its job's script."""
    folders = sorted(p for p in runs.programs.iterdir()) if runs.programs.is_dir() else []
    named = {name for phase in runs.phase_dirs() if folders for name in _named(phase)}
    return [folder for folder in folders if folder.name not in named]


def _named(phase: PhaseDir) -> Iterator[str]:
    for attempt in [] if phase.done else phase.attempts():
        with suppress(FileNotFoundError):
            yield from _NAME.findall(attempt.script.read_text(errors="replace"))


def check() -> None:
    """``UserError`` when this process is not what was handed over; nothing where nobody says."""
    wanted = os.environ.get(PROGRAM)
    if wanted and (name := hash_of(CHECKOUT)[0]) != wanted:
        raise UserError(
            f"{CHECKOUT}: the program was changed since this phase was handed over ({wanted} then, "
            f"{name} now); hand it over again with: sirt retry"
        )
    libraries = os.environ.get(LIBRARIES)
    if libraries and libraries != _libraries():
        before, now = (dict(w.split("=") for w in t.split()) for t in (libraries, _libraries()))
        told = [
            f"{n} {before[n]} then, {now.get(n)} now" for n in before if before[n] != now.get(n)
        ]
        raise UserError(
            f"the environment was changed since this phase was handed over: {', '.join(told)}; "
            "hand it over again with: sirt retry"
        )


def hash_of(checkout: Path) -> tuple[str, list[Path]]:
    """The hash of a program's files, and the files."""
    files = sorted(_files(checkout))
    found = hashlib.sha256()
    for file in files:
        found.update(f"{file.relative_to(checkout)}\0".encode())
        with file.open("rb") as content:
            found.update(hashlib.file_digest(content, "sha256").digest())
    return found.hexdigest()[:LENGTH], files


@cache
def _ours() -> tuple[str, list[Path]]:
    return hash_of(CHECKOUT)


def _files(checkout: Path) -> Iterator[Path]:
    for package in PACKAGES:
        for file in (checkout / package).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                yield file


def _libraries() -> str:
    return " ".join(f"{name}={version}" for name, version in provenance()["libraries"].items())
