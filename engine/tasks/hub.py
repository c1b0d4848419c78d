"""Reads a benchmark's rows from the hub; no other task module imports ``datasets``."""

from __future__ import annotations

from engine.schema.errors import UserError
from engine.tasks.row import Row


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
