"""Tables that compare runs: paired differences, settings, curves, matrix, fractions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from engine.tables.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.queries.comparison import Fractions, Matrix
    from engine.schema.accuracy import Comparison
    from engine.store.phase_log import PhaseView, Tail
    from engine.store.run_row import RunRow


DIFFERENCES: tuple[Column[Comparison], ...] = (
    ("task", lambda one: one.evaluation.where),
    ("prompt", lambda one: one.evaluation.style),
    ("n", lambda one: str(one.total)),
    ("A", lambda one: f"{100 * one.accuracy_a:.1f}"),
    ("B", lambda one: f"{100 * one.accuracy_b:.1f}"),
    ("B − A [95 %]", lambda one: one.difference),
    ("only B", lambda one: str(one.gained)),
    ("only A", lambda one: str(one.lost)),
    ("McNemar p", lambda one: f"{one.p:.2g}"),
    ("p (Holm)", lambda one: f"{one.adjusted:.2g}"),
)


def differences(found: Iterable[Comparison]) -> Table:
    """Make a table with a row per evaluation."""
    return Table.of(found, DIFFERENCES, "differences")


def settings(found: Sequence[tuple[str, tuple[str, ...]]], names: Sequence[str]) -> Table:
    return Table(("setting", *names), tuple((name, *values) for name, values in found), "settings")


def curves(
    views: Sequence[dict[str, PhaseView]], rows: Sequence[RunRow], kind: str, metric: str
) -> Table:
    """List every point of every run's curve in long form, as plotting programs want it."""
    lines = tuple(
        (row.run_id, row.name, str(x), repr(y))
        for row, points in _points(views, rows, kind, metric)
        for x, y in points
    )
    return Table(("run", "name", "step", f"{kind} {metric}"), lines, "curves")


def curve_ends(
    views: Sequence[dict[str, PhaseView]], rows: Sequence[RunRow], kind: str, metric: str
) -> Table:
    """List the first, lowest, highest and last value of each run's curve, for a page."""
    lines = []
    for row, points in _points(views, rows, kind, metric):
        y = [value for _, value in points if math.isfinite(value)]
        if y:
            figures = (y[0], min(y), max(y), y[-1])
            lines.append((row.name, str(points[-1][0]), *(f"{value:.4g}" for value in figures)))
    headers = (f"{kind} {metric}", "last step", "first", "lowest", "highest", "last")
    return Table(headers, tuple(lines), "curves")


def _points(
    views: Sequence[dict[str, PhaseView]], rows: Sequence[RunRow], kind: str, metric: str
) -> Iterator[tuple[RunRow, Tail[tuple[int, float]]]]:
    """Yield the runs that have the curve, with its points."""
    for row, by_kind in zip(rows, views, strict=True):
        points = by_kind[kind].metrics.get(metric) if kind in by_kind else None
        if points:
            yield row, points


def matrix(found: Matrix, evaluated: Sequence[str], slug: str = "matrix") -> Table:
    """Make a table with a row per training and a column per task in ``evaluated``."""
    rows = tuple(
        (name, *(found.cells.get((name, task)) for task in evaluated)) for name in found.trained
    )
    return Table(("trained on", *evaluated), rows, slug)


def fractions(found: Fractions) -> Table:
    """Make a table with a row per task and way of training, and a column per share of
    demonstrations."""
    every = [points for lines in found.values() for points in lines.values()]
    columns = sorted({share for points in every for share, _ in points}, reverse=True)
    rows = tuple(
        (task, name, *map(dict(points).get, columns))
        for task, lines in found.items()
        for name, points in lines.items()
    )
    headers = ("task", "demonstrations", *(f"{share} %" for share in columns))
    return Table(headers, rows, "fractions")
