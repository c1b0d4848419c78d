"""What a comparison shows as tables for a paper: Markdown, LaTeX and CSV."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.queries.results import Table
from engine.schema.accuracy import NOTHING
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.queries.comparison import Compared, Matrix
    from engine.schema.accuracy import Accuracy, Comparison, Estimate
    from engine.store.phase_log import PhaseView
    from engine.store.run_row import RunRow


def accuracies(compared: Compared) -> Table:
    """A line a task and prompt, a column a run; in its cell the difference from the reference."""
    headers = ("task", "prompt", *(row.name for row in compared.rows))
    lines = []
    for key, found in compared.cells.items():
        differences = compared.differences.get(key, (None,) * len(found))
        cells = (_cell(one, d) for one, d in zip(found, differences, strict=True))
        lines.append((key.where, key.style, *cells))
    return Table(headers, tuple(lines))


def _cell(one: Accuracy | None, found: Comparison | None) -> str:
    if one is None:
        return NOTHING
    if found is None:
        return one.text
    return f"{one.text}; {found.difference.points}, p {found.adjusted:.2g}, n {found.total}"


def settings(names: Sequence[tuple[str, tuple[str, ...]]], rows: Sequence[RunRow]) -> Table:
    headers = ("setting", *(row.name for row in rows))
    return Table(headers, tuple((name, *values) for name, values in names))


def curves(
    views: Sequence[dict[str, PhaseView]], rows: Sequence[RunRow], kind: str, metric: str
) -> Table:
    """Every point of every run: long, as plotting programs like it."""
    lines = []
    for row, by_kind in zip(rows, views, strict=True):
        points = by_kind[kind].metrics.get(metric) if kind in by_kind else None
        lines += [(row.run_id, row.name, str(x), repr(y)) for x, y in points or ()]
    return Table(("run", "name", "step", f"{kind} {metric}"), tuple(lines))


def curve_ends(
    views: Sequence[dict[str, PhaseView]], rows: Sequence[RunRow], kind: str, metric: str
) -> Table:
    """First, lowest, highest and last value of each run's curve, for a page."""
    lines = []
    for row, by_kind in zip(rows, views, strict=True):
        points = by_kind[kind].metrics.get(metric) if kind in by_kind else None
        y = [value for _, value in points or () if math.isfinite(value)]
        if points and y:
            figures = (y[0], min(y), max(y), y[-1])
            lines.append((row.name, str(points[-1][0]), *(f"{value:.4g}" for value in figures)))
    headers = (f"{kind} {metric}", "last step", "first", "lowest", "highest", "last")
    return Table(headers, tuple(lines))


def matrix(found: Matrix) -> Table:
    lines = [
        (name, *(cell_text(found.cells.get((name, on))) for on in found.evaluated))
        for name in found.trained
    ]
    return Table(("trained on", *found.evaluated), tuple(lines))


def fractions(lines: dict[str, list[tuple[int, Estimate]]]) -> Table:
    shares = sorted({share for points in lines.values() for share, _ in points}, reverse=True)
    body = []
    for name, points in lines.items():
        at = dict(points)
        body.append((name, *(cell_text(at.get(share)) for share in shares)))
    return Table(("demonstrations", *(f"{share} %" for share in shares)), tuple(body))


def cell_text(cell: Estimate | None) -> str:
    return NOTHING if cell is None else cell.text


def texts(name: str, page: Table, data: Table | None = None) -> dict[str, str]:
    """File names and what belongs into them; ``data``: another table for the CSV file."""
    return {
        f"{name}.md": page.markdown(),
        f"{name}.tex": page.latex(),
        f"{name}.csv": (data or page).csv(),
    }


def write_new(folder: Path, files: dict[str, str]) -> list[Path]:
    """Write files that are not there yet; ``UserError``, and nothing written, when one is."""
    there = [folder / name for name in files if (folder / name).exists()]
    if there:
        raise UserError(f"{there[0]}: is there already; give another folder or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text if text.endswith("\n") else f"{text}\n")
    return [folder / name for name in files]
