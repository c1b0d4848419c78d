"""Tables of accuracies, in per cent with 95 % intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.queries.run_settings import kept_apart
from engine.queries.study import ARM_ORDER, condition_of
from engine.schema.accuracy import NOTHING, SIGNIFICANT
from engine.schema.tiers import shares_text, unclear
from engine.schema.varied import order_of, value_text
from engine.tables.table import Column, Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from engine.queries.comparison import Compared
    from engine.schema.accuracy import Accuracy, Comparison
    from engine.store.run_row import RunRow
    from engine.tables.table import Cell

WHO = ("arm", "student", "teacher", "trained on", "seed")
STYLES = ("plain", "cot")  # they come first
MINE = " ◂"


def by_run(rows: Iterable[RunRow]) -> Table:
    """Make a table with a row per run, ordered by arm, and a column per evaluation and per setting
    that is swept or differs between runs of the same condition."""
    ordered = _in_order(kept_apart(rows, condition_of))
    keys = list(dict.fromkeys(key for row in ordered for key, _ in row.varied))
    columns = list(dict.fromkeys(a.evaluation for row in ordered for a in row.accuracies))
    columns.sort(key=lambda one: one.where)
    body: list[tuple[Cell, ...]] = []
    for row in ordered:
        found = {one.evaluation: one for one in row.accuracies}
        varied = {key: value_text(value) for key, value in row.varied}
        settings = (varied.get(key, NOTHING) for key in keys)
        body.append((*who(row), *settings, *(found.get(one) for one in columns)))
    return Table((*WHO, *keys, *(one.label for one in columns)), tuple(body))


def details(rows: Iterable[RunRow]) -> Table:
    """Make a table of the figures behind each accuracy, a row each."""
    headers = (
        *WHO, "evaluated on",
        "n", "right [95 %]", "unparsed", "cut off", "with steps", "tokens", "legacy matcher",
        "unclear", "found by rule",
    )  # fmt: skip
    body: tuple[tuple[Cell, ...], ...] = tuple(
        (*who(row), one.evaluation.label, str(one.total), one, *_behind(one))
        for row in _in_order(rows)
        for one in row.accuracies
    )
    note = (
        "What stands behind each accuracy, a line a run's evaluation; shares in per cent. Unclear: "
        "answers in which no rule for a clear statement found one; the weaker rules beside it are "
        "right less often."
    )
    return Table(headers, body, "details", "Behind each accuracy", note)


def _behind(one: Accuracy) -> tuple[str, ...]:
    shares = (one.unparsed, one.truncated, one.with_steps)
    legacy = NOTHING if one.legacy is None else f"{100 * one.legacy:.1f}"
    return (
        *(f"{100 * share:.1f}" for share in shares),
        f"{one.mean_tokens:.0f}" if one.mean_tokens else NOTHING,
        legacy,
        f"{100 * unclear(one.tiers, one.total):.1f}" if one.tiers else NOTHING,
        shares_text(one.tiers, one.total) or NOTHING,
    )


def of_siblings(rows: Sequence[RunRow], mine: str) -> Table:
    """Make a table by task and arm, with a column per prompt style; the own run is marked."""
    found = {
        (one.evaluation.where, row.arm, one.evaluation.style): one
        for row in rows
        if row.is_cell
        for one in row.accuracies
    }
    styles = sorted(
        {style for _, _, style in found}, key=lambda s: (s not in STYLES, s == "cot", s)
    )
    body: list[tuple[Cell, ...]] = []
    for task in sorted({key[0] for key in found}):
        arms = [row for row in rows if any(key[:2] == (task, row.arm) for key in found)]
        for number, row in enumerate(arms):
            name = row.arm + (MINE if row.run_id == mine else "")
            cells = (found.get((task, row.arm, style)) for style in styles)
            body.append(("" if number else task, name, *cells))
    return Table(("task", "arm", *styles), tuple(body))


OF_MODEL: tuple[Column[Accuracy], ...] = (
    ("task", lambda one: one.evaluation.task),
    ("prompt", lambda one: one.evaluation.style),
    ("split", lambda one: one.evaluation.split),
    ("right, % [Wilson 95 %]", lambda one: one),
    ("n", lambda one: str(one.total)),
    ("unparsed, %", lambda one: f"{100 * one.unparsed:.1f}"),
)


def of_model(found: Iterable[Accuracy]) -> Table:
    """Make a table with a row per accuracy."""
    return Table.of(found, OF_MODEL)


@dataclass(frozen=True, slots=True)
class Tested:
    """A run's accuracy, and its comparison with the reference's. ``asked``: how many questions the
    reference's score is of."""

    accuracy: Accuracy
    comparison: Comparison | None
    asked: int

    @property
    def partly(self) -> str:
        """``on 24: `` where the difference is of fewer answers than the scores beside it."""
        most = max(self.asked, self.accuracy.total)
        if self.comparison is None or self.comparison.total == most:
            return ""
        return f"on {self.comparison.total}: "

    @property
    def text(self) -> str:
        """Text such as ``87.2 [84.2, 89.7]; +5.1 [+1.0, +9.0], p 0.01, n 600``."""
        if (found := self.comparison) is None:
            return self.accuracy.text
        difference = f"{found.difference.text}, p {found.adjusted:.2g}, n {found.total}"
        return f"{self.accuracy.text}; {self.partly}{difference}"


