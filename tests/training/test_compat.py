"""The libraries' private things that we build on are there, and are those we checked."""

from __future__ import annotations

import inspect
from importlib.metadata import version
from typing import Any

import bitsandbytes.nn.modules as bnb
import pytest
import torch
import trl.trainer.utils
from transformers import cache_utils
from trl import DPOTrainer, SFTTrainer

from engine.generation.decoding import RoomyLayer
from engine.models import compat as loading_compat
from engine.training import compat

CHECKED = compat.CHECKED | loading_compat.CHECKED


@pytest.mark.parametrize("library", CHECKED)
def test_the_library_is_the_release_that_was_checked(library: str) -> None:
    """After an upgrade: look at every line of both ``compat`` files, then raise the release."""
    assert version(library).startswith(f"{CHECKED[library]}.")


@pytest.mark.parametrize("ours", [compat.InstructTrainer, compat.PairTrainer])
def test_what_our_trainers_leave_out_is_still_asked_for(ours: Any) -> None:
    """An override of a method that is gone would be silently without effect."""
    theirs = SFTTrainer if issubclass(ours, SFTTrainer) else DPOTrainer
    mine = [c for c in ours.__mro__ if c.__module__.startswith("engine.")]
    overridden = {
        name for c in mine for name, value in vars(c).items() if inspect.isfunction(value)
    }
    own = {
        "remember_reference",
        "share_prompts",
        "_shares",
        "_reference_scores",
        "deal",
        "__init__",
    }
    assert overridden - own == {name for name in overridden - own if hasattr(theirs, name)}
    assert {"_send_telemetry", "_save", "_save_checkpoint", "create_model_card"} <= overridden


def test_only_tokens_that_count_are_scored() -> None:
    """TRL asks this function, in this module, whether to leave the prompt's tokens out."""
    source = inspect.getsource(trl.trainer.utils)
    assert "compact = _use_triton(" in source
    assert trl.trainer.utils._use_triton(torch.device("cpu")) is True


@pytest.mark.parametrize("name", ["_prepare_inputs", "compute_ref_log_probs", "compute_loss"])
def test_methods_that_are_called(name: str) -> None:
    assert callable(getattr(DPOTrainer, name))


def test_nf4_is_not_repacked_for_a_cpu_with_bf16() -> None:
    """bitsandbytes asks the module's own name when a layer is made."""
    loading_compat.ready_bitsandbytes()
    assert "self.support_avx512bf16_for_cpu = has_avx512bf16()" in inspect.getsource(bnb)
    assert bnb.Linear4bit(8, 8).support_avx512bf16_for_cpu is False
    assert loading_compat.cpu_has_bf16() in (True, False)


def test_our_cache_layer_is_not_transformers_default() -> None:
    """A subclass with a layer type would take the place of the library's own."""
    assert cache_utils.DYNAMIC_LAYER_TYPE_MAPPING
    assert RoomyLayer not in cache_utils.DYNAMIC_LAYER_TYPE_MAPPING.values()
