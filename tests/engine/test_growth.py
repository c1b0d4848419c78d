"""Finished work survives what a later version adds or changes, and runs name what made them."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from engine.commands import composing, drafts
from engine.commands.bundling import bundle
from engine.commands.deleting import delete
from engine.commands.experiments import Planned, launch, plan_experiment
from engine.commands.importing import take_in
from engine.commands.run_changes import describe, retry
from engine.interfaces import Devices
from engine.machine.state import final_event
from engine.queries.comparison import accuracies, with_differences
from engine.queries.runs import list_runs, run_status
from engine.scheduling.queue import DeviceRequest
from engine.scheduling.runner import run_attempt
from engine.schema.cards import Frozen
from engine.schema.errors import UserError
from engine.schema.identity import STORED, algorithm, identity_of
from engine.schema.setting import setting
from engine.schema.settings import Positive  # noqa: TC001  pydantic reads it
from engine.schema.specs import EvaluateSpec
from engine.store.layout import RunsFolder
from engine.store.run import read_record, read_run, write_run
from engine.store.writing import write_json
from tests.engine.fakes import STUDENT, TASK
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from pathlib import Path

SMALL = """
name: small
teachers: [wren-3m, otter-3m]
students: [wren-1m]
tasks: [pocket-sums, pocket-boxes]
arms: [baseline, both]
seeds: [0, 1]
settings: {refine: {beta: 0.2}}
"""


class First(Frozen):
    rate: float = setting(1.0, "ours", "of version 0.1")


class Second(Frozen):
    rate: float = setting(1.0, "ours", "of version 0.1")
    steps: int = setting(3, "ours", "added later", since="0.2")


class Third(Frozen):
    rate: float = setting(2.0, "ours", "another default")
    steps: int = setting(5, "ours", "another default", since="0.2", before=3)


def test_an_added_setting_counts_once_it_changes_something() -> None:
    assert identity_of(Second()) == identity_of(First())
    assert identity_of(Second(steps=4)) != identity_of(First())


def test_another_default_is_another_identity_and_stored_work_keeps_its_own() -> None:
    assert identity_of(Third()) != identity_of(Second())
    assert identity_of(Third(rate=1.0, steps=3)) == identity_of(Second())
    for old in (First(), Second(), Second(steps=4)):
        again = Third.model_validate_json(old.model_dump_json(), context=STORED)
        assert identity_of(again) == identity_of(old)
    assert Third.model_validate_json("{}") == Third()


class Later(EvaluateSpec):
    """The kind in a version where it does something else with the same settings."""

    algorithm: Positive = algorithm(2)


def test_another_algorithm_is_another_phase_and_old_ones_are_still_read() -> None:
    old = EvaluateSpec(model=STUDENT, task=TASK, prompt="cot")
    assert Later(model=STUDENT, task=TASK, prompt="cot").id != old.id
    of_0_1 = old.model_dump(mode="json", exclude={"algorithm"})
    for stored in (of_0_1, old.model_dump(mode="json")):
        again = Later.model_validate_json(json.dumps(stored), context=STORED)
        assert again.id == old.id
        assert again.outdated
    assert not old.outdated


def test_what_an_earlier_algorithm_planned_is_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = RunsFolder(tmp_path / "runs")
    spec = EvaluateSpec(model=STUDENT, task=TASK, prompt="cot")
    phase = runs.phase(spec.id)
    phase.create(spec)
    monkeypatch.setattr(EvaluateSpec, "outdated", True)
    attempt = phase.new_attempt()
    assert run_attempt(phase, attempt, Devices()) == 1
    final = final_event(attempt)
    assert final is not None
    assert "planned by an earlier version, whose evaluate did something else" in final.error


# --- what stands in which file ---


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    """The recorded runs, which version 0.1 wrote, as today's version writes them."""
    runs = copy_recorded(tmp_path / "runs")
    for run_id in runs.run_ids():
        write_run(runs, read_run(runs, run_id))
    for phase in runs.phase_dirs():
        spec = phase.spec()
        phase.spec_file.unlink()
        phase.create(spec)
    return runs


