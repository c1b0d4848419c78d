"""Files of records: one JSON object a line."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, TypeVar

from pydantic import ValidationError

from engine.schema.errors import UserError, explain
from engine.schema.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

R = TypeVar("R", bound=Record)


def write_records(path: Path, records: Iterable[Record]) -> int:
    """Write a new file; returns how many. Published and synced later, as a whole folder."""
    count = 0
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(record.model_dump_json() + "\n")
            count += 1
    return count


def append_records(path: Path, records: Iterable[Record]) -> None:
    """Append to a file that a kill may have left with half a line at its end, which is cut off."""
    if path.exists():
        raw = path.read_bytes()
        if not raw.endswith(b"\n"):
            os.truncate(path, raw.rfind(b"\n") + 1)
    with path.open("ab") as file:
        file.write(b"".join(b"%b\n" % record.model_dump_json().encode() for record in records))


def whole_records(path: Path, kind: type[R]) -> list[R]:
    """The records of a file that may be growing: without half a line at its end, and without lines
    that can't be read; none where there is no file."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except OSError:
        return []
    found = []
    for line in lines:
        if line.endswith(b"\n"):
            with contextlib.suppress(ValueError, RecursionError):
                found.append(kind.model_validate_json(line))
    return found


def read_records(path: Path, kind: type[R]) -> Iterator[R]:
    """Records in order; ``UserError`` naming file and line for one that can't be read."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield kind.model_validate_json(line)
                except (ValueError, RecursionError) as error:
                    what = _first(error)
                    raise UserError(f"{path}:{number}: not a {kind.__name__}: {what}") from None
    except FileNotFoundError:
        raise UserError(
            f"{path}: no such file: its phase is not done, or the file was removed"
        ) from None
    except IsADirectoryError:
        raise UserError(f"{path}: a folder stands where this file should be") from None
    except OSError as error:
        raise UserError(explain(error)) from error


def _first(error: Exception) -> str:
    return error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
