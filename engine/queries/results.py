"""Tables of accuracy: one row a run, one column a task and prompt; and paired comparisons.

Every accuracy has its Wilson 95 % interval beside it; a difference has its own, and the exact
McNemar test on the same questions.
"""

from __future__ import annotations

import csv
import io
import re
from dataclasses import dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import TYPE_CHECKING

from engine.queries import latex
from engine.schema.records import Prediction
from engine.schema.tiers import shares_text, unclear
from engine.store.jsonlines import read_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from engine.schema.evaluation import Evaluation, Method
    from engine.schema.records import Verdict
    from engine.store.run import Cellmark, RunRow

ARM_ORDER = ("teacher", "baseline", "instruct-only", "refine-only", "both")
WHO = ("arm", "student", "teacher", "trained on", "seed")
NOTHING = "–"
FIGURE = re.compile(r"[+-]?\d[\d.,;+ ±%\[\]e-]*(n \d+)?$")
DRAWS = 9_999
AT_ONCE = 500  # questions left out of the bootstrap's jackknife: it bounds the memory


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


def mark_text(mark: Cellmark) -> str:
    """``87.2 [84.2, 89.7]``, in per cent."""
    return f"{100 * mark.accuracy:.1f} [{100 * mark.low:.1f}, {100 * mark.high:.1f}]"


def accuracy_table(rows: Iterable[RunRow]) -> Table:
    """Rows by arm, columns by task and prompt, cells in per cent with 95 % intervals."""
    ordered = sorted(rows, key=_row_order)
    columns = list(dict.fromkeys(m.evaluation for row in ordered for m in row.marks))
    columns.sort(key=lambda one: one.where)
    labels = _labels(ordered)
    body = []
    for row in ordered:
        cells = {m.evaluation: mark_text(m) for m in row.marks}
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
    ordered = sorted(rows, key=_row_order)
    labels = _labels(ordered)
    body = (
        (
            *labels[row.run_id],
            mark.evaluation.label,
            str(mark.total),
            mark_text(mark),
            *_behind(mark),
        )
        for row in ordered
        for mark in row.marks
    )
    return Table(headers, tuple(body))


def _behind(mark: Cellmark) -> tuple[str, ...]:
    shares = (mark.unparsed, mark.truncated, mark.with_steps)
    legacy = NOTHING if mark.legacy is None else f"{100 * mark.legacy:.1f}"
    return (
        *(f"{100 * share:.1f}" for share in shares),
        f"{mark.mean_tokens:.0f}",
        legacy,
        f"{100 * unclear(mark.tiers, mark.total):.1f}" if mark.tiers else NOTHING,
        shares_text(mark.tiers, mark.total) or NOTHING,
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
    task = row.task or NOTHING
    if row.refine_task and row.refine_task != row.task:
        task = f"{row.task} > {row.refine_task}"
    return f"{task}, curated -{row.curated}" if row.curated else task


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models' answers to the same questions.

    ``difference``: accuracy of ``b`` minus accuracy of ``a``, in points, with its paired 95 %
    interval. ``gained``, ``lost``: questions only b, only a gets right. ``p``: exact McNemar.
    """

    evaluation: Evaluation
    total: int
    accuracy_a: float
    accuracy_b: float
    difference: float
    low: float
    high: float
    gained: int
    lost: int
    p: float


def compare_right(
    evaluation: Evaluation, right_a: dict[str, bool], right_b: dict[str, bool]
) -> Comparison | None:
    """Question id -> right or not, of both; ``None`` when they share no question."""
    from engine.scoring.interval import mcnemar

    shared = sorted(right_a.keys() & right_b.keys())
    if not shared:
        return None
    total = len(shared)
    gained = sum(right_b[i] and not right_a[i] for i in shared)
    lost = sum(right_a[i] and not right_b[i] for i in shared)
    difference, low, high = paired_difference([right_b[i] - right_a[i] for i in shared])
    return Comparison(
        evaluation,
        total,
        sum(right_a[i] for i in shared) / total,
        sum(right_b[i] for i in shared) / total,
        100 * difference,
        100 * low,
        100 * high,
        gained,
        lost,
        mcnemar(gained, lost),
    )


def paired_difference(differences: Sequence[int]) -> tuple[float, float, float]:
    """Mean of per-question differences (1, 0, -1) with its bootstrap 95 % interval (scipy's BCa).

    Where few questions differ the bootstrap claims more than McNemar's exact test does (three
    that all gained: p = 0.25, yet without 0), so the interval is never narrower than the test's
    own. Questions that all turn out alike can't be resampled: there it is what the share of the
    others may be by Wilson's, whichever way they would fall.
    """
    from engine.scoring.interval import wilson

    total = len(differences)
    mean = sum(differences) / total
    if len(set(differences)) < 2:
        others = wilson(0, total)[1]
        return mean, mean - others * (1 + mean), mean + others * (1 - mean)
    gained, lost = sum(d > 0 for d in differences), sum(d < 0 for d in differences)
    drawn = _resampled(gained, lost, total)
    low, high = _exact_interval(gained, lost)
    return mean, min(drawn[0], low / total), max(drawn[1], high / total)


@lru_cache(maxsize=10_000)
def _resampled(gained: int, lost: int, total: int) -> tuple[float, float]:
    """Drawing questions with replacement is drawing multinomial counts of the three outcomes,
    in a fraction of the time; scipy makes the interval of the means."""
    import numpy as np
    from scipy.stats import bootstrap

    values, counts = [1, -1, 0], [gained, lost, total - gained - lost]
    drawn = np.random.default_rng(0).multinomial(total, np.divide(counts, total), size=DRAWS)
    means = SimpleNamespace(bootstrap_distribution=drawn @ values / total)
    sample = (np.repeat(values, counts),)
    found = bootstrap(sample, np.mean, n_resamples=0, bootstrap_result=means, batch=AT_ONCE)
    return float(found.confidence_interval.low), float(found.confidence_interval.high)


def _exact_interval(gained: int, lost: int) -> tuple[float, float]:
    """Of gained minus lost, given how many differ: Clopper and Pearson's, 0 in it when p > 0.05."""
    from scipy.stats import binomtest

    differ = gained + lost
    share = binomtest(gained, differ).proportion_ci(confidence_level=0.95, method="exact")
    return (2 * float(share.low) - 1) * differ, (2 * float(share.high) - 1) * differ


def right_answers(file: Path, method: Method = "match") -> dict[str, bool]:
    """Question -> right or not; with ``commit`` as the model committed itself."""
    return {p.id: _counted(p, method).correct for p in read_records(file, Prediction)}


def _counted(prediction: Prediction, method: Method) -> Verdict:
    committed = prediction.committed if method == "commit" else None
    return committed.verdict if committed else prediction.verdict
