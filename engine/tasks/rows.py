"""Reading a benchmark's rows: JSONL, JSON, CSV, Parquet and the hub.

Every row has its origin (``file:line``), so that an error in it names its place. A line that
can't be read becomes a broken row, so that the others keep their numbers. Only ``\\n`` and
``\\r\\n`` end a line; a text may hold any other character.
"""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from engine.schema.errors import UserError
from engine.tasks.row import Row, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

READABLE = (".jsonl", ".json", ".parquet")


def read_rows(path: Path) -> list[Row]:
    """All records of a JSONL, JSON (a list, one object, or lines as in JSONL) or Parquet file."""
    match path.suffix.lower():
        case ".jsonl":
            rows = read_lines(path)
        case ".json":
            rows = _read_json(path)
        case ".parquet":
            rows = _read_parquet(path)
        case _:
            raise UserError(f"{path}: can't read {path.suffix!r}; valid: {', '.join(READABLE)}")
    if not rows:
        raise UserError(f"{path}: no rows in it")
    return rows


def _read_text(path: Path) -> str:
    if path.is_dir():
        raise UserError(f"{path}: is a folder; give a file")
    try:
        return path.read_bytes().decode("utf-8-sig")  # read_text would translate line ends
    except UnicodeDecodeError as problem:
        raise UserError(f"{path}: not UTF-8 (byte {problem.start}); convert the file") from None
    except OSError as problem:
        raise UserError(f"{path}: {problem.strerror}") from None


def read_lines(path: Path) -> list[Row]:
    """All records of a JSONL file, whatever it is called."""
    return _rows_of_lines(_read_text(path), path)


def _rows_of_lines(text: str, path: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            where = f"{path}:{number}"
            try:
                rows.append(_row(_parse(line), where))
            except ValueError as problem:
                rows.append(Row({}, where, f"not JSON ({problem})"))
    return rows


def _read_json(path: Path) -> list[Row]:
    text = _read_text(path)
    if not text.strip():
        return []
    try:
        document = _parse(text)
    except ValueError as problem:
        if _begins_with_an_object(text):
            return _rows_of_lines(text, path)
        raise UserError(f"{path}: not JSON ({problem})") from None
    if not isinstance(document, list):
        return [_row(document, str(path))]
    return [_row(value, f"{path}[{number}]") for number, value in enumerate(document)]


def _begins_with_an_object(text: str) -> bool:
    """Whether the first of several lines is an object by itself, as in JSON Lines."""
    first, _, others = text.lstrip().partition("\n")
    try:
        return bool(others.strip()) and isinstance(_parse(first), dict)
    except ValueError:
        return False


def _parse(text: str) -> Any:
    """Parse JSON; ``ValueError`` in words if it is invalid or too large."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError:
        raise
    except ValueError:  # Python's bound on the digits of a whole number
        raise ValueError("a number of thousands of digits") from None


def _row(value: Any, where: str) -> Row:
    if not isinstance(value, dict):
        return Row({}, where, f"holds {shown(value)}, not an object with columns")
    return Row(value, where)


def _read_parquet(path: Path) -> list[Row]:
    from pyarrow import ArrowException, parquet

    try:
        records = parquet.read_table(path).to_pylist()
    except (ArrowException, OSError, ValueError, OverflowError) as problem:
        raise UserError(f"{path}: not a Parquet file ({_first_line(problem)})") from None
    return [Row(record, f"{path}: row {i}") for i, record in enumerate(records)]


def read_csv(path: Path, columns: Sequence[str]) -> list[Row]:
    """A CSV file without a header; everything stays text, fields may hold newlines."""
    text = _read_text(path)
    reader = csv.reader([*io.StringIO(text, newline="\n"), "\n"])  # a blank line is a row's end
    rows: list[Row] = []
    fields: list[str] = []
    start = 0
    try:
        while True:
            start = reader.line_num + 1
            fields = next(reader)
            if fields:
                rows.append(_csv_row(fields, columns, f"{path}:{start}"))
    except csv.Error as problem:
        raise UserError(f"{path}:{start}: not CSV ({problem}); is a quote left open?") from None
    except StopIteration:
        if fields:  # it is inside an unclosed field
            raise UserError(f"{rows[-1].where}: a quote is opened and never closed") from None
    return rows


def _csv_row(fields: Sequence[str], columns: Sequence[str], where: str) -> Row:
    if len(fields) != len(columns):
        expected = f"the {len(columns)} of {', '.join(columns)}"
        return Row({}, where, f"{len(fields)} fields, not {expected}")
    return Row(dict(zip(columns, fields, strict=True)), where)


def with_labels(rows: Sequence[Row], path: Path) -> list[Row]:
    """The rows with a ``label`` from a file that holds one label a line, in the same order."""
    labels = _read_text(path).rstrip().split("\n")
    if len(labels) != len(rows):
        raise UserError(
            f"{path}: {len(labels)} labels for {len(rows)} rows; give the label file that "
            "belongs to this rows file"
        )
    return [
        Row(row.values | {"label": label}, f"{row.where} (label {path}:{number})", row.broken)
        for number, (row, label) in enumerate(zip(rows, labels, strict=True), start=1)
    ]


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
