"""Figures of phases that were gone on with, by a next attempt or in a cluster's next allocation."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from engine import catalog
from engine.cli.status import print_run
from engine.interfaces import Devices
from engine.machine.devices import ResourceMonitor
from engine.planning.history import history, likeness
from engine.queries.comparison import Logs, rows_of
from engine.queries.effort import effort_of
from engine.queries.evaluations import finished
from engine.queries.following import RunFollower
from engine.queries.pace import pace_of
from engine.queries.rows import look_at
from engine.queries.runs import run_status, view_of
from engine.scheduling.runner import run_attempt
from engine.schema import events as ev
from engine.schema.allocation import Allocation
from engine.schema.cards import ImportedAnswers, ModelCard, TaskSource
from engine.schema.settings import AnnotateSettings
from engine.schema.specs import AnnotateSpec, TaskRef
from engine.store.eventlog import EventWriter, readings
from engine.store.layout import RunsFolder
from engine.store.phase_log import fold_all
from engine.store.run import read_run
from engine.store.spans import seconds_before, work_of
from engine.store.spending import spending
from engine.tables import comparisons
from sirt_tui.panels.memory import highest, memory_of
from tests.contract.test_spending import spec_of
from tests.tui.conftest import measured, run_of  # noqa: F401

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import AttemptDir, PhaseDir
    from engine.store.phase_log import PhaseView

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def begun() -> ev.PhaseStarted:
    return ev.PhaseStarted(phase="p", attempt=1, host="n1", pid=1, devices=("cpu",))


def count(done: int, total: int = 600, unit: str = "questions") -> ev.Progress:
    return ev.Progress(done=done, total=total, unit=unit)


def paid(requests: int, spent: float) -> ev.Cost:
    return ev.Cost(
        requests=requests, prompt_tokens=1, completion_tokens=1, spent=spent, currency="USD"
    )


def ended(outcome: str = "done") -> ev.PhaseFinished:
    return ev.PhaseFinished(outcome=outcome)


def write(attempt: AttemptDir, *told: tuple[float, ev.Event]) -> AttemptDir:
    """Go on with an attempt's log: so many seconds after noon, so it said."""
    with EventWriter(attempt.events, attempt.alive) as writer:
        for seconds, event in told:
            writer.emit(event.model_copy(update={"ts": NOON + timedelta(seconds=seconds)}))
    return attempt


def folded(*told: tuple[float, ev.Event]) -> PhaseView:
    dated = (event.model_copy(update={"ts": NOON + timedelta(seconds=s)}) for s, event in told)
    return fold_all(event.model_copy(update={"seq": n}) for n, event in enumerate(dated))


def emptied(phase: PhaseDir) -> PhaseDir:
    """A phase without its attempts."""
    for attempt in phase.attempts():
        shutil.rmtree(attempt.path)
    return phase


def test_what_1000_questions_took_and_cost_is_of_all_attempts_and_of_questions_alone(
    measured: RunsFolder,  # noqa: F811
) -> None:
    """Conclusions of unclear answers are counted anew, from 0."""
    one = next(iter(finished(measured, run_of(measured, "teacher", "served")).values()))
    emptied(one.folder)
    first = [(0.0, begun()), (1, count(0)), (1, paid(0, 0.0)), (4001, count(400)), (4002, begun())]
    write(one.folder.new_attempt(), *first, (9_000, count(400)), (9_500, count(450)))
    conclusions = [(n, count(n - 30_000, 5, "conclusions")) for n in range(30_000, 30_006)]
    write(
        one.folder.new_attempt(),
        *((20_000, begun()), (20_010, count(450)), (20_010, paid(450, 4.5))),
        *((21_510, count(600)), (21_510, paid(600, 6.0)), *conclusions),
        *((30_005, paid(605, 6.05)), (30_006, ended())),
    )
    found = effort_of(measured, one)
    assert found is not None
    assert found.seconds == pytest.approx(10_000)  # 4,000 s, 500 s and 1,500 s, of 600 questions
    assert found.cost == pytest.approx(1000 * 6.05 / 600)


