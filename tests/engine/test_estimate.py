from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from engine.cli.experiments import print_plan
from engine.commands.experiments import plan_experiment
from engine.machine.state import PhaseState
from engine.planning.estimate import Estimate, amounts_of, estimate, expectations
from engine.planning.graph import make_plan
from engine.planning.history import history
from engine.planning.needs import Needs
from engine.planning.plan import Plan
from engine.planning.remaining import awaited
from engine.queries.pace import Count, Forecast, Pace
from engine.queries.rows import WAITING, Look
from engine.schema.cards import Endpoint, LocalWeights, ModelCard
from engine.schema.durations import duration
from engine.schema.events import PhaseStarted, Progress
from engine.schema.settings import AnnotateSettings
from engine.schema.site import Asked, seconds_of
from engine.schema.specs import AnnotateSpec, EvaluateSpec, TaskRef
from engine.store.eventlog import EventWriter
from engine.store.layout import REPLIES, RunsFolder
from engine.store.writing import write_json
from tests.engine.test_plan import resolved
from tests.report import made_up

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import PhaseDir


def plan(**changes: object) -> Plan:
    return make_plan(resolved(arms=("both",), teachers=("t1",), students=("s1",)), lambda _: False)


def finish(runs: RunsFolder, whole: Plan, kind: str, seconds: float) -> None:
    for spec in whole.phases:
        if spec.kind == kind:
            folder = runs.phase(spec.id)
            folder.create(spec)
            (folder.work / "staging").mkdir(parents=True)
            folder.publish(folder.work / "staging", {"seconds": seconds})


def test_finished_phases_are_the_best_witness(tmp_path: Path) -> None:
    runs = RunsFolder(tmp_path)
    whole = plan()
    before = estimate(whole, runs, on_gpu=False)
    assert before.from_history == 0
    assert before.unknown == len(whole.phases)  # these cards don't say how large they are
    finish(runs, whole, "annotate", 100.0)
    after = estimate(whole, runs, on_gpu=False)
    assert after.from_history == 1
    assert after.seconds == pytest.approx(100.0)


def finished_on(runs: RunsFolder, parameters: float, threads: int) -> PhaseDir:
    """An evaluation that took 100 seconds on so many threads of the CPU."""
    name = f"m-{parameters:.0f}"
    weights = LocalWeights(path=f"/{name}", revision=name)
    model = ModelCard(name=name, family="f", source=weights, parameters=parameters)
    spec = EvaluateSpec(model=model, task=TaskRef(name="gsm8k"), prompt="cot")
    folder = runs.phase(spec.id)
    folder.create(spec)
    write_json(folder.new_attempt().process, {"devices": {"gpus": [], "threads": threads}})
    (folder.work / "staging").mkdir(parents=True)
    folder.publish(folder.work / "staging", {"seconds": 100.0})
    return folder


@pytest.mark.parametrize(
    ("parameters", "threads", "seconds"),
    [(5e8, 1, 25.0), (5e8, 4, 100.0), (3e6, 1, 100.0)],
)
def test_what_ran_beside_others_would_have_taken_less_alone(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    parameters: float,
    threads: int,
    seconds: float,
) -> None:
    """A real model's phase has all cores when it is alone, one of a pocket model one."""
    monkeypatch.setattr("engine.planning.memory.cores", lambda: 4)
    runs = RunsFolder(tmp_path)
    spec = finished_on(runs, parameters, threads).spec()
    found = expectations([spec], runs, on_gpu=False, past=history(runs))
    assert found[spec.id].seconds == pytest.approx(seconds)
    (rest,) = awaited(runs, [spec.id], [spec.id]).values()
    assert rest == (seconds, parameters == 5e8)


def test_several_gpus_count_as_several_and_another_kind_of_device_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A phase of another machine may have come with its manifest."""
    runs = RunsFolder(tmp_path)
    folder = finished_on(runs, 5e8, 1)
    spec = folder.spec()
    two = PhaseStarted(phase=spec.id, attempt=1, host="h", pid=1, devices=("cuda:0", "cuda:1"))
    attempt = folder.attempts()[-1]
    write_json(attempt.process, {"devices": {"gpus": [0, 1], "threads": 1}})
    with EventWriter(attempt.events, attempt.alive) as writer:
        writer.emit(two)
    past = history(runs)
    assert expectations([spec], runs, True, past)[spec.id] == (200.0, "history")
    assert expectations([spec], runs, False, past)[spec.id].basis == "rough"
    monkeypatch.setattr("engine.machine.devices.gpus", lambda: ("a", "b"))
    assert awaited(runs, [spec.id], [spec.id])[spec.id].seconds == 100.0  # on both again
    monkeypatch.setattr("engine.planning.needs.LEAST_S", 300.0)
    (job,) = Needs(runs).asked([spec], lambda _spec: Asked("1-00:00:00", "", 2, 1))
    assert 300 <= seconds_of(job.time) < 600  # three times as long as on two, not as on one


def test_phases_that_share_all_cores_are_not_done_earlier_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.planning.memory.cores", lambda: 4)
    runs = RunsFolder(tmp_path)
    phases = tuple(finished_on(runs, size, 1).id for size in (1e6, 2e6, 3e6, 5e8))
    at = datetime.now(UTC)
    pace = Pace(Count(0, 2, "questions", at), Count(2, 2, "questions", at))
    at_work = [Look(PhaseState("running"), pace=pace)] * 2
    row = made_up.row("both", {}, state="running", phase_ids=phases)
    (told,) = Forecast(runs).told([row], {row.run_id: [*at_work, WAITING, WAITING]})
    assert told.ends == at + timedelta(seconds=25 + 100 / 2)


def test_less_work_than_was_measured_takes_less_and_is_no_guess(tmp_path: Path) -> None:
    """However slow the machine was: a guess by the model's size would be a hundredth of it."""
    runs = RunsFolder(tmp_path)

    def planned(**settings: object) -> Plan:
        cell = resolved(
            arms=("both",), teachers=("t1",), students=("s1",), settings={"refine": settings}
        )
        return make_plan(cell, lambda phase_id: runs.phase(phase_id).done)

    whole = planned(max_steps=100)
    for kind in ("annotate", "instruct", "elicit", "refine", "evaluate"):
        finish(runs, whole, kind, 3600.0)
    assert estimate(whole, runs, on_gpu=False).seconds == 3600.0 * len(whole.phases)
    less, more = (estimate(planned(max_steps=n), runs, on_gpu=False) for n in (50, 200))
    to_do = 1 + sum(spec.kind == "evaluate" and spec.adapter is not None for spec in whole.phases)
    assert less.rough == less.unknown == more.rough == more.unknown == 0
    assert less.seconds < more.seconds
    assert less.seconds < 3600.0 * to_do


