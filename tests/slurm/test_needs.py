"""What jobs ask for: what is expected of their phases, and at most what the site gives."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from engine.cli.jobs import print_jobs
from engine.commands.experiments import plan_experiment
from engine.planning.estimate import Expected
from engine.planning.history import likeness
from engine.planning.needs import Needs
from engine.scheduling import queue
from engine.schema.site import Asked, bytes_of
from tests.engine.fakes import write_run
from tests.slurm.standins import chain

if TYPE_CHECKING:
    from engine.store.layout import PhaseDir

MOST = Asked("4:00:00", "32G", 1, 8)


def finished(runs, spec, seconds: float, **figures: float) -> PhaseDir:
    """A phase that is as large as one to come, done."""
    folder = runs.phase(spec.id)
    folder.create(spec)
    staged = folder.path / "staged"
    staged.mkdir()
    folder.publish(staged, {"seconds": seconds} | figures)
    return folder


@pytest.mark.parametrize(
    ("seconds", "most", "time"),
    [
        (None, "4:00:00", "4:00:00"),  # nothing is known
        (1.0, "4:00:00", "00:30:00"),
        (600.0, "4:00:00", "00:30:00"),
        (601.0, "4:00:00", "01:00:00"),  # three times what is expected, doubled from half an hour
        (9e9, "4:00:00", "4:00:00"),  # it goes through several allocations
        (1.0, "10:00", "10:00"),
        (30_000.0, "7-00:00:00", "1-08:00:00"),
    ],
)
def test_time_follows_from_the_estimate(cluster, monkeypatch, seconds, most, time):
    spec = chain().phases[0]
    known = {spec.id: Expected(seconds, "rough")}
    monkeypatch.setattr(
        "engine.planning.needs.expectations", lambda mine, *_: known if mine else {}
    )
    (asked,) = Needs(cluster.runs).asked([spec], lambda _: MOST._replace(time=most))
    assert asked.time == time


@pytest.mark.parametrize(
    ("figures", "most", "memory"),
    [
        ({}, "32G", "32G"),
        ({"memory_gib": 5.0, "card_memory_gib": 9.0}, "32G", "8G"),
        ({"memory_gib": 5.0, "card_memory_gib": 9.0}, "", "8G"),
        ({"memory_gib": 1.0, "card_memory_gib": 9.0}, "", "2G"),
        ({"memory_gib": 40.0, "card_memory_gib": 9.0}, "32G", "32G"),
        ({"memory_gib": 5.0}, "32G", "32G"),  # on the CPU: other than on a GPU
    ],
)
def test_memory_follows_from_what_similar_phases_took(cluster, figures, most, memory):
    before, spec = chain(0).phases[0], chain(1).phases[0]
    finished(cluster.runs, before, 60.0, **figures)
    (asked,) = Needs(cluster.runs).asked([spec], lambda _: MOST._replace(memory=most))
    assert (asked.memory, asked.time) == (memory, "00:30:00")


def test_the_first_try_asks_for_little_and_the_next_one_for_all(cluster, monkeypatch):
    before, spec = chain(0).phases[0], chain(1)
    finished(cluster.runs, before, 60.0)
    write_run(cluster.runs, "one", spec)
    queue.enqueue(cluster.runs, ["one"], cluster.request)
    looking = cluster.conductor(monkeypatch)
    looking.step()
    phase = cluster.runs.phase(spec.phases[0].id)
    assert "#SBATCH --time=00:30:00\n" in phase.last_attempt().script.read_text()
    cluster.set(0, "TIMEOUT")
    looking.step()
    queue.retry(cluster.runs, "one")
    looking.step()
    assert phase.last_attempt().number == 2
    assert "#SBATCH --time=1:00:00\n" in phase.last_attempt().script.read_text()


def test_a_site_that_gives_too_little_memory_is_told_in_the_plan(cluster, capsys):
    planned = plan_experiment(cluster.runs, "pocket")
    first = next(s for s in planned.plan.to_do if s.kind == "evaluate")
    last = [s for s in planned.plan.to_do if likeness(s) == likeness(first)][-1]
    finished(cluster.runs, first, 60.0, memory_gib=3.0)
    cluster.site.write_text(cluster.site.read_text().replace("cpus: 1", "cpus: 1, memory: 2G"))
    planned = replace(planned, plan=replace(planned.plan, phases=(last,)))
    print_jobs(planned, cluster.runs, cluster.request)
    assert "evaluate: took up to 3.0 GiB of memory before" in capsys.readouterr().out


def test_memory_as_slurm_writes_it():
    said = {"500": 500 * 2**20, "500M": 500 * 2**20, "2G": 2**31, "1T": 2**40, "8K": 8192}
    assert {text: bytes_of(text) for text in said} == said
