"""What a phase takes: by its model's shape, by witnesses; what running ones still claim."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine.interfaces import Capacity, Devices, Held
from engine.machine import devices
from engine.planning import memory
from engine.planning.history import Witness, history, likeness
from engine.planning.memory import needed_gib, rough_gib, shape_of
from engine.scheduling.claims import Claims
from engine.scheduling.folders import Folders
from engine.scheduling.launchers import local
from engine.scheduling.launchers.local import LocalLauncher
from engine.scheduling.policy import Node, QueuedRun
from engine.schema.cards import Endpoint, LocalWeights, ModelCard
from engine.schema.settings import RefineSettings
from engine.schema.specs import EvaluateSpec, RefineSpec, TaskRef
from engine.store.conductor_dir import ConductorDir
from engine.store.layout import RunsFolder

LLAMA = {
    "hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32, "vocab_size": 32_000,
    "intermediate_size": 11_008, "tie_word_embeddings": False,
}  # fmt: skip


def card(precision: str = "nf4", parameters: float | None = 7e9, **source) -> ModelCard:
    place = source or {"hub": "somebody/model"}
    weights = LocalWeights(precision=precision, **place)  # type: ignore[arg-type]
    return ModelCard(name="m", family="f", source=weights, parameters=parameters)


def evaluate(model: ModelCard, **more) -> EvaluateSpec:
    return EvaluateSpec(model=model, task=TaskRef(name="gsm8k"), prompt="cot", **more)


def test_the_shape_is_the_folders_own_or_follows_from_the_size(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    found = shape_of(card(path=str(tmp_path)))
    assert found == memory.Shape(32, 4096, 2 * 4096, 32_000, 11_008, tied=False)
    assert found.stored == pytest.approx(6.74e9, rel=0.001), "as Llama-2-7B's makers say"
    other = SimpleNamespace(
        hidden_size=64, num_hidden_layers=2, vocab_size=100, intermediate_size=[128, 256]
    )
    assert memory.shape_in(other) == memory.Shape(2, 64, 128, 100, 256), "no heads, unequal layers"
    guessed = shape_of(card())
    assert guessed is not None
    assert guessed.layers == 33
    assert guessed.hidden == pytest.approx(4096, rel=0.05)
    assert shape_of(card(parameters=None)) is None


@pytest.mark.parametrize("broken", ["{", "[]", "{}", '{"hidden_size": "x"}', "\xff"])
def test_a_config_that_says_nothing_leaves_the_size(tmp_path, broken):
    (tmp_path / "config.json").write_bytes(broken.encode("latin-1"))
    assert shape_of(card(path=str(tmp_path))) == shape_of(card())


def test_the_dtype_is_that_of_the_device(monkeypatch):
    """A card of 4 or 16 bits is computed in 32 on a CPU without instructions for 16: at least 4
    bytes a weight."""
    monkeypatch.setattr(memory, "has_bf16", lambda: True)
    narrow = rough_gib(evaluate(card("bf16"), limit=1), on_gpu=False)
    assert narrow is not None
    assert narrow == pytest.approx(7e9 * 2 / 2**30 + 0.6, rel=0.1)
    monkeypatch.setattr(memory, "has_bf16", lambda: False)
    for precision in ("nf4", "bf16"):
        on_cpu = rough_gib(evaluate(card(precision), limit=1), on_gpu=False)
        on_card = rough_gib(evaluate(card(precision), limit=1), on_gpu=True)
        assert on_cpu is not None
        assert on_card is not None
        assert on_cpu > 7e9 * 4 / 2**30 > on_card
    assert rough_gib(evaluate(card(parameters=None)), on_gpu=False) is None


def test_more_at_once_takes_more_and_an_endpoint_nothing():
    few, many = (rough_gib(evaluate(card(), limit=n), on_gpu=True) for n in (4, 200))
    assert few is not None
    assert many is not None
    assert many > few + 5
    small, large = (
        rough_gib(
            RefineSpec(
                student=card(), adapter=None, pairs="p", settings=RefineSettings(batch_size=n)
            ),
            on_gpu=True,
        )
        for n in (1, 16)
    )
    assert small is not None
    assert large is not None
    assert large > small
    served = Endpoint(kind="openai_compatible", base_url="http://x/v1", model="m")
    answers = ModelCard(name="e", family="f", source=served, parameters=7e9)
    assert needed_gib(evaluate(answers), False, {}) is None


def test_training_on_a_cpu_takes_no_more_than_its_passes_may(monkeypatch):
    monkeypatch.setattr(memory, "memory", lambda: (16 * 1024.0, 10 * 1024.0))
    found = [
        rough_gib(
            RefineSpec(
                student=card(parameters=1e9),
                adapter=None,
                pairs="p",
                settings=RefineSettings(batch_size=n),
            ),
            on_gpu=False,
        )
        for n in (64, 128)
    ]
    assert found[0] == found[1] == pytest.approx(1e9 * 2.6 / 2**30 + 0.6 + 1.6 * 4, rel=0.01)


@pytest.mark.parametrize("size", [16, 24, 48, 80])
def test_a_phase_on_a_gpu_takes_what_fits_there(monkeypatch, size):
    """Its passes and batches are as large as the card's memory lets them be."""
    monkeypatch.setattr(memory, "smallest_card", lambda: float(size))
    refine = RefineSpec(student=card(), adapter=None, pairs="p", settings=RefineSettings())
    for spec in (refine, evaluate(card()), evaluate(card("bf16"))):
        assert rough_gib(spec, on_gpu=True) <= size + 0.01
    large = evaluate(card("bf16", 13e9))  # whose weights take 24.2 GiB
    assert (rough_gib(large, on_gpu=True) <= size + 0.01) == (size > 24)
    assert rough_gib(refine, on_gpu=True) > 0.85 * size