def raw(runs: RunsFolder, run_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(runs.run_file(run_id).read_text())
    return found


def test_a_run_keeps_ids_and_tells_the_same_as_one_of_0_1(runs: RunsFolder, tmp_path: Path) -> None:
    old = copy_recorded(tmp_path / "old")
    both, bare = run_of(runs, "both", "wren-3m"), run_of(runs, "baseline")
    assert raw(runs, both)["spec"]["phases"] == [p.id for p in read_run(old, both).spec.phases]
    for run_id in runs.run_ids():
        assert read_run(runs, run_id).spec == read_run(old, run_id).spec
        stands = [
            [(one.spec, one.state, one.blocked_by) for one in run_status(folder, run_id).phases]
            for folder in (runs, old)
        ]
        assert stands[0] == stands[1]
    rows = [
        {row.run_id: (row.state, row.accuracies) for row in list_runs(one)} for one in (runs, old)
    ]
    assert rows[0] == rows[1]
    found = [with_differences(one, accuracies(one, [bare, both])) for one in (runs, old)]
    assert found[0].differences == found[1].differences


@pytest.mark.parametrize("version", ["0.1", "today"])
def test_a_bundle_of_either_form_is_taken_in(
    runs: RunsFolder, tmp_path: Path, version: str
) -> None:
    source = runs if version == "today" else copy_recorded(tmp_path / "old")
    run_id = run_of(source, "teacher", "wren-3m")
    bundle(source, [run_id], tmp_path / "run.tar")
    elsewhere = RunsFolder(tmp_path / "elsewhere")
    assert take_in(elsewhere, tmp_path / "run.tar").runs == (run_id,)
    assert read_run(elsewhere, run_id) == read_run(source, run_id)
    assert [row.state for row in list_runs(elsewhere)] == ["done"]


def test_what_a_person_calls_a_run_of_0_1_leaves_its_specifications_in_place(
    tmp_path: Path,
) -> None:
    old = copy_recorded(tmp_path / "old")
    run_id = run_of(old, "both", "wren-3m")
    spec = read_run(old, run_id).spec
    describe(old, run_id, note="mine")
    shutil.rmtree(old.phase(spec.phases[0].id).path)
    assert read_run(old, run_id).spec == spec
    changed = raw(old, run_id)
    changed["spec"]["seed"] = 7
    write_json(old.run_file(run_id), changed)
    with pytest.raises(UserError, match="was changed after it was written"):
        read_run(old, run_id)


def test_a_lost_specification_is_named_and_hides_neither_its_run_nor_others(
    runs: RunsFolder,
) -> None:
    run_id = run_of(runs, "both", "wren-3m")
    phase = runs.phase(next(p.id for p in read_run(runs, run_id).spec.phases if p.kind == "refine"))
    specification = json.loads(phase.spec_file.read_text())
    write_json(phase.spec_file, specification | {"seed": 5})
    status = run_status(runs, run_id)
    assert [line for line in status.damage if str(phase.spec_file) in line]
    assert phase.id not in {one.id for one in status.phases}
    assert len(list_runs(runs)) == len(runs.run_ids())
    with pytest.raises(UserError, match=f"{phase.id}/phase.json: was changed after"):
        read_run(runs, run_id)
    shutil.rmtree(phase.path)
    assert {row.run_id: row.state for row in list_runs(runs)}[run_id] == "waiting"
    with pytest.raises(UserError, match=f"{phase.id}/phase.json: can't be restored"):
        retry(runs, [run_id])  # it names no experiment, so nobody can say what it was


# --- the experiment's file ---


@pytest.fixture
def launched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunsFolder:
    monkeypatch.setattr("engine.scheduling.daemon.ensure_running", lambda _: None)
    (tmp_path / "small.yaml").write_text(SMALL)
    runs = RunsFolder(tmp_path / "launched")
    for _ in range(2):
        launch(runs, plan_experiment(runs, str(tmp_path / "small.yaml")), DeviceRequest(cpu=True))
    return runs


def test_an_experiments_file_is_stored_once_and_named_by_its_runs(launched: RunsFolder) -> None:
    (file,) = (launched.root / "experiments").iterdir()
    assert {read_record(launched, i).experiment_file for i in launched.run_ids()} == {file.name}
    assert drafts.draft_of_preset(str(file))["settings"] == {"refine": {"beta": 0.2}}


def test_an_experiments_file_goes_with_the_last_run_that_names_it(launched: RunsFolder) -> None:
    (file,) = (launched.root / "experiments").iterdir()
    first, *others = launched.run_ids()
    delete(launched, first)
    assert file.exists()
    delete(launched, *others)
    assert not file.exists()
    assert not launched.run_ids()


def test_a_draft_of_a_launched_run_plans_that_run(launched: RunsFolder) -> None:
    for run_id in launched.run_ids():
        found = composing.plan(launched, drafts.draft_of_run(launched, run_id))
        assert isinstance(found, Planned)
        assert found.plan.runs == (read_run(launched, run_id).spec,)


def test_a_phase_whose_folder_is_gone_is_written_again_from_the_experiment(
    launched: RunsFolder,
) -> None:
    run_id = next(i for i in launched.run_ids() if "both" in i)
    spec = read_run(launched, run_id).spec
    for phase in spec.phases[1:3]:
        shutil.rmtree(launched.phase(phase.id).path)
    assert retry(launched, [run_id]) == [run_id]
    assert read_run(launched, run_id).spec == spec

    shutil.rmtree(launched.root / "experiments")
    found = composing.plan(launched, drafts.draft_of_run(launched, run_id))
    assert isinstance(found, Planned)
    assert [run.fingerprint for run in found.plan.runs] == [spec.fingerprint]


def test_a_bundle_brings_its_experiments_file_and_no_other(
    launched: RunsFolder, tmp_path: Path
) -> None:
    run_id = launched.run_ids()[0]
    bundle(launched, [run_id], tmp_path / "run.tar")
    elsewhere = RunsFolder(tmp_path / "elsewhere")
    take_in(elsewhere, tmp_path / "run.tar")
    file = read_record(elsewhere, run_id).experiment_file
    kept = [runs.experiment(file).read_bytes() for runs in (launched, elsewhere)]
    assert kept[0] == kept[1]
