"""What a run comes from, as its folders tell it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from engine.cli.output import visible
from engine.commands.run_changes import describe
from engine.queries.lineage import Ancestor, Lineage, lineage
from engine.queries.lineage_tree import draw, environments
from engine.store.layout import hash_file
from engine.store.provenance import LIBRARIES, commit, provenance
from engine.store.run import read_run
from engine.store.writing import write_json
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import RunsFolder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RunsFolder:
    return copy_recorded(tmp_path_factory.mktemp("lineage") / "runs")


@pytest.fixture(scope="module")
def found(recorded: RunsFolder) -> Lineage:
    return lineage(recorded, run_of(recorded, "both", "wren-3m"))


def of_kind(found: Lineage, kind: str) -> list[Ancestor]:
    return [phase for phase in found.phases if phase.kind == kind]


def captured(found: Lineage) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(draw(found, visible))
    return capture.get()


def test_inputs_come_first_and_each_phase_hangs_under_its_nearest_input(found: Lineage) -> None:
    assert found.state == "done"
    kinds = [phase.kind for phase in found.phases]
    assert kinds[:4] == ["annotate", "instruct", "elicit", "refine"]
    assert kinds[4:] == ["evaluate"] * 6
    for before, after in zip(found.phases, found.phases[1:5], strict=False):
        assert after.parent == before.id
    assert {phase.parent for phase in of_kind(found, "evaluate")} == {found.phases[3].id}
    assert found.phases[2].inputs == (found.phases[1].id, found.phases[0].id)


def test_outputs_have_the_hashes_of_the_files(recorded: RunsFolder, found: Lineage) -> None:
    checked = 0
    for phase in found.phases:
        for path, facts in phase.files.items():
            assert facts["sha256"] == hash_file(recorded.phase(phase.id).path / path)
            checked += 1
    assert checked >= 14


def test_settings_that_differ_have_the_default_beside_them(found: Lineage) -> None:
    by_name = {one.name: one for one in of_kind(found, "refine")[0].changed}
    assert (by_name["learning_rate"].value, by_name["learning_rate"].default) == (8e-4, 1e-6)
    assert by_name["learning_rate"].source == "P"
    assert "beta" not in by_name


def test_scores_have_their_intervals(found: Lineage) -> None:
    plain = next(p for p in of_kind(found, "evaluate") if p.what.startswith("pocket-compass plain"))
    assert plain.score is not None
    assert plain.score.right.low < plain.score.value < plain.score.right.high
    assert plain.score.total == 600


def test_ancestors_outside_the_run_are_found_by_their_folders(
    recorded: RunsFolder, found: Lineage
) -> None:
    """A run that lists its evaluations alone still descends from a teacher."""
    file = json.loads(recorded.run_file(found.run_id).read_text())
    file["run_id"] = "scores-alone"
    file["spec"]["phases"] = [p for p in file["spec"]["phases"] if p["kind"] == "evaluate"]
    recorded.run_folder("scores-alone").mkdir()
    write_json(recorded.run_file("scores-alone"), file)
    again = lineage(recorded, "scores-alone")
    assert [p.id for p in again.phases] == [p.id for p in found.phases]
    assert [p.parent for p in again.phases] == [p.parent for p in found.phases]


def test_unfinished_and_failed_phases_say_so(recorded: RunsFolder) -> None:
    failed = lineage(recorded, run_of(recorded, "refine-only", "wren-3m"))
    refine = of_kind(failed, "refine")[0]
    assert (refine.state, refine.attempts[-1].outcome) == ("failed", "failed")
    assert "out of memory" in refine.error
    assert "out of memory" in captured(failed)
    assert not of_kind(failed, "evaluate")[0].attempts


def test_the_tree_tells_the_way_from_the_teacher_to_the_scores(found: Lineage) -> None:
    text = captured(found)
    places = [
        text.index(word)
        for word in (
            "student wren-1m",
            "teacher wren-3m",
            "data: pocket-compass, embedded at revision 1",
            "kept 597 · total 600",
            "weights moved (%): 100",
            "pairs 181",
            "loss at step 0: 0.6931",
            "93.7 [91.4, 95.4] % of 600",
        )
    ]
    assert places == sorted(places)
    assert f"also reads {found.phases[0].id}" in text
    assert of_kind(found, "elicit")[0].files["out/pairs.jsonl"]["sha256"][:16] in text
    assert environments(found) == ["the versions that made it were not recorded"]


def test_a_name_is_text_whatever_it_holds(recorded: RunsFolder) -> None:
    run_id = run_of(recorded, "baseline")
    describe(recorded, run_id, name="[bold]mine\x1b[31m", note="[/]")
    text = captured(lineage(recorded, run_id))
    assert "[bold]mine␛[31m" in text
    assert "\x1b[31m" not in text


def test_an_attempt_records_what_it_ran_with(tmp_path: Path) -> None:
    """As the runner writes it; read back from the log."""
    from engine.interfaces import Devices
    from engine.scheduling import runner
    from engine.store.eventlog import EventWriter

    runs = copy_recorded(tmp_path / "runs")
    run_id = run_of(runs, "both", "wren-3m")
    folder = runs.phase(read_run(runs, run_id).spec.phases[0].id)
    attempt = folder.new_attempt()
    with EventWriter(attempt.events, attempt.alive) as writer:
        writer.emit(runner._started(folder, attempt, Devices()))
    again = lineage(runs, run_id).phases[0].attempts[-1]
    assert again.program == provenance()["program"]
    assert again.commit == commit()
    assert again.libraries.keys() == set(LIBRARIES)
    assert all(again.libraries.values())
    line = environments(lineage(runs, run_id))[0]
    assert line.startswith(f"{folder.id} with sirt {again.program}")
    assert f"torch {again.libraries['torch']}" in line


def test_the_commit_is_that_of_the_code_and_says_when_files_were_changed(tmp_path: Path) -> None:
    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        command: list[Any] = ["git", "-C", tmp_path, *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    assert commit(tmp_path) is None
    git("init", "-q")
    (tmp_path / "a.py").write_text("1\n")
    git("add", "a.py")
    git("commit", "-qm", "first")
    git("tag", "v1")
    head = git("rev-parse", "HEAD")
    assert commit(tmp_path) == head
    (tmp_path / "new.txt").write_text("not tracked\n")
    assert commit(tmp_path) == head
    (tmp_path / "a.py").write_text("2\n")
    assert commit(tmp_path) == f"{head}-dirty"
