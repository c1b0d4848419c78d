"""Several runs beside each other: accuracies, paired differences, settings, curves, matrix."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from engine.contract.errors import UserError
from engine.contract.rundir import PREDICTIONS
from engine.contract.spec import EvaluateSpec
from engine.control.listing import registry, run_status
from engine.queue import read_run
from engine.results import Comparison, Table, compare_predictions, mark_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from engine.contract.row import Cellmark, RunRow
    from engine.contract.rundir import RunsFolder
    from engine.contract.view import PhaseView

Key = tuple[str, str, str]  # task, prompt style (or "options"), split


@dataclass(frozen=True, slots=True)
class Difference:
    """A run against the reference on the same questions; ``adjusted``: Holm's p over the table."""

    found: Comparison
    adjusted: float


@dataclass(frozen=True, slots=True)
class Compared:
    """``cells[key][n]`` is run n's accuracy; ``differences[key][n]`` that from the reference,
    None for the reference itself and where questions are not shared."""

    rows: tuple[RunRow, ...]
    reference: int
    cells: dict[Key, tuple[Cellmark | None, ...]]
    differences: dict[Key, tuple[Difference | None, ...]]


def rows_of(runs: RunsFolder, run_ids: Sequence[str]) -> tuple[RunRow, ...]:
    """Rows in the order given; ``UserError`` names one that is not there."""
    known = {row.run_id: row for row in registry(runs).rows()}
    missing = [run_id for run_id in run_ids if run_id not in known]
    if missing:
        raise UserError(f"no run {missing[0]!r} in {runs.root}; it was deleted, perhaps")
    return tuple(known[run_id] for run_id in run_ids)


def accuracies(runs: RunsFolder, run_ids: Sequence[str], reference: int = 0) -> Compared:
    """Accuracies alone; :func:`with_differences` takes seconds and adds the tests."""
    rows = rows_of(runs, run_ids)
    by_run = [{_key(mark): mark for mark in row.marks} for row in rows]
    keys = sorted({key for marks in by_run for key in marks})
    cells = {key: tuple(marks.get(key) for marks in by_run) for key in keys}
    return Compared(rows, reference, cells, {})


def with_differences(runs: RunsFolder, compared: Compared) -> Compared:
    """McNemar's exact test and the paired interval for each cell against the reference's."""
    from engine.scoring.interval import holm

    files = [_predictions(runs, row.run_id) for row in compared.rows]
    base = files[compared.reference]
    found: dict[tuple[Key, int], Comparison] = {}
    for key in compared.cells:
        for n, mine in enumerate(files):
            if n != compared.reference and key in base and key in mine:
                paired = compare_predictions(key[0], key[1], base[key], mine[key])
                if paired is not None:
                    found[key, n] = paired
    adjusted = dict(zip(found, holm([c.p for c in found.values()]), strict=True))
    whole = {place: Difference(c, adjusted[place]) for place, c in found.items()}
    differences = {
        key: tuple(whole.get((key, n)) for n in range(len(files))) for key in compared.cells
    }
    return replace(compared, differences=differences)


def _key(mark: Cellmark) -> Key:
    return mark.task, mark.prompt if mark.method == "match" else "options", mark.split


def _predictions(runs: RunsFolder, run_id: str) -> dict[Key, Path]:
    found: dict[Key, Path] = {}
    for spec in read_run(runs, run_id).spec.phases:
        folder = runs.phase(spec.id)
        if isinstance(spec, EvaluateSpec) and folder.done:
            style = spec.prompt if spec.method == "match" else "options"
            found[spec.task.name, style, spec.split] = folder.out / PREDICTIONS
    return found


# --- settings ---


def settings(
    runs: RunsFolder, run_ids: Sequence[str], every: bool = False
) -> list[tuple[str, tuple[str, ...]]]:
    """Name and value in each run; only what differs, or ``every`` one."""
    flat = [_flat_run(runs, run_id) for run_id in run_ids]
    names = dict.fromkeys(name for values in flat for name in values)
    table = [(name, tuple(values.get(name, "") for values in flat)) for name in names]
    return [(name, values) for name, values in table if every or len(set(values)) > 1]


def _flat_run(runs: RunsFolder, run_id: str) -> dict[str, str]:
    spec = read_run(runs, run_id).spec
    head = spec.model_dump(mode="json", exclude={"phases"})
    flat = {name: _said(value) for name, value in head.items()}
    for phase in spec.phases:
        if isinstance(phase, EvaluateSpec):
            continue  # they differ by what they evaluate, which the table of accuracies shows
        values = phase.model_dump(mode="json")
        for name, value in _flatten(values, phase.kind):
            if name.rsplit(".", 1)[-1] not in {"kind", "path"}:
                flat[name] = _said(value)
    return flat


