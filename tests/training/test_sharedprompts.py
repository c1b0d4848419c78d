"""Pairs whose prompt is read once: the same states, losses and gradients as two rows each."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest
import torch
import trl.trainer.utils
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from torch import Tensor
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
)
from trl import DPOConfig

from engine.pocket.recipes import MODELS
from engine.training.compat import PairTrainer, prepared
from engine.training.sharedprompts import pack, share_prompts

if TYPE_CHECKING:
    from pathlib import Path

SMALL: dict[str, Any] = {
    "vocab_size": 99, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip


def drawn(chance: random.Random, least: int, most: int) -> list[int]:
    return [chance.randrange(3, 99) for _ in range(chance.randint(least, most))]


def rows(count: int = 6) -> list[dict[str, list[int]]]:
    """Pairs of all lengths; in the first two an answer is the beginning of the other."""
    chance = random.Random(5)
    names = ("prompt_ids", "chosen_ids", "rejected_ids")
    made = [{name: drawn(chance, 1, 14) for name in names} for _ in range(count)]
    made[0]["rejected_ids"] = made[0]["chosen_ids"] + [7, 8]
    made[1]["chosen_ids"] = made[1]["rejected_ids"] + [9]
    return made


def as_rows(pairs: list[dict[str, list[int]]]) -> tuple[Tensor, Tensor]:
    """Ids and mask as TRL's collator pads them: all chosen answers, then all rejected ones."""
    whole = [p["prompt_ids"] + p[name] for name in ("chosen_ids", "rejected_ids") for p in pairs]
    longest = max(map(len, whole))
    ids = [row + [0] * (longest - len(row)) for row in whole]
    mask = [[1] * len(row) + [0] * (longest - len(row)) for row in whole]
    return torch.tensor(ids), torch.tensor(mask)


def test_log_probabilities_and_gradients_are_those_of_two_rows() -> None:
    torch.manual_seed(0)
    model, (ids, mask) = LlamaForCausalLM(LlamaConfig(**SMALL)), as_rows(rows())
    model.lm_head.weight.requires_grad_(False)
    trl.trainer.utils.add_fused_lm_head(model)
    labels = ids.masked_fill((mask == 0) | (torch.arange(ids.shape[1]) < 3), -100)

    def score() -> tuple[Tensor, Tensor]:
        model.zero_grad()
        found = model(input_ids=ids, attention_mask=mask, labels=labels, fused_lm_head=True)
        (found.log_probs * torch.linspace(-1, 1, found.log_probs.shape[1])).sum().backward()
        gradient = model.model.layers[0].mlp.up_proj.weight.grad
        assert isinstance(gradient, Tensor)
        return found.log_probs.detach(), gradient.clone()

    usual = score()
    answer = model.generate(ids[:1, :4], max_new_tokens=5, do_sample=False)
    assert share_prompts(model, ids, mask)
    torch.testing.assert_close(score(), usual, rtol=1e-5, atol=1e-5)
    again = model.generate(ids[:1, :4], max_new_tokens=5, do_sample=False)
    assert torch.equal(again, answer)  # one row is no pair


def test_what_both_rows_begin_with_is_there_once() -> None:
    pairs = rows()
    packing = pack(*as_rows(pairs))
    for pair, row in zip(pairs, packing.ids.tolist(), strict=True):
        prompt, chosen, rejected = pair.values()
        alike = next(
            (i for i, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b),
            min(len(chosen), len(rejected)),
        )
        packed = prompt + chosen + rejected[alike:]
        assert row[: len(packed)] == packed


@pytest.mark.parametrize(
    "model",
    [
        LlamaForCausalLM(LlamaConfig(**SMALL, attn_implementation="eager")),
        MistralForCausalLM(MistralConfig(**SMALL, sliding_window=4)),
        MambaForCausalLM(
            MambaConfig(vocab_size=99, hidden_size=32, state_size=4, num_hidden_layers=1)
        ),
    ],
    ids=["attention without masks", "a window", "no attention"],
)
def test_a_model_that_would_read_something_else_is_left_alone(model: Any) -> None:
    before = model.forward
    assert not share_prompts(model, *as_rows(rows()))
    assert model.forward == before


def trainer_of_pairs(folder: Path) -> Any:
    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(MODELS / "wren-1m", dtype=torch.float32)
    model = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", init_lora_weights=False))
    data = Dataset.from_list(rows())
    arguments = DPOConfig(
        output_dir=str(folder), use_cpu=True, bf16=False, max_length=None, report_to="none",
        loss_type=["sigmoid", "sft"], loss_weights=[1.0, 1.0],
    )  # fmt: skip
    return PairTrainer(
        model=model,
        args=arguments,
        train_dataset=data,
        eval_dataset=data.select(range(2)),
        processing_class=AutoTokenizer.from_pretrained(MODELS / "wren-1m"),
    )


def test_a_trainers_losses_and_gradients_stay(tmp_path: Path) -> None:
    trainer = trainer_of_pairs(tmp_path)

    def step() -> tuple[float, Tensor, dict[str, float]]:
        trainer.model.zero_grad()
        trainer.model.eval()
        trainer._metrics["eval"].clear()
        loss = trainer.compute_loss(trainer.model, prepared(trainer, list(trainer.train_dataset)))
        loss.backward()
        slopes = [p.grad.flatten() for p in trainer.model.parameters() if p.grad is not None]
        figures = {name: values[-1] for name, values in trainer._metrics["eval"].items()}
        return float(loss.detach()), torch.cat(slopes), figures

    usual = step()
    assert trainer.share_prompts()
    ours = step()
    assert ours[0] == pytest.approx(usual[0], abs=1e-5)
    torch.testing.assert_close(ours[1], usual[1], rtol=1e-4, atol=1e-5)
    assert ours[2] == pytest.approx(usual[2], rel=1e-4, abs=1e-4)


def test_a_next_attempt_takes_the_references_scores_that_were_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, file = trainer_of_pairs(tmp_path), tmp_path / "reference.json"
    first.remember_reference(file)
    asked: list[int] = []
    score = PairTrainer.compute_ref_log_probs

    def counting(self: Any, model: Any, batch: dict[str, Any]) -> Any:
        asked.append(len(batch["input_ids"]) // 2)
        return score(self, model, batch)

    monkeypatch.setattr(PairTrainer, "compute_ref_log_probs", counting)
    again = trainer_of_pairs(tmp_path)
    again.remember_reference(file)
    assert asked == []
    for split in ("train_dataset", "eval_dataset"):
        assert list(getattr(again, split)) == list(getattr(first, split))
    file.write_text(file.read_text().replace("-", "-1", 1))  # changed since
    trainer_of_pairs(tmp_path).remember_reference(file)
    assert sum(asked) == 8