def test_the_time_left_counts_no_time_in_a_clusters_queue() -> None:
    """10 questions a second before it and after it, and an hour between."""
    told = [(0.0, begun()), (0.0, count(0)), (10.0, count(100)), (3_610.0, begun())]
    view = folded(*told, (3_610.0, count(100)), (3_620.0, count(200)))
    assert view.rate == 10
    assert view.seconds_left == 40
    log = [ev.encode(e.model_copy(update={"ts": NOON + timedelta(seconds=s)})) for s, e in told]
    before = pace_of(log[:3], None)
    more = [(3_610.0, count(100)), (3_620.0, count(200))]
    log += [ev.encode(e.model_copy(update={"ts": NOON + timedelta(seconds=s)})) for s, e in more]
    for known in (before, None):
        pace = pace_of(log, known)
        assert pace is not None
        assert pace.ends == NOON + timedelta(seconds=3_660)
        assert pace_of(log[4:], pace) == pace  # its beginning is not among the last lines


def test_the_cost_at_the_end_is_not_forecast_from_other_things_than_are_left() -> None:
    """600 answers have cost 4 USD, and the first of 5 conclusions 0.01."""
    asked = [(0.0, begun()), (1.0, count(0)), (1.0, paid(0, 0.0))]
    asked += [(600.0, count(600)), (600.0, paid(600, 4.0))]
    more = [(700.0, count(0, 5, "conclusions")), (700.0, paid(600, 4.0))]
    more += [(701.0, count(1, 5, "conclusions")), (701.0, paid(601, 4.01))]
    found = spending(spec_of(), folded(*asked, *more))
    assert found is not None
    assert found.at_end == pytest.approx(4.05)


def reading(rss: float, used: float) -> ev.Resource:
    return ev.Resource(rss=rss, cpu=1.0, gpus=({"index": 0.0, "used": used},))


