"""Trackers: what they were told, read back from their own files; where those are."""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import pytest

from engine import catalog
from engine.commands.drafts import draft_of_phases
from engine.planning.graph import expand
from engine.planning.presets import load_experiment
from engine.schema import events as ev
from engine.schema.errors import Problems, UserError
from engine.schema.settings import InstructSettings, RefineSettings
from engine.schema.specs import InstructSpec, RefineSpec, Tracking
from engine.store.layout import TRACKERS, RunsFolder
from tests.engine.training_helpers import Attempt, Lab, demonstration, pair, student

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from engine.phases.context import Context
    from engine.store.layout import PhaseDir

Point = tuple[int, float]
SETTINGS = InstructSettings(
    epochs=2, learning_rate=1e-3, checkpoint_every=3, look_prompts=0
)  # 6 steps


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A folder to work in that must stay empty, and a home without anybody's settings."""
    for name in ("elsewhere", "home"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_PROJECT", "WANDB_DIR", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    return Lab(RunsFolder(tmp_path / "runs"))


def instruct(lab: Lab, *trackers: str) -> InstructSpec:
    demonstrations = lab.annotated([demonstration(i) for i in range(12)])
    tracking = Tracking(report_to=trackers, project="our-study")
    return InstructSpec(
        student=student(), demonstrations=demonstrations, settings=SETTINGS, tracking=tracking
    )


class Killed(Exception):
    """Something from outside that ends an attempt in the middle of things."""


def killed_at(step: int) -> Callable[[ev.Event, Context], None]:
    def watch(event: ev.Event, ctx: Context) -> None:
        if isinstance(event, ev.Metric) and event.step == step and "loss" in event.values:
            raise Killed

    return watch


def kill_and_retry(lab: Lab, spec: InstructSpec) -> Attempt:
    """Killed at step 5; the retry goes on from the checkpoint of step 3."""
    with pytest.raises(Killed):
        lab.attempt(spec, killed_at(5))
    again = lab.attempt(spec)
    assert [step for step, _ in again.series("loss")] == [4, 5, 6]
    return again


def board(phase: PhaseDir, tag: str) -> list[Point]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(phase.work / TRACKERS / "tensorboard"))
    found.Reload()
    return [(e.step, e.value) for e in found.Scalars(tag)]


# --- wandb's file: blocks of 32 KiB as LevelDB's log has them, each record a protobuf message ---

BLOCK = 32 * 1024
HEADER = 7


