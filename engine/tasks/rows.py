"""Reading a benchmark's rows: JSONL, JSON, CSV, Parquet and the hub.

Every row knows where it comes from (``file:line``), so that an error in it names its place.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.contract.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

READABLE = (".jsonl", ".json", ".parquet")


@dataclass(frozen=True, slots=True)
class Row:
    """One record and its place; its columns are read through checks."""

    values: dict[str, Any]
    where: str

    def __contains__(self, column: str) -> bool:
        return column in self.values

    def __getitem__(self, column: str) -> Any:
        if column not in self.values:
            raise self.error(f"no column {column!r}; {nearest(column, map(str, self.values))}")
        return self.values[column]

    def text(self, column: str) -> str:
        """A text column, outer blanks removed."""
        value = self[column]
        if not isinstance(value, str):
            raise self.error(f"column {column!r} holds {value!r}, not text")
        return value.strip()

    def label(self, column: str) -> str:
        """The answer's label as text (``1`` and ``"1"`` are the same label)."""
        value = self.values.get(column)
        if value is None or str(value).strip() in ("", "-1"):
            raise self.error(
                f"no answer in {column!r}: this split (or file) is unlabelled and can't be "
                "scored; give one with answers, or its label file as 'train_labels'/'test_labels'"
            )
        return str(value).strip()

    def error(self, what: str) -> UserError:
        return UserError(f"{self.where}: {what}")


def read_rows(path: Path) -> list[Row]:
    """All records of a JSONL, JSON (a list, or one object) or Parquet file."""
    match path.suffix:
        case ".jsonl":
            rows = _read_jsonl(path)
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
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as problem:
        raise UserError(f"{path}: not UTF-8 (byte {problem.start}); convert the file") from None
    except OSError as problem:
        raise UserError(f"{path}: {problem.strerror}") from None


def _read_jsonl(path: Path) -> list[Row]:
    rows = []
    for number, line in enumerate(_read_text(path).split("\n"), start=1):
        if line.strip():
            rows += _rows_of(_parse(line, f"{path}:{number}"), f"{path}:{number}")
    return rows


def _read_json(path: Path) -> list[Row]:
    document = _parse(_read_text(path), str(path))
    if not isinstance(document, list):
        return _rows_of(document, str(path))
    return [row for i, value in enumerate(document) for row in _rows_of(value, f"{path}[{i}]")]


def _parse(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as problem:
        raise UserError(f"{where}: not JSON ({problem})") from None


def _rows_of(value: Any, where: str) -> list[Row]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: holds {type(value).__name__}, not an object with columns")
    return [Row(value, where)]


def _read_parquet(path: Path) -> list[Row]:
    from pyarrow import ArrowException, parquet

    try:
        records = parquet.read_table(path).to_pylist()
    except (ArrowException, OSError) as problem:
        raise UserError(f"{path}: not a Parquet file ({str(problem).splitlines()[0]})") from None
    return [Row(record, f"{path}: row {i}") for i, record in enumerate(records)]


def read_csv(path: Path, columns: Sequence[str]) -> list[Row]:
    """A CSV file without a header; everything stays text, fields may hold newlines."""
    rows = []
    reader = csv.reader(_read_text(path).splitlines(keepends=True))
    for fields in reader:
        where = f"{path}:{reader.line_num}"
        if len(fields) != len(columns):
            raise UserError(
                f"{where}: {len(fields)} fields, not the {len(columns)} of {', '.join(columns)}"
            )
        rows.append(Row(dict(zip(columns, fields, strict=True)), where))
    return rows


def with_labels(rows: Iterable[Row], path: Path) -> list[Row]:
    """The rows with a ``label`` from a file that holds one label a line, in the same order."""
    rows = list(rows)
    labels = _read_text(path).split()
    if len(labels) != len(rows):
        raise UserError(
            f"{path}: {len(labels)} labels for {len(rows)} rows; give the label file that "
            "belongs to this rows file"
        )
    return [
        Row(row.values | {"label": label}, row.where)
        for row, label in zip(rows, labels, strict=True)
    ]


def read_hub(
    task: str, hub: str, config: str | None, revision: str | None, split: str
) -> list[Row]:
    """A split from the hub (or its cache); ``config`` may name several, comma-separated."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError

    rows: list[Row] = []
    for name in config.split(",") if config else [None]:
        try:
            table = load_dataset(hub, name, split=split, revision=revision)
        except (ConnectionError, DatasetsError) as problem:
            raise UserError(
                f"{hub}: can't reach the hub ({_first_line(problem)}); give a local file under "
                f"'sources: {task}: {'train' if split == 'train' else 'test'}: <file>'"
            ) from None
        except ValueError as problem:  # an unknown config or split: the library lists the valid
            raise UserError(f"{hub}: {_first_line(problem)}") from None
        place = f"{hub}[{name or split}]"
        rows += [Row(dict(record), f"{place} row {i}") for i, record in enumerate(table)]
    return rows


def _first_line(problem: Exception) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