def compared(found: Compared, names: Sequence[str]) -> Table:
    """Make a table with a row per evaluation and a column per run, with differences."""
    body = []
    for evaluation, accuracies in found.cells.items():
        differences = found.differences.get(evaluation, (None,) * len(accuracies))
        reference = accuracies[found.reference]
        asked = reference.total if reference else 0
        both = zip(accuracies, differences, strict=True)
        cells = (one and Tested(one, difference, asked) for one, difference in both)
        body.append((evaluation.where, evaluation.style, *cells))
    return Table(("task", "prompt", *names), tuple(body), "accuracies")


def remarks(found: Compared, names: Sequence[str]) -> Iterator[str]:
    """Say in words what the tests of :func:`compared` amount to, what ``*`` means, and why a
    difference is of fewer answers than the scores."""
    tests = [
        (one, cell)
        for evaluation, cells in found.differences.items()
        for one, cell in zip(cells, found.cells[evaluation], strict=True)
        if one is not None and cell is not None
    ]
    if not tests:
        return
    sure = sum(one.adjusted < SIGNIFICANT for one, _ in tests)
    which = f"{sure or 'none'} of {len(tests)} differences" if tests[1:] else "the difference"
    verb = "are" if sure > 1 else "is not" if not (sure or tests[1:]) else "is"
    mark = "*: " if sure else ""
    yield f"{mark}{which} {verb} significant after Holm's correction (p < {SIGNIFICANT:g})"
    yield from _unpaired(found, names)


def _unpaired(found: Compared, names: Sequence[str]) -> Iterator[str]:
    """Say why not all answers can be paired, as ``B: only 24 of 600 … (A kept 24, B kept 24)``."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for evaluation, cells in found.differences.items():
        accuracies = found.cells[evaluation]
        for name, one, mine in zip(names, cells, accuracies, strict=True):
            base = accuracies[found.reference]
            if one is None or mine is None or base is None:
                continue
            if one.total < max(base.total, mine.total):
                key = (one.total, base.total, mine.total, *one.kept)
                alike.setdefault(key, []).append(name)
    for (total, *asked, kept_a, kept_b), same in alike.items():
        those = list(dict.fromkeys(same))
        two = (names[found.reference], "they" if those[1:] else those[0])
        counts = zip(two, (kept_a, kept_b), asked, strict=True)
        why = [
            f"{name} kept {kept}" if kept < of else f"{name} answered {of}"
            for name, kept, of in counts
            if min(kept, of) < max(asked)
        ]
        because = ", ".join(why) or "the others are to different questions"
        yield f"{', '.join(those)}: only {total} of {max(asked)} answers can be paired ({because})"


def who(row: RunRow) -> tuple[str, ...]:
    """Return a run's cells under the headers :data:`WHO`."""
    teacher = row.teacher or NOTHING
    if row.teacher is not None and row.in_family is not None:
        teacher = f"{row.teacher} ({'in' if row.in_family else 'out'}-family)"
    return (arm_text(row), row.student or NOTHING, teacher, trained_on(row), str(row.seed))


def _in_order(rows: Iterable[RunRow]) -> list[RunRow]:
    return sorted((row for row in rows if row.is_cell), key=_row_order)


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
        [(key, order_of(value)) for key, value in row.varied],
        row.seed,
    )


def arm_text(row: RunRow) -> str:
    """Name a run's arm, as ``both``, ``both 25%`` or ``both 2 rounds``."""
    parts = [row.arm, f"{row.fraction}%" if row.fraction != 100 else ""]
    parts.append(f"{row.rounds} rounds" if row.rounds != 1 else "")
    return " ".join(part for part in parts if part)


def trained_on(row: RunRow) -> str:
    """Name the task (``A > B`` for cross-task runs), and how many pairs were left out by hand."""
    task = row.trained_on or NOTHING
    return f"{task}, {row.curated} left out" if row.curated else task