def wandb_records(file: Path) -> Iterator[Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = file.read_bytes(), HEADER, b""
    while at + HEADER <= len(data):
        left = BLOCK - at % BLOCK
        if left < HEADER:
            at += left
            continue
        _crc, length, kind = struct.unpack_from("<IHB", data, at)
        whole += data[at + HEADER : at + HEADER + length]
        at += HEADER + length
        if kind in (1, 4):  # a full record, or the last part of one
            yield Record.FromString(whole)
            whole = b""


def wandb_files(phase: PhaseDir) -> list[Path]:
    return sorted(
        (phase.work / TRACKERS / "wandb").rglob("*.wandb"), key=lambda f: f.stat().st_ctime
    )


def wandb_curve(file: Path, key: str) -> list[Point]:
    points = []
    for record in wandb_records(file):
        items = {i.key or "/".join(i.nested_key): i.value_json for i in record.history.item}
        if key in items:
            points.append((int(items["train/global_step"]), float(json.loads(items[key]))))
    return points


def wandb_run(file: Path) -> Any:
    return next(r.run for r in wandb_records(file) if r.WhichOneof("record_type") == "run")


def test_tensorboard_is_told_what_the_log_says(lab: Lab, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    attempt = lab.attempt(instruct(lab, "tensorboard"))
    told = board(attempt.folder, "train/loss")
    assert told == pytest.approx(attempt.series("loss"))
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.slow
def test_a_retry_neither_loses_nor_doubles_tensorboards_curve(lab: Lab) -> None:
    pytest.importorskip("tensorboard")
    spec = instruct(lab, "tensorboard")
    again = kill_and_retry(lab, spec)
    told = board(again.folder, "train/loss")
    assert [step for step, _ in told] == [1, 2, 3, 4, 5, 6]
    assert told[3:] == pytest.approx(again.series("loss"))


def test_refine_reports_its_preferences(lab: Lab) -> None:
    pytest.importorskip("tensorboard")
    settings = RefineSettings(
        batch_size=4, max_steps=2, warmup_steps=0, evaluate_every=2, look_prompts=0
    )
    attempt = lab.attempt(
        RefineSpec(
            student=student(),
            adapter=None,
            pairs=lab.elicited([pair(i) for i in range(10)]),
            settings=settings,
            tracking=Tracking(report_to=("tensorboard",)),
        )
    )
    assert board(attempt.folder, "train/rewards/margins") == pytest.approx(
        attempt.series("rewards/margins")
    )
    assert board(attempt.folder, "eval/loss") == pytest.approx(attempt.series("eval_loss"))


@pytest.mark.slow
def test_wandb_offline_goes_on_with_the_same_run(lab: Lab, tmp_path: Path) -> None:
    """Nobody has set wandb up, so it stays offline: two files, one run, every step in them."""
    pytest.importorskip("wandb", reason="pip install wandb, or sirt[trackers]")
    spec = instruct(lab, "wandb")
    again = kill_and_retry(lab, spec)
    first, second = wandb_files(again.folder)
    assert {f.parent.name.partition("-2")[0] for f in (first, second)} == {"offline-run"}
    assert wandb_run(first).run_id == wandb_run(second).run_id
    assert wandb_run(first).project == "our-study"
    assert wandb_run(first).display_name == f"instruct wren-1m s0 {spec.fingerprint[:8]}"
    one, two = wandb_curve(first, "train/loss"), wandb_curve(second, "train/loss")
    assert [step for step, _ in two] == [4, 5, 6]
    assert two == pytest.approx(again.series("loss"))
    # what was done again came out the same, so a chart over train/global_step shows one curve
    assert dict(one) | dict(two) == pytest.approx(dict(two) | dict(one))
    assert sorted(dict(one) | dict(two)) == [1, 2, 3, 4, 5, 6]
    for place in ("elsewhere", "home"):
        assert not [p for p in (tmp_path / place).rglob("*") if p.is_file()]


def test_a_mode_that_somebody_has_chosen_is_kept(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="pip install wandb, or sirt[trackers]")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    attempt = lab.attempt(instruct(lab, "wandb"))
    assert not wandb_files(attempt.folder)


def test_off_by_default(lab: Lab) -> None:
    assert not any(
        phase.tracking.report_to
        for run in expand(load_experiment("pocket"))
        for phase in run.phases
        if isinstance(phase, InstructSpec | RefineSpec)
    )


def write(tmp_path: Path, trackers: str) -> str:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\nteachers: [wren-3m]\nstudents: [wren-1m]\ntasks: [pocket-sums]\n"
        f"arms: [both]\nreport_to: {trackers}\n"
    )
    return str(file)


def test_an_experiment_names_them(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    (run,) = expand(load_experiment(write(tmp_path, "[tensorboard]")))
    told = [p.tracking for p in run.phases if isinstance(p, InstructSpec | RefineSpec)]
    assert told == [Tracking(report_to=("tensorboard",), project="mine")] * 2
    assert draft_of_phases(run)["report_to"] == ["tensorboard"]


def test_what_is_wrong_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "find_spec", lambda _name: None)
    with pytest.raises(Problems) as caught:
        load_experiment(write(tmp_path, "[wandb, tensorbord]"))
    said = str(caught.value).splitlines()
    assert "report_to: 'wandb' is not installed here: pip install wandb" in said[0]
    assert "unknown tracker 'tensorbord'" in said[1]
    assert "tensorboard" in said[1]


def test_a_phase_that_runs_where_it_is_missing_says_so(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "find_spec", lambda _name: None)
    with pytest.raises(UserError, match="'trackio' is not installed here"):
        lab.attempt(instruct(lab, "trackio"))


def test_every_tracker_is_one_of_transformers() -> None:
    from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

    assert set(catalog.TRACKERS) <= set(INTEGRATION_TO_CALLBACK)
    assert all(callable(catalog.tracker(name)) for name in catalog.TRACKERS)
