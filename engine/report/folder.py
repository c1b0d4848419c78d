"""Write a report's folder, also again, unless somebody has changed a file in it."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from engine.schema.errors import UserError, told
from engine.store.layout import hash_file
from engine.store.writing import atomic_write

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MANIFEST = ".sirt-report.json"  # file -> sha256 of what was written; two while it is replaced


def write_folder(folder: Path, files: Mapping[str, bytes]) -> list[Path]:
    """Write the files, and remove those that an earlier report wrote and this one doesn't.

    ``UserError``, and nothing is touched, where a file is there that this did not write or that
    somebody has changed since.
    """
    before = _manifest(folder)
    for name in sorted({*before, *files}):
        path = folder / name
        if path.exists() and hash_file(path) not in before.get(name, []):
            what = "was changed" if name in before else "is there already"
            raise UserError(f"{path}: {what}; move it away, or give another folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    now = {name: [hashlib.sha256(content).hexdigest()] for name, content in files.items()}
    either = {name: before.get(name, []) + now.get(name, []) for name in {*before, *now}}
    _write_manifest(folder, either)  # so that being cut off half-way does not look like an edit
    for name, content in files.items():
        if before.get(name) != now[name] or not (folder / name).exists():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            atomic_write(folder / name, content)
    for name in before.keys() - files.keys():
        (folder / name).unlink(missing_ok=True)
    _write_manifest(folder, now)
    return [folder / name for name in files]


def write_new(folder: Path, files: Mapping[str, str]) -> list[Path]:
    """Write new files; ``UserError``, with nothing written, when one of them exists."""
    there = [folder / name for name in files if (folder / name).exists()]
    if there:
        raise UserError(f"{there[0]}: is there already; give another folder or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text if text.endswith("\n") else f"{text}\n")
    return [folder / name for name in files]


def _manifest(folder: Path) -> dict[str, list[str]]:
    try:
        found = json.loads((folder / MANIFEST).read_text())
        return {str(name): list(map(str, digests)) for name, digests in found.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UserError(
            f"{folder / MANIFEST}: can't be read ({told(error)}); give another folder with --out"
        ) from None


def _write_manifest(folder: Path, files: Mapping[str, list[str]]) -> None:
    atomic_write(folder / MANIFEST, json.dumps(files, indent=1, sort_keys=True) + "\n")
