"""The table of metrics against what recorded phases have measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.queries.runs import run_status
from engine.schema.metrics import DRAWN, METRICS, metrics_of
from tests.tui.conftest import recorded, run_of  # noqa: F401

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder


@pytest.mark.parametrize("kind", DRAWN)
def test_recorded_phases_measure_what_the_table_says(
    recorded: RunsFolder,  # noqa: F811
    kind: str,
) -> None:
    phases = run_status(recorded, run_of(recorded, "both", "wren-3m")).phases
    (seen,) = [set(phase.view.metrics) for phase in phases if phase.spec.kind == kind]
    for metric in metrics_of(kind):
        assert seen.intersection(metric.series), metric.name


def test_each_series_is_drawn_once_a_phase_and_what_is_reported_has_an_axis() -> None:
    for kind in DRAWN:
        names = [name for metric in metrics_of(kind) for name in metric.series]
        assert len(names) == len(set(names))
    for metric in METRICS:
        assert set(metric.phases) <= set(DRAWN)
        assert set(metric.reported) <= set(metric.series)
        assert metric.unit or not metric.reported
