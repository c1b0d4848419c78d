"""Checks a finished phase's outputs against their hashes before they are used.

The manifest has size and hash of every output. ``seals.json`` beside it has later hashes, the
newest last: of changed outputs that a person accepted, and of outputs of old phases, whose
manifest has none. A process hashes a file again only when its time of change, size or inode
differ; a read-only folder can be read all the same.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal

from engine.schema.errors import UserError, explain
from engine.schema.jsonfile import read_bytes, read_sealed, with_seal
from engine.store.layout import WEIGHTS, hash_file
from engine.store.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from engine.store.layout import PhaseDir

log = logging.getLogger(__name__)
Stamp = tuple[int, int, int, int]
Facts = dict[str, Any]  # bytes, sha256

_hashes: dict[str, tuple[Stamp, str]] = {}
_first_seen: dict[str, dict[str, Facts]] = {}  # old phases' outputs


@dataclass(frozen=True, slots=True)
class Seal:
    """A later hash of an output. ``file``: below the phase's folder. ``was``: size and hash until
    then, None without any. ``why``: ``accepted`` by a person, or ``first sight``."""

    file: str
    why: Literal["accepted", "first sight"]
    when: str
    bytes: int
    sha256: str
    was: str | None

    @property
    def told(self) -> str:
        """One line."""
        hashes = f"sha256 {self.sha256[:16]}"
        if self.why == "accepted":
            old = f", was {self.was[:16]}" if self.was else ", was not listed"
            return f"{self.file}: changed after it was made, accepted {self.when} ({hashes}{old})"
        return f"{self.file}: had no seal, sealed as it was on {self.when} ({hashes})"


def verified(folder: PhaseDir, name: str) -> Path:
    """The path of an output (file or folder); ``UserError`` naming a file that is neither as it
    was published nor accepted."""
    for file, facts in _wanted(folder, name):
        if problem := _problem(folder, file, facts):
            raise UserError(problem)
    return folder.out / name


def verified_bytes(folder: PhaseDir, name: str) -> bytes:
    """The checked content of a small output."""
    file = f"out/{name}"
    raw = read_bytes(folder.path / file)
    facts = sealed_files(folder).get(file)
    if facts is None or facts["sha256"] != hashlib.sha256(raw).hexdigest():
        verified(folder, name)
    return raw


def problems(folder: PhaseDir) -> list[str]:
    """A line for every output that changed since publication and wasn't accepted."""
    found = (_problem(folder, file, facts) for file, facts in sealed_files(folder).items())
    return [problem for problem in found if problem]


def sealed_files(folder: PhaseDir) -> dict[str, Facts]:
    """Output (path below the phase's folder) -> its newest recorded size and hash."""
    found: dict[str, Facts] = {
        file: facts
        for file, facts in folder.manifest()["files"].items()
        if isinstance(facts, dict) and "sha256" in facts
    }
    for seal in seals(folder):
        found[seal.file] = {"bytes": seal.bytes, "sha256": seal.sha256}
    return found or _first_sight(folder)


def seals(folder: PhaseDir) -> tuple[Seal, ...]:
    """Seals of outputs made since the phase ended; ``UserError`` if the file is damaged."""
    path, todo = folder.seals_file, "move it away and accept again"
    try:
        return tuple(Seal(**entry) for entry in read_sealed(path, todo)["seals"])
    except FileNotFoundError:
        return ()
    except (KeyError, TypeError):
        raise UserError(f"{path}: not a list of seals; {todo}") from None


def accepted(folder: PhaseDir) -> list[str]:
    """A line for each accepted change of a finished phase's outputs or inputs; ``UserError`` when
    the record of it is damaged."""
    if not folder.done:
        return []
    inherited = folder.manifest().get("accepted", {})
    lines = [f"made from {i}: {line}" for i, told in inherited.items() for line in told]
    return lines + [seal.told for seal in seals(folder)]