def test_peaks_of_memory_are_of_all_attempts_and_of_hours_that_are_drawn_no_more(
    measured: RunsFolder,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("engine.store.phase_log.RESOURCES_KEPT", 2)
    phase = emptied(next(measured.phase_dirs()))
    write(phase.new_attempt(), (0, begun()), (1, reading(4096, 7168)), (2, ended("failed")))
    low = [(10 + n, reading(1024, 512)) for n in range(9)]
    write(phase.new_attempt(), (9, begun()), (9, reading(5120, 2048)), *low)
    view = view_of(phase)
    assert max(one.rss for one in view.resources) == 1024
    assert [one.y for one in memory_of(highest(view))] == [[5], [7]]
    monitor = ResourceMonitor(lambda _event: None, Devices(), before=readings(phase))
    assert monitor.peaks == {"memory_gib": 5, "card_memory_gib": 7}


def test_what_was_paid_is_said_though_the_next_attempt_has_asked_nothing(
    measured: RunsFolder,  # noqa: F811
) -> None:
    one = next(iter(finished(measured, run_of(measured, "teacher", "served")).values()))
    phase = emptied(one.folder)
    write(phase.new_attempt(), (0, begun()), (1, count(0)), (9, paid(5, 4.0)), (9, ended("failed")))
    write(phase.new_attempt(), (20, begun()), (21, ended("failed")))
    assert look_at(phase).paid is not None
    for told in (look_at(phase).paid, spending(one.spec, view_of(phase))):
        assert told is not None
        assert told.paid.text == "4.00 USD"


def loss(step: int, value: float) -> ev.Metric:
    return ev.Metric(step=step, epoch=step / 10, values={"loss": value})


@pytest.fixture
def resumed(measured: RunsFolder) -> tuple[RunsFolder, str, PhaseDir]:  # noqa: F811
    """A run whose training was killed at step 5, went on from step 3 an hour later, and was then
    requeued by a cluster for another hour."""
    run_id = run_of(measured, "instruct-only", "wren-3m")
    spec = next(p for p in read_run(measured, run_id).spec.phases if p.kind == "instruct")
    phase = emptied(measured.phase(spec.id))
    first = [(n, loss(n, 9 - n)) for n in range(1, 6)]
    write(phase.new_attempt(), (0, begun()), *first)
    second, job = phase.new_attempt(), Allocation(job="26", node="n1")
    write(
        second,
        (3_600, begun()),
        (3_600, job),
        *((3_600 + n, loss(3 + n, 6 - n)) for n in range(1, 4)),
    )
    write(second, (7_200, begun()), (7_201, loss(7, 2.5)), (7_202, ended()))
    return measured, run_id, phase


CURVE = [(1, 8), (2, 7), (3, 6), (4, 5), (5, 4), (6, 3), (7, 2.5)]
WORKED = 5 + 3 + 2


def test_a_curve_is_of_all_attempts_and_a_step_stands_in_it_once(
    resumed: tuple[RunsFolder, str, PhaseDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, run_id, phase = resumed
    assert list(view_of(phase).metrics["loss"]) == CURVE
    views, rows = Logs(runs, [run_id]).read(), rows_of(runs, [run_id])
    (line,) = comparisons.curve_ends(views, rows, "instruct", "loss").rows
    assert line[1:] == ("7", "8", "2.5", "8", "2.5")
    worked = {one.step: one.worked for one in view_of(phase).moments}
    assert worked == {1: 1, 2: 2, 3: 3, 4: 6, 5: 7, 6: 8, 7: 9}
    monkeypatch.setattr("engine.queries.following.END_BYTES", 10)
    follower = RunFollower(runs, run_id)
    found = follower.advance()
    assert found is not None
    assert any(one.reading for one in found.phases)
    whole = follower.advance_to_the_end()
    assert whole is not None
    assert list(next(p for p in whole.phases if p.id == phase.id).view.metrics["loss"]) == CURVE


def test_what_a_phase_took_is_of_all_attempts_and_no_time_in_a_queue(
    resumed: tuple[RunsFolder, str, PhaseDir], capsys: pytest.CaptureFixture[str]
) -> None:
    runs, run_id, phase = resumed
    assert view_of(phase).took() == WORKED
    status = run_status(runs, run_id)
    print_run(runs, status)
    (line,) = (one for one in capsys.readouterr().out.splitlines() if " instruct " in one)
    assert f"{WORKED} s" in line
    assert look_at(phase).took == WORKED
    assert seconds_before(phase, phase.next_attempt()) == WORKED  # for the manifest of the next
    last = phase.attempts()[-1]
    known = work_of(last)
    write(last, (10_800, begun()), (10_801, loss(8, 2)))
    assert work_of(last, known) == work_of(last)
    assert look_at(phase).took == WORKED + 1


def test_a_phase_that_took_its_answers_from_another_does_not_say_how_long_they_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signal.signal", lambda *_: None)
    task = TaskRef(name="pocket-boxes", source=TaskSource())
    items = catalog.task(task.name).load(task.source, "train")
    file = tmp_path / "ready.jsonl"
    ready = ({"id": item.id, "output": f"It is {item.target}."} for item in items)
    file.write_text("".join(f"{json.dumps(row)}\n" for row in ready))
    source = ImportedAnswers(kind="imported", path=str(file))
    teacher, runs = ModelCard(name="t", family="t", source=source), RunsFolder(tmp_path / "runs")
    figures = []
    for keep in ("correct", "all"):
        settings = AnnotateSettings(limit=30, keep=keep)
        spec = AnnotateSpec(teacher=teacher, task=task, settings=settings)
        runs.phase(spec.id).create(spec)
        run_attempt(runs.phase(spec.id), runs.phase(spec.id).new_attempt(), Devices())
        figures.append(runs.phase(spec.id).manifest()["figures"])
    assert [one.get("taken") for one in figures] == [None, 30]
    assert [one.seconds for one in history(runs)[likeness(spec)]].count(None) == 1
