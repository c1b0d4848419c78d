"""What starts later is the program that was handed over, or it stops with a word."""

from __future__ import annotations

import pytest

from engine.commands import collecting
from engine.schema.errors import UserError
from engine.store import program
from engine.store.program import LIBRARIES, PROGRAM
from tests.engine.test_deleting import age
from tests.slurm.test_handing_over import ended_well, launched


def test_jobs_run_a_copy_of_the_program_that_was_handed_over(cluster, monkeypatch):
    phases = launched(cluster, "one")
    cluster.conductor(monkeypatch).step()
    (copy,) = cluster.runs.programs.iterdir()
    script = phases[2].last_attempt().script.read_text()
    assert f"export PYTHONPATH={copy}$" in script
    assert f"export {PROGRAM}={copy.name}\n" in script
    assert "torch=" in script
    assert program.hash_of(copy)[0] == copy.name
    assert (copy / "engine" / "__main__.py").is_file()
    (copy / "engine" / "__main__.py").write_text("# changed\n")
    assert program.hash_of(copy)[0] != copy.name


def test_a_damaged_copy_is_made_anew_when_a_phase_is_handed_over_again(cluster):
    copy, _ = program.kept(cluster.runs, environment=False)
    (copy / "engine" / "__main__.py").write_text("# changed\n")
    again, _ = program.kept(cluster.runs, environment=False)
    assert again == copy
    assert program.hash_of(copy)[0] == copy.name


def test_gc_takes_a_copy_once_its_phases_are_done(cluster, monkeypatch):
    phases = launched(cluster, "one")
    cluster.conductor(monkeypatch).step()
    (copy,) = cluster.runs.programs.iterdir()
    cut_off = copy.with_name(f".{copy.name}.77")
    cut_off.mkdir()
    age(copy)
    age(cut_off)

    def found():
        return [one.path for one in collecting.needless(cluster.runs)]

    for phase in phases:
        assert found() == [cut_off]
        ended_well(phase)
    assert set(found()) == {copy, cut_off}
    program.kept(cluster.runs, environment=False)  # about to be handed over again
    assert found() == [cut_off]


def test_a_program_that_was_changed_since_stops_with_a_word(cluster, monkeypatch):
    _, told = program.kept(cluster.runs, environment=True)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    program.check()
    monkeypatch.setenv(PROGRAM, "0" * 16)
    with pytest.raises(UserError, match="the program was changed since"):
        program.check()
    monkeypatch.setenv(PROGRAM, told[PROGRAM])
    older = told[LIBRARIES].replace("torch=", "torch=0.")
    monkeypatch.setenv(LIBRARIES, older)
    with pytest.raises(UserError, match=r"environment was changed since .*torch 0\."):
        program.check()


def test_another_environment_on_the_nodes_has_libraries_of_its_own(cluster):
    assert set(program.kept(cluster.runs, environment=False)[1]) == {PROGRAM}
