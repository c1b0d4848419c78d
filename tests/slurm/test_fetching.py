"""What phases read from the hub, and what of it is missing: nodes have no way out."""

from __future__ import annotations

import pytest

from engine.commands import fetching
from engine.planning.graph import make_plan
from engine.planning.presets import load_experiment


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the hub, and the phases of an experiment with real models."""
    for name in ("HF_DATASETS_CACHE", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "huggingface", make_plan(
        load_experiment("first-real"), lambda _: False
    ).phases


def in_the_cache(folder, hub):
    snapshot = folder / "hub" / f"models--{hub.replace('/', '--')}" / "snapshots" / "0"
    snapshot.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (snapshot / name).touch()
    (folder / "hub" / f"models--{hub.replace('/', '--')}" / "refs").mkdir()
    (folder / "hub" / f"models--{hub.replace('/', '--')}" / "refs" / "main").write_text("0")


def test_what_is_missing_is_listed_and_what_is_there_is_not(cache, monkeypatch):
    folder, phases = cache
    found = fetching.needed(phases)
    assert found.models
    assert found.rows
    absent = fetching.missing(phases)
    assert len(absent) == len(found.models) + len({task for task, _ in found.rows})
    hubs = {card.source.hub for card in found.models}
    for hub in hubs:
        in_the_cache(folder, hub)
    for task, _ in found.rows:
        (folder / "datasets" / task.source.hub.replace("/", "___")).mkdir(
            parents=True, exist_ok=True
        )
    assert fetching.missing(phases) == []


def test_embedded_models_and_tasks_need_nothing():
    phases = make_plan(load_experiment("pocket"), lambda _: False).phases
    assert fetching.needed(phases) == ((), ())


def test_fetching_brings_each_once(cache, monkeypatch):
    _, phases = cache
    asked = []
    monkeypatch.setattr(
        "engine.models.loading.fetch", lambda source, name: asked.append(name) or name
    )

    class Rows:
        def load(self, source, split):
            asked.append(f"{source.hub} {split}")
            return [1, 2]

    monkeypatch.setattr("engine.catalog.task", lambda _name: Rows())
    told = []
    fetching.fetch(phases, told.append)
    assert len(told) == len(asked) == len(set(asked))
    assert any(line.endswith("2 questions") for line in told)