def accept(folder: PhaseDir) -> list[Seal]:
    """Accept the outputs as they are now; returns what had changed. ``UserError`` for a missing
    output."""
    known = sealed_files(folder)
    fresh = []
    for file, facts in known.items():
        now = _facts(folder.path / file)
        if isinstance(now, str):
            raise UserError(f"{folder.path / file}: {now}, so it can't be accepted")
        if now["sha256"] != facts["sha256"]:
            fresh.append(Seal(file, "accepted", _now(), was=facts["sha256"], **now))
    for file in _unlisted(folder, "", known):
        now = _facts(folder.path / file)
        if not isinstance(now, str):
            fresh.append(Seal(file, "accepted", _now(), was=None, **now))
    if fresh:
        _write(folder, fresh)
    return fresh


def _write(folder: PhaseDir, fresh: list[Seal]) -> None:
    entries = [asdict(seal) for seal in (*seals(folder), *fresh)]
    write_json(folder.seals_file, with_seal({"seals": entries}))


def _wanted(folder: PhaseDir, name: str) -> Iterator[tuple[str, Facts | None]]:
    """An output's files with their recorded size and hash."""
    known = sealed_files(folder)
    path = f"out/{name}"
    listed = {f: facts for f, facts in known.items() if f == path or f.startswith(f"{path}/")}
    unlisted = _unlisted(folder, name, known)
    yield from listed.items()
    for file in unlisted if listed or unlisted else [path]:
        yield file, None


def _unlisted(folder: PhaseDir, name: str, known: dict[str, Facts]) -> list[str]:
    """Files of an output without a recorded hash."""
    place = folder.out / name if name else folder.out
    files = [place] if place.is_file() else sorted(p for p in place.rglob("*") if p.is_file())
    names = (str(path.relative_to(folder.path)) for path in files)
    return [file for file in names if file not in known]


def _first_sight(folder: PhaseDir) -> dict[str, Facts]:
    """Record the hashes of an old phase's outputs at first sight."""
    path = str(folder.path)
    if path not in _first_seen:
        known = ((file, _facts(folder.path / file)) for file in _unlisted(folder, "", {}))
        _first_seen[path] = {file: now for file, now in known if not isinstance(now, str)}
        if seen := _first_seen[path].items():
            log.warning("%s: made without hashes; its outputs are sealed as they are now", path)
            fresh = [Seal(f, "first sight", _now(), was=None, **now) for f, now in seen]
            with contextlib.suppress(OSError):  # read-only: done again by whoever may write
                _write(folder, fresh)
    return _first_seen[path]


def _problem(folder: PhaseDir, file: str, facts: Facts | None) -> str:
    """How a file differs from its recorded hash; "" if it doesn't."""
    path = folder.path / file
    now = _facts(path)
    if isinstance(now, str):
        hint = " (packed without weights? then import a bundle with them)"
        more = hint if path.parent.name in WEIGHTS else ""
        return f"{path}: {now}{more}; make it again with: sirt retry {folder.id}"
    if facts is None:
        what = "was not there when its phase ended"
    elif now["sha256"] == facts["sha256"]:
        return ""
    else:
        what = f"is not what its phase published ({now['bytes']:,} bytes, was {facts['bytes']:,})"
    return (
        f"{path}: {what}; make it again (sirt retry {folder.id}) or accept it as it is"
        f" (sirt accept {folder.id})"
    )


def _facts(path: Path) -> Facts | str:
    """Size and hash of a file, or why it has none."""
    try:
        found = os.stat(path)  # noqa: PTH116
        stamp = (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)
        known = _hashes.get(str(path))
        if known is None or known[0] != stamp:
            known = _hashes[str(path)] = (stamp, hash_file(path))
        return {"bytes": found.st_size, "sha256": known[1]}
    except FileNotFoundError:
        return "not there"
    except (IsADirectoryError, NotADirectoryError):
        return "a folder stands where this file should be"
    except OSError as error:
        error.filename = None
        return explain(error)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
