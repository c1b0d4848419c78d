"""Several processes of a phase: which GPUs each sees, and what is made of their ends."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from engine.interfaces import Devices
from engine.machine import ranks
from engine.scheduling import rank_processes
from engine.store.layout import AttemptDir
from tests.engine.fakes import chain

if TYPE_CHECKING:
    from pathlib import Path

FOUR = Devices((0, 1, 2, 3), threads=8)


def told(devices: Devices, together: bool) -> list[dict[str, str]]:
    return [variables for _, variables in rank_processes._places(devices, together)]


def test_those_that_train_see_all_gpus_and_those_that_answer_their_own() -> None:
    training = told(FOUR, together=True)
    assert [one["LOCAL_RANK"] for one in training] == ["0", "1", "2", "3"]
    assert all(ranks.TOGETHER in one and "CUDA_VISIBLE_DEVICES" not in one for one in training)
    assert {one["OMP_NUM_THREADS"] for one in training} == {"2"}
    answering = told(Devices((4, 5, 6, 7), each=2), together=False)
    assert [one["CUDA_VISIBLE_DEVICES"] for one in answering] == ["4,5", "6,7"]
    assert {one["WORLD_SIZE"] for one in answering} == {"2"}


def test_a_second_node_goes_on_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"SLURM_NODEID": "1", "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.1", "SIRT_JOB": "9_7"}
    for name, value in (given | {"SLURM_JOB_ID": "30007", "CUDA_VISIBLE_DEVICES": "6,7"}).items():
        monkeypatch.setenv(name, value)
    found = told(Devices((0, 1), nodes=2), together=False)
    assert [one["RANK"] for one in found] == ["2", "3"]
    assert [one["CUDA_VISIBLE_DEVICES"] for one in found] == ["6", "7"], "this node's own"
    assert {(one["MASTER_ADDR"], one["MASTER_PORT"]) for one in found} == {("10.0.0.1", "20007")}


@pytest.mark.parametrize(("needs", "each"), [(30.0, 1), (100.0, 2), (250.0, 4), (900.0, 4)])
def test_a_model_gets_as_many_gpus_as_it_needs(
    needs: float, each: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Card:
        total = 80 * 1024.0

    monkeypatch.setattr(rank_processes.hardware, "gpus", lambda: (Card(),))
    monkeypatch.setattr(rank_processes, "rough_gib", lambda *_, **__: needs)
    assert rank_processes._each(chain().phases[-1], FOUR) == each


@pytest.mark.parametrize(
    ("ends", "code", "death"),
    [
        (("exit 0", "exit 0"), 0, ""),
        (("exit 75", "sleep 60"), 75, ""),
        (("sleep 0.3; exit 1", "kill -9 $$"), 1, "process 2 of 2 (node n7) died: signal 9"),
        (("sleep 60", "exit 1"), 1, "process 2 of 2 (node n7) ended with exit code 1: no room"),
        (("kill -9 $$", "sleep 60"), 1, "process 1 of 2 (node n7) died: signal 9"),
    ],
)
def test_the_first_process_says_how_it_ended_and_who_died_is_named(
    ends: tuple[str, str], code: int, death: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("SLURMD_NODENAME", "n7")
    monkeypatch.setattr(rank_processes, "GRACE_S", 1.0)
    monkeypatch.setattr(rank_processes, "LAST_S", 0.2)
    attempt = AttemptDir(tmp_path)
    attempt.of_rank(1).path.mkdir()
    attempt.of_rank(1).error.write_text("no room")
    children = {rank: subprocess.Popen(["bash", "-c", end]) for rank, end in enumerate(ends)}
    try:
        assert rank_processes._outcome(attempt, Devices(on_cpu=2), children) == code
    finally:
        for child in children.values():
            child.kill()
            child.wait()
    assert (attempt.death.read_text() if attempt.death.exists() else "") == death