def test_a_damaged_manifest_is_no_witness(tmp_path: Path) -> None:
    runs = RunsFolder(tmp_path)
    whole = plan()
    finish(runs, whole, "annotate", 100.0)
    for folder in runs.phase_dirs():
        folder.manifest_file.write_text("{oops")
    assert estimate(whole, runs, on_gpu=False).from_history == 0


def test_money_grows_with_questions_and_prices(tmp_path: Path) -> None:
    def estimated(limit: int, price: float) -> Estimate:
        source = Endpoint(
            kind="openai_compatible",
            base_url="http://u",
            model="m",
            price_in=price,
            price_out=price,
        )
        found = resolved(
            arms=("both",), teachers=("t1",), students=("s1",),
            settings={"annotate": AnnotateSettings(limit=limit)},
        )  # fmt: skip
        found.cards["t1"] = found.cards["t1"].model_copy(update={"source": source})
        whole = make_plan(found, lambda _: False)
        return estimate(whole, RunsFolder(tmp_path), on_gpu=False)

    def money(limit: int, price: float) -> float:
        return estimated(limit, price).money["USD"]

    told = estimated(100, 0.0)
    assert (told.money, told.costs) == ({}, "unknown of t1: its card has no price")
    assert estimated(100, 1e6).costs == f"about {money(100, 1e6):.2f} USD"
    assert money(200, 1.0) == pytest.approx(2 * money(100, 1.0))
    assert money(100, 3.0) == pytest.approx(3 * money(100, 1.0))


def test_what_is_answered_already_is_neither_waited_nor_paid_for_again(tmp_path: Path) -> None:
    """By an attempt that was stopped, and by a phase that differs in what it keeps."""
    runs = RunsFolder(tmp_path)
    source = Endpoint(
        kind="openai_compatible", base_url="http://u", model="m", price_in=1.0, price_out=1.0
    )
    teacher = ModelCard(name="t", family="f", source=source)

    def annotate(keep: str, limit: int = 100) -> AnnotateSpec:
        settings = AnnotateSettings(limit=limit, keep=keep)
        return AnnotateSpec(teacher=teacher, task=TaskRef(name="pocket-sums"), settings=settings)

    def of(*specs: AnnotateSpec) -> tuple[float, float]:
        found = estimate(Plan((), specs, frozenset()), runs, on_gpu=False)
        return found.seconds - 5.0 * len(specs), found.money["USD"]

    strict, lenient = annotate("correct"), annotate("all")
    whole = of(strict)
    assert min(whole) > 0
    assert of(strict, lenient) == pytest.approx(whole)
    assert of(strict, annotate("all", 50)) == pytest.approx((1.5 * whole[0], 1.5 * whole[1]))
    stopped = runs.phase(strict.id)
    stopped.create(strict)
    attempt = stopped.new_attempt()
    with EventWriter(attempt.events, attempt.alive) as writer:
        writer.emit(Progress(done=75, total=100, unit="questions"))
    (stopped.work).mkdir()
    (stopped.work / REPLIES).touch()
    for asked in (strict, lenient):
        assert of(asked) == pytest.approx((whole[0] / 4, whole[1] / 4))
    assert awaited(runs, [strict.id], [])[strict.id].seconds == pytest.approx(5 + whole[0] / 4)


def test_what_takes_years_is_called_long_and_says_what_that_rests_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    print_plan(plan_experiment(RunsFolder(tmp_path), "main-in-family", on_gpu=False))
    (said,) = [x for x in capsys.readouterr().out.splitlines() if x.startswith("estimate")]
    assert said.startswith(
        "estimate: over a year on this CPU, one after the other (594 phases roughly, "
    )
    assert said.endswith("from model sizes and 70 GFLOP/s a core when generating, 120 in training)")


@pytest.mark.parametrize(
    ("hours", "said"), [(23, "23 h"), (47, "1 d 23 h"), (48, "2 d"), (8_759, "364 d 23 h")]
)
def test_long_times_are_told_in_days(hours: int, said: str) -> None:
    assert duration(3600 * hours) == said


def test_a_phase_alone_has_as_many_questions_as_among_all(tmp_path: Path) -> None:
    runs = RunsFolder(tmp_path)
    phases = plan_experiment(runs, "pocket", on_gpu=False).plan.phases
    everything = amounts_of(phases, runs)
    refine = next(spec for spec in phases if spec.kind == "refine")
    assert amounts_of([refine], runs) == {refine.id: 0}  # what it reads is not there
    for spec in phases:
        runs.phase(spec.id).create(spec)
    assert all(amounts_of([spec], runs) == {spec.id: everything[spec.id]} for spec in phases)
    assert everything[refine.id]
