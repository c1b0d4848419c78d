"""Plain TRL on the same model, texts and batches, with nothing set that its examples leave out.

    python -m benchmarks.on_gpu.peer sft:60 dpo-128:100 --model llama-2-7b …

``benchmarks/gpu.py`` starts it.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from benchmarks.on_gpu.bench import Bench, main
from benchmarks.stepclock import StepClock
from engine.tasks.prompts import render

PASS = 8  # what the trainers take at once when nobody says


def sft(bench: Bench) -> dict[str, Any]:
    """Batches of four, as ours."""
    rows = [
        {
            "prompt": _turn("user", render(one.instruction, one.question)),
            "completion": _turn("assistant", one.output),
        }
        for one in bench.writer().demonstrations(bench.sizes.demonstrations)
    ]
    arguments = SFTConfig(
        **_options(bench), learning_rate=2e-5, per_device_train_batch_size=4, num_train_epochs=1
    )
    return _train(bench, SFTTrainer, arguments, rows)


def dpo_many(bench: Bench) -> dict[str, Any]:
    """One step of the paper's batch."""
    rows = [
        {
            "prompt": _turn("user", pair.prompt),
            "chosen": _turn("assistant", pair.chosen),
            "rejected": _turn("assistant", pair.rejected),
        }
        for pair in bench.writer().pairs(bench.sizes.many)
    ]
    at_once = min(PASS, bench.sizes.many)
    arguments = DPOConfig(
        **_options(bench),
        learning_rate=1e-6,
        per_device_train_batch_size=at_once,
        gradient_accumulation_steps=bench.sizes.many // at_once,
        max_steps=1,
    )
    return _train(bench, DPOTrainer, arguments, rows)


def _train(bench: Bench, kind: Any, arguments: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    began = time.perf_counter()
    bench.ensure_weights()
    clock = StepClock(bench.stopping)
    trainer = kind(
        model=_model(bench),
        args=arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(bench.weights),
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, lora_dropout=0.1),
    )
    ready = time.perf_counter() - began
    with clock.watching():
        trainer.train()
    return clock.figures() | {"load_s": round(ready, 1), "optimizer_class": clock.optimizer}


def _model(bench: Bench) -> Any:
    dtype = torch.bfloat16 if bench.device == "cuda" else torch.float32
    quantised = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return AutoModelForCausalLM.from_pretrained(
        bench.weights,
        quantization_config=quantised,
        dtype=dtype,
        device_map={"": 0 if bench.device == "cuda" else "cpu"},
    )


def _options(bench: Bench) -> dict[str, Any]:
    """Where it writes, and what a CPU can't do."""
    here = {"output_dir": str(bench.folder / "trl"), "report_to": "none", "save_strategy": "no"}
    if bench.device == "cuda":
        return here | {"optim": "paged_adamw_32bit"}
    return here | {"use_cpu": True, "bf16": False}


def _turn(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


PARTS = {"sft": sft, "dpo-128": dpo_many}

if __name__ == "__main__":
    main("trl", PARTS)
