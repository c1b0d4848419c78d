"""Measures a model's accuracy: greedy answers, of which the last number or letter counts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from engine.pocket.problems import pool
from engine.pocket.tasks import TASKS
from engine.pocket.train import chat, message

if TYPE_CHECKING:
    from pathlib import Path

    from engine.interfaces import PromptStyle
    from engine.pocket.problems import Problem

BATCH: Final = 100


def load(folder: Path, quantised: bool = False) -> tuple[Any, Any]:
    """Model and tokenizer of a folder, in fp32 or in 4-bit NF4 with double quantisation."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    if not quantised:
        return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), tokenizer
    import bitsandbytes.nn.modules as bnb

    # The AVX512-BF16 path repacks the weights of a model in use; the plain one is exact.
    bnb.has_avx512bf16 = lambda: False
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32,
    )
    model = AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=config, dtype=torch.float32
    )
    return model, tokenizer


def accuracy(model: Any, tokenizer: Any, task: str, style: PromptStyle, size: int) -> float:
    """Share of right answers among the first ``size`` test questions of a task."""
    problems = pool(task, "test", size)
    right = 0
    for i in range(0, size, BATCH):
        part = problems[i : i + BATCH]
        texts = answers(model, tokenizer, part, style)
        right += sum(is_right(text, p) for text, p in zip(texts, part, strict=True))
    return right / size


@torch.inference_mode()
def answers(model: Any, tokenizer: Any, problems: list[Problem], style: PromptStyle) -> list[str]:
    """The model's greedy answers to some problems of one task."""
    prompts = [chat(tokenizer, message(problem, style)) for problem in problems]
    batch = tokenizer.pad({"input_ids": prompts}, return_tensors="pt", padding_side="left")
    output = model.generate(**batch, do_sample=False, max_new_tokens=96)
    new = output[:, batch["input_ids"].shape[1] :]
    return list(tokenizer.batch_decode(new, skip_special_tokens=True))


def is_right(text: str, problem: Problem) -> bool:
    """Whether the last letter, or number, that an answer names is the right one."""
    pattern = r"\b([A-E])\)" if problem.choices else r"\d+"
    found = re.findall(pattern, text)
    return bool(found) and found[-1] == (problem.letter or problem.answer)


def table(names: list[str], root: Path, size: int, quantised: bool) -> list[str]:
    """A Markdown table of accuracies in per cent, one row a model and prompt."""
    lines = ["| model | prompt | " + " | ".join(TASKS) + " |", "|---|---|" + "---|" * len(TASKS)]
    for name in names:
        model, tokenizer = load(root / name, quantised)
        styles: tuple[PromptStyle, ...] = ("plain", "cot")
        for style in styles:
            figures = (accuracy(model, tokenizer, task, style, size) for task in TASKS)
            cells = " | ".join(f"{100 * figure:.1f}" for figure in figures)
            lines.append(f"| {name} | {style} | {cells} |")
            print(lines[-1], flush=True)
    return lines
