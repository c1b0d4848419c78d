"""Tables of accuracy: one row a run, one column a task and prompt."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.queries import latex
from engine.queries.study import ARM_ORDER
from engine.schema.accuracy import NOTHING
from engine.schema.tiers import shares_text, unclear

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.schema.accuracy import Accuracy
    from engine.store.run_row import RunRow

WHO = ("arm", "student", "teacher", "trained on", "seed")
FIGURE = re.compile(r"[+-]?\d[\d.,;+ ±%\[\]e-]*(n \d+)?$")


@dataclass(frozen=True, slots=True)
class Table:
    """Plain text cells; how they are drawn is the reader's business."""

    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        lines = [self.headers, tuple("---" for _ in self.headers), *self.rows]
        return "\n".join("| " + " | ".join(_escaped(c) for c in row) + " |" for row in lines)

    def latex(self, about: str = "") -> str:
        """A table with booktabs' rules; ``about``: what its caption may say."""
        return latex.tabular(self.headers, self.rows, self.numeric, about)

    @property
    def numeric(self) -> tuple[bool, ...]:
        """Whether a column holds nothing but figures, with or without an interval."""
        columns = zip(*self.rows, strict=True) if self.rows else ((),) * len(self.headers)
        return tuple(
            any(cell != NOTHING for cell in column)
            and all(cell == NOTHING or FIGURE.match(cell) for cell in column)
            for column in columns
        )

    def csv(self) -> str:
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([self.headers, *self.rows])
        return out.getvalue()


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|")


def accuracy_table(rows: Iterable[RunRow]) -> Table:
    """Rows by arm, columns by task and prompt, cells in per cent with 95 % intervals."""
    ordered = sorted((row for row in rows if row.is_cell), key=_row_order)
    columns = list(dict.fromkeys(a.evaluation for row in ordered for a in row.accuracies))
    columns.sort(key=lambda one: one.where)
    labels = _labels(ordered)
    body = []
    for row in ordered:
        cells = {one.evaluation: one.text for one in row.accuracies}
        body.append((*labels[row.run_id], *(cells.get(c, NOTHING) for c in columns)))
    return Table((*WHO, *(one.label for one in columns)), tuple(body))


def details_table(rows: Iterable[RunRow]) -> Table:
    """One line a score: what stands behind it. Shares in per cent; ``unclear``: of answers that
    state nothing clearly, so that the rules named beside it had to conclude."""
    headers = (
        *WHO, "evaluated on",
        "n", "right [95 %]", "unparsed", "cut off", "with steps", "tokens", "legacy matcher",
        "unclear", "read by",
    )  # fmt: skip
    ordered = sorted((row for row in rows if row.is_cell), key=_row_order)
    labels = _labels(ordered)
    body = (
        (
            *labels[row.run_id],
            one.evaluation.label,
            str(one.total),
            one.text,
            *_behind(one),
        )
        for row in ordered
        for one in row.accuracies
    )
    return Table(headers, tuple(body))


def _behind(one: Accuracy) -> tuple[str, ...]:
    shares = (one.unparsed, one.truncated, one.with_steps)
    legacy = NOTHING if one.legacy is None else f"{100 * one.legacy:.1f}"
    return (
        *(f"{100 * share:.1f}" for share in shares),
        f"{one.mean_tokens:.0f}",
        legacy,
        f"{100 * unclear(one.tiers, one.total):.1f}" if one.tiers else NOTHING,
        shares_text(one.tiers, one.total) or NOTHING,
    )


def _row_order(row: RunRow) -> tuple[object, ...]:
    return (
        ARM_ORDER.index(row.arm),
        row.student or "",
        not row.in_family,
        row.teacher or "",
        row.task or "",
        row.refine_task or "",
        -row.fraction,
        row.rounds,
        row.seed,
    )


def _labels(rows: Sequence[RunRow]) -> dict[str, tuple[str, ...]]:
    return {
        row.run_id: (
            arm_text(row),
            row.student or NOTHING,
            _teacher_text(row),
            trained_on(row),
            str(row.seed),
        )
        for row in rows
    }


def arm_text(row: RunRow) -> str:
    """``both``, ``both 25%``, ``both 2 rounds``."""
    parts = [row.arm, f"{row.fraction}%" if row.fraction != 100 else ""]
    parts.append(f"{row.rounds} rounds" if row.rounds != 1 else "")
    return " ".join(part for part in parts if part)


def _teacher_text(row: RunRow) -> str:
    if row.teacher is None or row.in_family is None:
        return row.teacher or NOTHING
    return f"{row.teacher} ({'in' if row.in_family else 'out'}-family)"


def trained_on(row: RunRow) -> str:
    """``A`` or, for cross-task runs, ``A > B``; and how many pairs a person has left out."""
    task = row.trained_on or NOTHING
    return f"{task}, curated -{row.curated}" if row.curated else task
