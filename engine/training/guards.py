"""Checks for trainings that finish without error but leave the model unchanged or wrong."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from peft import get_peft_model_state_dict
from safetensors.torch import load_file

from engine.models.adapters import WEIGHTS
from engine.schema.errors import SAME_AGAIN, UserError

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

Weights = dict[str, "Tensor"]
MOVED_ENOUGH = 50.0  # per cent
LN2 = math.log(2)


def adapter_weights(model: Any) -> Weights:
    """A copy of the weights of the adapter ``default``, in fp32 and host memory."""
    state = get_peft_model_state_dict(
        model, own_weights(model), adapter_name="default", save_embedding_layers=False
    )
    return {key: value.detach().to("cpu", torch.float32, copy=True) for key, value in state.items()}


def own_weights(model: Any) -> Weights:
    """The adapters' parameters, under the model's keys: those of the base may be split among
    processes, and are never saved."""
    return {key: value for key, value in model.named_parameters() if "lora_" in key}


def saved_weights(adapter: Path) -> Weights:
    """The weights of an adapter on disk, under the same keys as :func:`adapter_weights`."""
    weights: Weights = load_file(adapter / WEIGHTS)
    return weights


def trainable_values(model: Any) -> Weights:
    """Every trainable parameter's value in fp32, in host memory; ``UserError`` if none."""
    values = {
        key: parameter.detach().to("cpu", torch.float32, copy=True)
        for key, parameter in model.named_parameters()
        if parameter.requires_grad
    }
    if not sum(value.numel() for value in values.values()):
        raise UserError(
            "no parameter of this model can be trained: its adapter matched no module; "
            "check the settings' lora.targets or the card's lora_targets"
        )
    return values


def train_in_fp32(model: Any, values: Weights) -> None:
    """Give the trainable parameters, and their frozen copy ``ref``, exactly these fp32 values.

    TRL rounds the adapters of a quantised model to bf16 while it builds the trainer. There an
    update of 1e-6 vanishes, and the policy no longer equals its reference. Call this between
    building the trainer and ``train()``.
    """
    parameters = dict(model.named_parameters())
    for key, value in values.items():
        for twin in {key, key.replace(".default.", ".ref.")} & parameters.keys():
            parameters[twin].data = value.to(parameters[twin].device, copy=True)


def moved_weights(start: Weights, now: Weights) -> float:
    """Per cent of the adapter's weights whose value changed.

    Weights that start at exactly zero are left out: a fresh LoRA's B matrices do, and there any
    update at all counts as a change, also one too small to ever move a real weight.
    """
    moved = total = 0
    for key, before in start.items():
        counted = before != 0
        moved += int(((now[key] != before) & counted).sum())
        total += int(counted.sum())
    return 100.0 * moved / total if total else 0.0


def check_changed(start: Weights, now: Weights) -> None:
    """``UserError`` when training changed no weight at all."""
    if all(torch.equal(now[key], before) for key, before in start.items()):
        raise UserError(
            "training changed no weight of the adapter: learning_rate is too small, or the warm-up "
            "took all steps (the first has a rate of 0); raise the rate or train longer; "
            f"{SAME_AGAIN}"
        )


def check_reference(model: Any, values: Weights) -> None:
    """``UserError`` unless the frozen copy ``ref`` still equals the starting point."""
    parameters = dict(model.named_parameters())
    for key, value in values.items():
        twin = parameters.get(key.replace(".default.", ".ref."))
        if twin is not None and not torch.equal(twin.detach().to("cpu", torch.float32), value):
            raise UserError(
                f"the DPO reference is not the starting point any more ({key} differs); "
                "delete the phase's work/checkpoints and retry"
            )


def check_end_of_text(token_ids: Tensor, in_loss: Tensor, end: int) -> None:
    """``UserError`` unless the loss includes the end-of-answer token in each row.

    Args:
        token_ids: (rows, tokens), as the collator gives them to the model.
        in_loss: the same shape; True where a token counts in the loss.
        end: id of the token that ends an answer.
    """
    if not bool(((token_ids == end) & in_loss).any(dim=1).all()):
        raise UserError(
            f"the token that ends an answer (id {end}) is outside the loss of a training example: "
            "the student would never learn to stop; check the card's chat template and tokenizer"
        )


def check_start(loss: float, margin: float) -> None:
    """``UserError`` unless DPO starts at its reference: loss ln 2 and zero reward margin."""
    if not (abs(loss - LN2) <= 1e-4 and abs(margin) <= 1e-4):
        raise UserError(
            f"DPO does not start from its reference: loss {loss:.6f} instead of {LN2:.6f}, reward "
            f"margin {margin:.6f} instead of 0; the reference must be the model that is trained"
        )
