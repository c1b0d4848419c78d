"""Filter runs by words, ``field:value`` and ``acc>80``; ``-`` before any of them negates it.

Accuracies are in per cent, ``acc`` that with the plain prompt; ``paid`` is in the run's currency.
Times have a unit: ``took>2h``, ``age<3d``. Settings are asked for by their full name or its end:
``refine.lr>1e-6``, ``beta=0.1``, ``schedule=cosine``. ``left-out``: runs that are left out of
tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from typing import TYPE_CHECKING, get_args

from engine.queries import filter_language, run_settings
from engine.schema.run_spec import Arm, FollowUp
from engine.store.phase_log import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.store.run_row import RunRow


def spent(row: RunRow) -> float | None:
    """What a run pays, in its own currency; None if it pays nothing."""
    return sum(one.spent for one in row.paid) if row.paid else None


FIELDS: dict[str, Callable[[RunRow], str]] = {
    "state": lambda r: r.state,
    "name": lambda r: r.name,
    "id": lambda r: r.run_id,
    "experiment": lambda r: r.experiment,
    "arm": lambda r: r.arm,
    "student": lambda r: r.student or "",
    "teacher": lambda r: r.teacher or "",
    "task": lambda r: f"{r.task or ''} {r.refine_task or ''}",
    "seed": lambda r: str(r.seed),
    "fraction": lambda r: str(r.fraction),
    "rounds": lambda r: str(r.rounds),
    "tag": lambda r: " ".join(r.tags),
    "note": lambda r: r.note,
    "family": lambda r: {True: "in", False: "out", None: ""}[r.in_family],
}
FIGURES: dict[str, Callable[[RunRow], float | None]] = {
    **dict.fromkeys(
        ("acc", "accuracy", "plain"), lambda r: None if r.plain is None else 100 * r.plain
    ),
    "cot": lambda r: None if r.cot is None else 100 * r.cot,
    **dict.fromkeys(("paid", "cost"), spent),
    "took": lambda r: r.seconds,
    "age": lambda r: (datetime.now(UTC) - r.created).total_seconds(),
    "minutes": lambda r: None if r.seconds is None else r.seconds / 60,
    "days": lambda r: (datetime.now(UTC) - r.created) / timedelta(days=1),
    "seed": lambda r: float(r.seed),
    "fraction": lambda r: float(r.fraction),
    "rounds": lambda r: float(r.rounds),
}
RUNS: filter_language.Language[RunRow] = filter_language.Language(
    FIELDS,
    FIGURES,
    searched=lambda row: (of(row) for of in FIELDS.values()),
    exact=frozenset({"seed", "fraction", "rounds", "family"}),
    values={
        "state": get_args(State),
        "arm": get_args(Arm) + get_args(FollowUp),
        "family": ("in", "out"),
    },
    times=frozenset({"took", "age"}),
    words={"left-out": lambda r: r.left_out},
)


class RunSettings:
    """The settings of the listed runs, as :class:`~engine.queries.filter_language.Settings`."""

    def __init__(self, rows: Sequence[RunRow]) -> None:
        self._rows = rows

    @cached_property
    def _known(self) -> tuple[str, ...]:
        return run_settings.names_of(self._rows)

    @property
    def names(self) -> list[str]:
        return run_settings.words_for(self._known)

    def find(self, name: str) -> Callable[[RunRow], Sequence[object]] | None:
        meant = run_settings.meant(name, self._known)
        return partial(run_settings.values_of, names=meant) if meant else None

    def texts(self, name: str) -> set[str]:
        meant = run_settings.meant(name, self._known)
        found = {value for row in self._rows for value in run_settings.values_of(row, meant)}
        return {
            "none" if value is None else str(value)
            for value in found
            if value is None or isinstance(value, str | bool)
        }


ALL: filter_language.Filter[RunRow] = filter_language.Filter()


def parse(text: str, rows: Sequence[RunRow]) -> filter_language.Filter[RunRow]:
    """Parse a filter of these rows; all words must hold, and a word without a field is looked for
    in all."""
    return replace(RUNS, settings=RunSettings(rows)).parse(text)


def apply(rows: Iterable[RunRow], chosen: filter_language.Filter[RunRow]) -> list[RunRow]:
    return [row for row in rows if chosen(row)]