def test_without_a_gpu_to_look_at_training_needs_what_many_sequences_take(monkeypatch):
    """The paper's card, for this model and settings, has 48 GB."""
    monkeypatch.setattr(memory, "smallest_card", lambda: float("inf"))
    refine = RefineSpec(student=card(), adapter=None, pairs="p", settings=RefineSettings())
    assert 15 < rough_gib(refine, on_gpu=True) < 48


def test_what_was_measured_corrects_the_estimate():
    spec = evaluate(card())
    past = {
        likeness(spec): [Witness(1.0, 9.0, None), Witness(1.0, 11.0, None), Witness(1, 3.0, 21.0)]
    }
    assert needed_gib(spec, False, past) == 11.0
    assert needed_gib(spec, True, past) == 21.0
    assert needed_gib(evaluate(card(), limit=3), False, past) == rough_gib(
        evaluate(card(), limit=3), False
    )


def test_peaks_are_in_the_manifest_and_found_again(tmp_path):
    runs = RunsFolder(tmp_path / "runs")
    runs.create()
    spec = evaluate(card())
    folder = runs.phase(spec.id)
    folder.create(spec)
    (folder.work / "staging").mkdir(parents=True)
    with devices.ResourceMonitor(lambda _event: None, Devices()) as monitor:
        pass
    peaks = monitor.peaks
    assert peaks["memory_gib"] > 0.01
    folder.publish(folder.work / "staging", {"seconds": 2.0} | peaks)
    (witness,) = history(runs)[likeness(spec)]
    assert witness == Witness(2.0, peaks["memory_gib"], None)


def test_a_running_phase_claims_what_it_does_not_hold_yet(tmp_path, monkeypatch):
    runs = RunsFolder(tmp_path / "runs")
    runs.create()
    spec = evaluate(card())
    runs.phase(spec.id).create(spec)
    monkeypatch.setattr(local.hardware, "memory", lambda: (64 * 1024.0, 60 * 1024.0))
    monkeypatch.setattr(local.hardware, "resident_mib", lambda pid: 4 * 1024.0)
    needed = rough_gib(spec, on_gpu=False)
    assert needed is not None
    here = {"host": socket.gethostname(), "pid": os.getpid()}
    elsewhere = {"host": "another", "pid": 1}
    phase = runs.phase(spec.id)
    claims = Claims(runs, Folders(runs))

    def free(who, devices):
        held = Held(who, devices, "cpu", claims.of(phase, devices))
        return LocalLauncher().capacity([held], None).memory

    assert LocalLauncher().capacity([], None).memory == 60.0
    assert free(here, Devices()) == pytest.approx(max(0.0, 60 - (needed - 4)))
    assert free(elsewhere, Devices()) == 60.0
    claims = Claims(runs, Folders(runs))
    assert free(here, Devices(gpus=(0,))) == pytest.approx(60.0), "it holds more than libraries"


def test_who_waits_is_written_down_with_the_figures(tmp_path):
    runs = RunsFolder(tmp_path / "runs")
    runs.create()
    ConductorDir(runs.conductor).path.mkdir()
    node = Node("evaluate-x", memory=12.0)
    run = QueuedRun("r", (node,))
    found = Claims(runs, Folders(runs))
    file = ConductorDir(runs.conductor).waiting
    found.tell_waiting(
        [run], {node.id}, Capacity(cpu=1, memory=9.0, memory_total=23.0, alone=False)
    )
    said = json.loads(file.read_text())
    assert said == {
        "evaluate-x": "waits for memory: needs 12.0 of 23.0 GiB, 14.0 in use or promised"
    }
    found.tell_waiting([run], {node.id}, Capacity(cpu=1, memory=20.0))
    said = json.loads(file.read_text())
    assert said == {"evaluate-x": "waits for a free slot on the CPU"}


def test_a_control_groups_limit_is_the_machines(tmp_path, monkeypatch):
    (tmp_path / "memory.max").write_text(f"{8 * 2**30}\n")
    (tmp_path / "memory.current").write_text(f"{5 * 2**30}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {2 * 2**30}\n")
    unlimited = tmp_path / "above"
    unlimited.mkdir()
    (unlimited / "memory.max").write_text("max\n")
    monkeypatch.setattr(devices, "groups", lambda: iter([unlimited, Path("/nowhere"), tmp_path]))
    plenty = SimpleNamespace(total=64 * 2**30, available=32 * 2**30)
    monkeypatch.setattr(devices.psutil, "virtual_memory", lambda: plenty)
    total, available = devices.memory()
    assert total == 8 * 1024
    assert available == 5 * 1024
