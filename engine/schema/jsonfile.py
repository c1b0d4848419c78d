"""The one reader of this program's JSON files.

Anything wrong with a file (not UTF-8, cut off, nested too deep, a number of thousands of digits,
another shape, a folder in its place) is one :class:`UserError` with file and place. Only a
missing file stays ``FileNotFoundError``, which is often no mistake.
"""

from __future__ import annotations

import errno
import hashlib
import json
import zlib
from dataclasses import fields, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

from engine.schema.accuracy import Accuracy
from engine.schema.errors import UserError, explain

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
SEAL = "seal"
_SUM = b',"sum":"'


def read_bytes(path: Path) -> bytes:
    """The file's content; ``UserError`` when it can't be read."""
    try:
        return _read(path)
    except FileNotFoundError:
        raise
    except IsADirectoryError:
        raise UserError(f"{path}: a folder stands where this file should be") from None
    except OSError as error:
        raise UserError(explain(error)) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        if error.errno != errno.ESTALE:
            raise
    return path.read_bytes()  # it was replaced on its network disk: open it anew


def read_json(path: Path) -> Any:
    """The file's value."""
    return parse(read_bytes(path), path)


def parse(raw: bytes, path: Path | str) -> Any:
    """The value of a JSON text read from ``path``."""
    try:
        value = json.loads(raw.decode())
        if b"\\u" in raw:  # an escaped lone surrogate could be read but never written
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8 text (byte {error.start})") from None
    except UnicodeEncodeError:
        raise UserError(f"{path}: not valid JSON (half a character)") from None
    except json.JSONDecodeError as error:
        what = "the file is empty" if not raw.strip() else error.msg
        raise UserError(f"{path}:{error.lineno}: not valid JSON ({what})") from None
    except RecursionError:
        raise UserError(f"{path}: not valid JSON (nested too deep)") from None
    except ValueError as error:  # a number of more digits than Python takes
        raise UserError(f"{path}: not valid JSON ({str(error).partition(';')[0]})") from None


def read_object(path: Path) -> dict[str, Any]:
    """The file's value, which must be an object."""
    value = read_json(path)
    if not isinstance(value, dict):
        raise UserError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return value


def read_sealed(path: Path, todo: str) -> dict[str, Any]:
    """An object written :func:`with_seal`; ``todo``: advice when it was changed."""
    try:
        value = read_object(path)
        check_seal(path, value)
    except UserError as error:
        raise UserError(f"{error}; {todo}") from None
    return value


def read_as(path: Path, check: Callable[[bytes], T], todo: str = "") -> T:
    """The file as parsed by ``check`` (a model's ``validate_json``); ``todo``: advice when it is
    damaged."""
    from pydantic import ValidationError  # a list of runs does without pydantic

    advice = f"; {todo}" if todo else ""
    try:
        return check(read_bytes(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "the whole file"
        raise UserError(f"{path}: {where}: {first['msg']}{advice}") from None
    except (ValueError, RecursionError, OverflowError) as error:
        raise UserError(f"{path}: {str(error).partition(';')[0]}{advice}") from None


def plain(value: Any) -> Any:
    """Convert a value that JSON lacks to one it has; the ``default`` of ``json.dumps``."""
    from pydantic import BaseModel

    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, Accuracy):
        return value.figures()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, set | frozenset):
        return list(value)
    return str(value)


def with_sum(line: bytes) -> bytes:
    """A line that holds a JSON object, with a checksum as the object's last field."""
    return b'%b%b%08x"}' % (line[:-1], _SUM, zlib.crc32(line))


def without_sum(line: bytes) -> bytes | None:
    """The line as before :func:`with_sum`; None if it was changed since. A line without checksum,
    from an older version, is returned as it is."""
    line = line.rstrip(b"\n")
    if line[-18:-10] != _SUM:
        return line
    whole = line[:-18] + b"}"
    return whole if b"%08x" % zlib.crc32(whole) == line[-10:-2] else None


def with_seal(value: dict[str, Any]) -> dict[str, Any]:
    """The object with a hash of all its content beside it."""
    return value | {SEAL: _digest(value)}


def check_seal(path: Path, value: dict[str, Any]) -> None:
    """``UserError`` when the content was changed since it was sealed; objects without a seal, from
    older versions, pass."""
    if SEAL in value and _digest(value) != value[SEAL]:
        raise UserError(f"{path}: was changed after it was written")


def digest(value: Any) -> str:
    """A hash of a value read from a file."""
    written = json.loads(json.dumps(value, default=str))
    return hashlib.sha256(json.dumps(written, sort_keys=True).encode()).hexdigest()


def _digest(value: dict[str, Any]) -> str:
    return digest({name: part for name, part in value.items() if name != SEAL})
