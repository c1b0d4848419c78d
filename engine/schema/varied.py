"""The settings that an experiment varies, with the values of one run: a sweep's coordinates.

Keys are written as below ``settings`` in the file (``refine.learning_rate``), or as the file's own
key (``precision``).
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Varied = tuple[tuple[str, Any], ...]
SHORT = {  # what a setting is called where room is short, and in filters
    "lr": "learning_rate",
    "wd": "weight_decay",
    "bs": "batch_size",
    "batch": "batch_size",
    "warmup": "warmup_ratio",
    "max_len": "max_length",
}
ELSEWHERE = {  # what transformers, TRL, PEFT, Axolotl and LLaMA-Factory call a setting
    "num_train_epochs": "epochs",
    "num_epochs": "epochs",
    "per_device_train_batch_size": "batch_size",
    "micro_batch_size": "batch_size",
    "max_seq_length": "max_length",
    "sequence_len": "max_length",
    "cutoff_len": "max_length",
    "max_completion_length": "max_length",
    "lr_scheduler_type": "schedule",
    "lr_scheduler": "schedule",
    "optim": "optimizer",
    "eval_steps": "evaluate_every",
    "save_steps": "checkpoint_every",
    "loss_type": "objective",
    "pref_loss": "objective",
    "pref_beta": "beta",
    "rpo_alpha": "sft_weight",
    "lora_r": "lora",
    "lora_rank": "lora",
    "lora_alpha": "lora",
    "rank": "r",
    "target_modules": "targets",
    "max_tokens": "max_new_tokens",
}
SMALL = 1e-3
AFTER_INSTRUCT = ("elicit.", "refine.")  # what an instructed student doesn't depend on


def small_text(value: float) -> str:
    """``5.3e-4``: how settings below 0.001 are written, in files and on screens."""
    return f"{Decimal(repr(value)).normalize():e}"


def value_text(value: Any) -> str:
    """``5e-6``, ``0.1``, ``q_proj+v_proj``, ``none``."""
    match value:
        case None:
            return "none"
        case list() | tuple():
            return "+".join(map(value_text, value))
        case float() if 0 < abs(value) < SMALL:
            return small_text(float(f"{value:.6g}"))
        case float():
            return f"{value:.6g}".replace("e-0", "e-").replace("e+0", "e+")
    return str(value)


def varied_texts(varied: Mapping[str, Any] | Varied) -> tuple[str, ...]:
    """``refine.learning_rate=5e-6``, one for each varied setting."""
    pairs = varied if isinstance(varied, tuple) else varied.items()
    return tuple(f"{key}={value_text(value)}" for key, value in pairs)


def short_texts(varied: Mapping[str, Any] | Varied) -> tuple[str, ...]:
    """``lr=5e-6``, one for each varied setting, for a run's name; ``refine.lr=5e-6`` where the
    setting of another phase varies too."""
    pairs = varied if isinstance(varied, tuple) else tuple(varied.items())
    short = [short_name(key) for key, _ in pairs]
    ends = [name.rpartition(".")[2] for name in short]
    names = (end if ends.count(end) == 1 else name for name, end in zip(short, ends, strict=True))
    return tuple(f"{name}={value_text(v)}" for name, (_, v) in zip(names, pairs, strict=True))


def short_name(name: str) -> str:
    """A setting's name for a narrow column: ``refine.lr``, ``instruct.lora.r``."""
    kind, dot, rest = name.rpartition(".")
    return f"{kind}{dot}{next((short for short, long in SHORT.items() if long == rest), rest)}"


def as_varied(pairs: Iterable[Iterable[Any]]) -> Varied:
    """Pairs of key and value as they stand in JSON, with lists as tuples."""
    return tuple((key, tuple(v) if isinstance(v, list) else v) for key, v in pairs)


def before_refining(varied: Varied) -> Varied:
    """What an instructed student depends on, of the settings that vary a refined one."""
    return tuple((key, value) for key, value in varied if not key.startswith(AFTER_INSTRUCT))


def order_of(value: Any) -> tuple[int, float, str]:
    """A key that sorts numbers by size, and before texts."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return 0, float(value), ""
    return 1, 0.0, value_text(value)
