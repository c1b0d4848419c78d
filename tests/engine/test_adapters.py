"""A published adapter: what it says of its base, and that equal ones are equal files."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM

from engine.models import adapters
from engine.schema.cards import LocalWeights, ModelCard
from engine.store.layout import hash_file

if TYPE_CHECKING:
    from pathlib import Path

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "up_proj"]


def model() -> Any:
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                    num_attention_heads=2)
    )  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    base = model()
    base.name_or_path = str(tmp_path / "cache" / "snapshots" / "5f0b")
    folder = tmp_path / "checkpoint-3"
    get_peft_model(base, LoraConfig(r=2, target_modules=TARGETS)).save_pretrained(
        folder, save_embedding_layers=False
    )
    return folder


def card(**source: Any) -> ModelCard:
    return ModelCard(name="tiny", family="x", source=LocalWeights(**source))


def told(folder: Path) -> Any:
    return json.loads((folder / adapters.CONFIG).read_text())


def test_it_names_the_hubs_model_and_commit_and_no_place(checkpoint: Path, tmp_path: Path) -> None:
    adapters.export(checkpoint, tmp_path / "out", card(hub="some/model"), "5f0b02c")
    found = told(tmp_path / "out")
    assert (found["base_model_name_or_path"], found["revision"]) == ("some/model", "5f0b02c")
    assert str(tmp_path) in (checkpoint / adapters.CONFIG).read_text()
    assert str(tmp_path) not in (tmp_path / "out" / adapters.CONFIG).read_text()


def test_it_names_a_folders_model_by_card_and_content(checkpoint: Path, tmp_path: Path) -> None:
    source = {"path": str(tmp_path / "weights"), "revision": "0123456789abcdef"}
    adapters.export(checkpoint, tmp_path / "out", card(**source), None)
    found = told(tmp_path / "out")
    assert found["base_model_name_or_path"] == "tiny@0123456789abcdef"
    assert found["revision"] is None


def test_equal_adapters_are_equal_files_whatever_order_sets_have(
    checkpoint: Path, tmp_path: Path
) -> None:
    hashes = set()
    for order in (TARGETS, TARGETS[::-1]):
        config = told(checkpoint) | {"target_modules": order}
        (checkpoint / adapters.CONFIG).write_text(json.dumps(config))
        adapters.export(checkpoint, tmp_path / order[0], card(hub="some/model"), "5f0b02c")
        hashes.add(hash_file(tmp_path / order[0] / adapters.CONFIG))
    assert len(hashes) == 1
    assert told(tmp_path / TARGETS[0])["target_modules"] == sorted(TARGETS)


def test_it_loads_without_asking_the_hub(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapters.export(checkpoint, tmp_path / "out", card(hub="some/model"), "5f0b02c")

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded = PeftModel.from_pretrained(model(), tmp_path / "out", is_trainable=True)
    assert set(loaded.peft_config["default"].target_modules) == set(TARGETS)
    adapters.export(checkpoint, tmp_path / "again", card(hub="some/model"), "5f0b02c")
    loaded.save_pretrained(tmp_path / "further", save_embedding_layers=False)
    weights = {hash_file(tmp_path / f / adapters.WEIGHTS) for f in ("out", "again", "further")}
    assert len(weights) == 1
