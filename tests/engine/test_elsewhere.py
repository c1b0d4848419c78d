"""Finished phases of a colleague's folder: taken, checked, told; theirs stays as it is."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.cli.experiments import print_plan
from engine.cli.main import sirt
from engine.commands import drafts
from engine.commands.experiments import launch, plan_experiment
from engine.commands.run_changes import make_again
from engine.planning.yaml_file import dump
from engine.queries.lineage import lineage
from engine.scheduling import daemon
from engine.scheduling.queue import DeviceRequest
from engine.store.layout import RunsFolder
from engine.store.taken import taken
from tests.engine.bundles.helpers import contents
from tests.tui.conftest import copy_recorded, run_of, take_weights_as_recorded

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunsFolder:
    monkeypatch.setattr(daemon, "ensure_running", lambda _: None)
    found = copy_recorded(tmp_path / "colleague" / "runs")
    take_weights_as_recorded(found, monkeypatch)
    return found


@pytest.fixture
def mine(tmp_path: Path) -> RunsFolder:
    return RunsFolder(tmp_path / "mine")


def experiment(theirs: RunsFolder, file: Path, *reuse: object) -> str:
    draft = drafts.draft_of_run(theirs, run_of(theirs, "both", "wren-3m"))
    file.write_text(dump(draft | {"reuse": [*map(str, reuse)]}))
    return str(file)


def test_what_a_colleague_finished_is_taken_and_theirs_stays_as_it_was(
    theirs: RunsFolder, mine: RunsFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = contents(theirs)
    file = experiment(theirs, tmp_path / "e.yaml", "colleague")  # beside the file; its runs/
    planned = plan_experiment(mine, file)
    assert planned.elsewhere.found.keys() == planned.plan.done
    assert not planned.plan.to_do
    assert not mine.root.exists()  # a plan changes nothing
    print_plan(planned)
    assert f"reused from {theirs.root}: " in capsys.readouterr().out.replace("\n", " ")

    launched = launch(mine, planned, DeviceRequest())
    (run_id,) = launched.reused
    assert (launched.queued, launched.notes) == ((), ())
    assert contents(theirs) == before
    owner = theirs.phases.owner()
    for phase in map(mine.phase, planned.plan.done):
        (said,) = [taken(phase)]
        assert (said.folder, said.owner) == (str(theirs.phase(phase.id).path), owner)
    shutil.rmtree(theirs.root)  # ours is whole without it
    again = plan_experiment(mine, file)
    assert not again.plan.to_do
    assert not again.elsewhere.found
    assert "no runs folder there" not in "".join(again.notes)  # nothing is wanted from it
    told = [phase.taken.told for phase in lineage(mine, run_id).phases]
    assert all(line.startswith(f"reused from {theirs.root}") for line in told)
    shown = CliRunner().invoke(sirt, ["--runs", str(mine.root), "show", run_id])
    assert ", made by " in shown.output

    phase = mine.phase(sorted(planned.plan.done)[0])
    make_again(mine, phase.id)  # from then on it is made here
    assert taken(phase) is None


def test_what_is_not_as_its_phase_published_it_is_made_here_and_told(
    theirs: RunsFolder, mine: RunsFolder, tmp_path: Path
) -> None:
    file = experiment(theirs, tmp_path / "e.yaml", tmp_path / "gone", theirs.root)
    ids = sorted(plan_experiment(mine, file).elsewhere.found)
    changed, without, escaping, other = map(theirs.phase, ids[:4])
    output = next(changed.out.iterdir())
    output.write_bytes(bytes(output.stat().st_size))  # as large as it was
    shutil.rmtree(without.out)
    manifest = json.loads(escaping.manifest_file.read_text())
    manifest.pop("seal", None)
    escaping.manifest_file.write_text(json.dumps(manifest | {"files": {"../x": {"bytes": 0}}}))
    other.spec_file.write_text("{}")

    planned = plan_experiment(mine, file)
    gone, *_ = notes = [note for note in planned.notes if note.startswith("reuse: ")]
    assert gone == f"reuse: {tmp_path / 'gone'}: no runs folder there; its phases are made here"
    assert any(str(without.out) in note for note in notes)
    assert without.id in {phase.id for phase in planned.plan.to_do}

    launched = launch(mine, planned, DeviceRequest())
    assert any(str(changed.path) in note for note in launched.notes)
    assert not any(mine.phase(one.id).done for one in (changed, without, escaping, other))
    assert not (tmp_path / "mine" / "x").exists()
    assert len(launched.queued) == 1
    assert all(mine.phase(i).done for i in ids[4:])


def test_a_site_names_folders_for_all_who_run_there(
    theirs: RunsFolder, mine: RunsFolder, tmp_path: Path
) -> None:
    file = experiment(theirs, tmp_path / "e.yaml")
    assert not plan_experiment(mine, file).elsewhere.found
    site = tmp_path / "site.yaml"
    site.write_text(f"launcher: slurm\nreuse: [{theirs.root}]\n")
    planned = plan_experiment(mine, file, launcher=f"slurm:{site}")
    assert planned.elsewhere.found