def _flatten(value: Any, name: str) -> Iterable[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}")
    else:
        yield name, value


def _said(value: Any) -> str:
    return "–" if value is None else str(value)


# --- curves ---


def views(runs: RunsFolder, run_ids: Sequence[str]) -> list[dict[str, PhaseView]]:
    """By run: kind of phase -> its log, folded; the training and eliciting ones."""
    found: list[dict[str, PhaseView]] = []
    for run_id in run_ids:
        phases = run_status(runs, run_id).phases
        found.append({p.spec.kind: p.view for p in phases if p.spec.kind != "evaluate"})
    return found


# --- matrix and fractions ---


@dataclass(frozen=True, slots=True)
class Matrix:
    """``cells[trained on, evaluated on]``: the mean accuracy over seeds, and how many seeds."""

    trained: tuple[str, ...]
    evaluated: tuple[str, ...]
    cells: dict[tuple[str, str], tuple[float, int]]


def matrix(rows: Iterable[RunRow], prompt: str, in_family: bool | None = None) -> Matrix:
    """Trained-on x evaluated-on of these runs; ``in_family``: only those where that is so."""
    sums: dict[tuple[str, str], list[float]] = {}
    for row in rows:
        if in_family is not None and row.in_family is not in_family:
            continue
        trained = trained_as(row)
        for mark in row.marks:
            if (mark.prompt, mark.method, mark.split) == (prompt, "match", "test"):
                sums.setdefault((trained, mark.task), []).append(mark.accuracy)
    cells = {place: (sum(found) / len(found), len(found)) for place, found in sums.items()}
    trained_on = dict.fromkeys(place[0] for place in cells)
    evaluated_on = sorted({place[1] for place in cells})
    return Matrix(tuple(trained_on), tuple(evaluated_on), cells)


def trained_as(row: RunRow) -> str:
    """``both csqa``, ``instruct-only csqa 50%``, ``baseline``."""
    parts = [row.arm, row.task or ""]
    if row.refine_task and row.refine_task != row.task:
        parts.append(f"> {row.refine_task}")
    if row.fraction != 100:
        parts.append(f"{row.fraction}%")
    if row.rounds != 1:
        parts.append(f"{row.rounds} rounds")
    if row.curated:
        parts.append(f"curated -{row.curated}")
    return " ".join(part for part in parts if part)


def by_fraction(rows: Iterable[RunRow], prompt: str) -> dict[str, list[tuple[int, float]]]:
    """Arm (and teacher) -> accuracy on the own task at each fraction of the demonstrations."""
    sums: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        share = row.plain if prompt == "plain" else row.cot
        if share is not None and row.task is not None:
            name = f"{row.arm} <{row.teacher}" if row.teacher else row.arm
            if row.rounds != 1:
                name += f" {row.rounds} rounds"
            if row.curated:
                name += f" curated -{row.curated}"
            sums.setdefault(name, {}).setdefault(row.fraction, []).append(share)
    return {
        name: [(fraction, sum(v) / len(v)) for fraction, v in sorted(found.items())]
        for name, found in sums.items()
    }


# --- export ---


def table(compared: Compared) -> Table:
    """As on the screen: a line a task and prompt, a column a run, the difference in its cell."""
    headers = ("task", "prompt", *(row.name for row in compared.rows))
    lines = []
    for key, marks in compared.cells.items():
        differences = compared.differences.get(key, (None,) * len(marks))
        cells = (_cell(mark, d) for mark, d in zip(marks, differences, strict=True))
        lines.append((key[0], key[1], *cells))
    return Table(headers, tuple(lines))


def _cell(mark: Cellmark | None, difference: Difference | None) -> str:
    if mark is None:
        return "–"
    text = mark_text(mark)
    if difference is None:
        return text
    found = difference.found
    return (
        f"{text}; {found.difference:+.1f} [{found.low:+.1f}, {found.high:+.1f}], "
        f"p {difference.adjusted:.2g}"
    )


def export(compared: Compared, folder: Path) -> list[Path]:
    """The table as Markdown, LaTeX and CSV; ``UserError`` rather than overwriting anything."""
    made = table(compared)
    texts = {
        "comparison.md": made.markdown(),
        "comparison.tex": made.latex(),
        "comparison.csv": made.csv(),
    }
    return write_new(folder, texts)


def write_new(folder: Path, texts: dict[str, str]) -> list[Path]:
    """Write files that are not there yet; none when one of them is."""
    there = [folder / name for name in texts if (folder / name).exists()]
    if there:
        raise UserError(f"{there[0]}: is there already; give another folder or move it away")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text if text.endswith("\n") else f"{text}\n")
    return [folder / name for name in texts]
