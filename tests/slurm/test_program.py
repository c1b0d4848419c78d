"""What starts later is the program that was handed over, or it stops with a word."""

from __future__ import annotations

import pytest

from engine.schema.errors import UserError
from engine.store import program
from engine.store.program import LIBRARIES, PROGRAM
from tests.slurm.test_handing_over import launched


def test_jobs_run_a_copy_of_the_program_that_was_handed_over(cluster, monkeypatch):
    phases = launched(cluster, "one")
    cluster.conductor(monkeypatch).step()
    (copy,) = (cluster.runs.root / "programs").iterdir()
    script = phases[2].last_attempt().script.read_text()
    assert f"export PYTHONPATH={copy}$" in script
    assert f"export {PROGRAM}={copy.name}\n" in script
    assert "torch=" in script
    assert program.hash_of(copy)[0] == copy.name
    assert (copy / "engine" / "__main__.py").is_file()
    (copy / "engine" / "__main__.py").write_text("# changed\n")
    assert program.hash_of(copy)[0] != copy.name


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
