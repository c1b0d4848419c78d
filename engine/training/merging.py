"""Merges an adapter into its base model, as a folder that plain ``transformers`` loads.

The base is the one that was trained on. A 4-bit base is dequantised first: PEFT merges into a
4-bit layer by quantising the sum again, and the original weights are not those the student
learned on. The written model is then loaded again and compared with the student.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from peft import PeftModel
from safetensors import SafetensorError
from torch.nn.functional import kl_div
from transformers import AutoModelForCausalLM, GenerationConfig

from engine.generation.backends import Request, backend, end_ids
from engine.generation.generate import out_of_memory
from engine.generation.parity import answer_logprobs
from engine.models.loading import compute_dtype, device_map, load, release
from engine.models.tokenizing import prepare_prompt
from engine.schema.cards import LocalWeights, Sampling
from engine.schema.errors import UserError
from engine.schema.records import Parity

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from torch import Tensor

    from engine.interfaces import Tell
    from engine.models.loading import Loaded
    from engine.schema.cards import ModelCard

NEW_TOKENS: Final = 32
SHARD: Final = "5GB"
# Mean KL in nats a token. Measured on the pocket student: 2e-8 in fp32, 2e-4 where bf16 rounds,
# 7e-2 when merged into the unquantised base, 1e-1 when the sum is quantised again.
ROUNDING: Final = 1e-5
ROUNDING_16_BIT: Final = 1e-3
DTYPES: Final = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True)
class _Probe:
    """A prompt with the student's answer, and its log-probabilities (answer tokens, vocabulary)."""

    ids: list[int]
    start: int
    logs: Tensor


def merge(
    card: ModelCard,
    adapter: Path,
    folder: Path,
    prompts: Sequence[str],
    dtype: str | None = None,
    step: Callable[[str], None] = lambda _text: None,
    tell: Tell = lambda *_: None,
) -> Parity:
    """Write the merged model with tokenizer and generation settings into an empty ``folder``.

    ``dtype``: of the written weights; if None, the one in which the student computes. ``step``
    is called with what is done next, and may raise to end it; ``tell`` takes messages about the
    weights.
    ``UserError`` when the weights can't be loaded, don't fit, or can't be written.
    """
    source = card.weights
    wanted = DTYPES[dtype] if dtype else compute_dtype(source.precision)
    step("loading the trained student")
    try:
        loaded = load(card, adapter, tell=tell)
        step(f"answering {len(prompts)} prompts with it")
        probes = _probes(loaded, prompts)
        step(f"merging into {str(wanted).removeprefix('torch.')}")
        loaded.model = _merged(loaded.model, adapter, wanted)
        step("writing")
        _write(loaded, card.sampling, folder)
        release(loaded)
        step("loading what was written, and comparing")
        exact = compute_dtype(source.precision) is wanted is torch.float32
        return _compare(folder, source, probes, ROUNDING if exact else ROUNDING_16_BIT)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        raise UserError(
            f"{card.name}: out of memory while merging: the merged weights take 2 bytes a weight"
            " in bf16, 4 in fp32; use a machine with more memory or --dtype bf16"
        ) from None


def written_bytes(card: ModelCard, dtype: str | None) -> int:
    """The approximate size of the merged weights on disk; 0 when that isn't known."""
    source = card.weights
    wanted = DTYPES[dtype] if dtype else compute_dtype(source.precision)
    return int((card.parameters or 0) * wanted.itemsize)


def _probes(loaded: Loaded, texts: Sequence[str]) -> list[_Probe]:
    """Prompts with the student's answers, generated one by one, as plain ``generate`` does."""
    ends = end_ids(loaded)
    probes = []
    for text in texts:
        prompt = prepare_prompt(loaded.tokenizer, text)
        greedy = Sampling(temperature=0.0, max_new_tokens=NEW_TOKENS)
        request = Request([prompt], [NEW_TOKENS], [0], ends, greedy)
        answer = backend("generate")(loaded, request)[0]
        ids = prompt + answer
        probes.append(_Probe(ids, len(prompt), answer_logprobs(loaded.model, ids, len(prompt))))
    return probes


def _merged(model: Any, adapter: Path, dtype: torch.dtype) -> Any:
    """The plain model with the adapter added to its weights, each rounded once to ``dtype``."""
    if getattr(model.get_base_model(), "is_quantized", False):
        base = model.unload().dequantize(dtype)
        model = PeftModel.from_pretrained(base, adapter)
    return model.merge_and_unload(safe_merge=True).to(dtype)


def _write(loaded: Loaded, sampling: Sampling, folder: Path) -> None:
    loaded.model.generation_config = _generation_config(loaded, sampling)
    try:
        loaded.model.save_pretrained(folder, max_shard_size=SHARD)
        loaded.tokenizer.save_pretrained(folder)
    except (OSError, SafetensorError) as error:
        first = str(error).partition("\n")[0]
        raise UserError(f"{folder.parent}: can't be written: {first}; free some space") from error


def _generation_config(loaded: Loaded, sampling: Sampling) -> Any:
    """The model card's sampling settings, so that ``generate`` does what the scores used."""
    how: dict[str, Any] = {"do_sample": False}
    if sampling.temperature > 0:
        how = {"do_sample": True, "temperature": sampling.temperature, "top_p": sampling.top_p}
        how["top_k"] = 0
    return GenerationConfig(
        eos_token_id=list(end_ids(loaded)),
        bos_token_id=loaded.tokenizer.bos_token_id,
        pad_token_id=loaded.tokenizer.pad_token_id,
        max_new_tokens=sampling.max_new_tokens,
        **how,
    )


def _compare(
    folder: Path, source: LocalWeights, probes: Sequence[_Probe], allowed: float
) -> Parity:
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        dtype="auto",
        device_map=device_map(),
        local_files_only=True,
        trust_remote_code=source.trust_remote_code,
    ).eval()
    divergences, furthest, same = [], 0.0, 0
    for probe in probes:
        logs = answer_logprobs(model, probe.ids, probe.start)
        divergences.append(kl_div(logs, probe.logs, reduction="none", log_target=True).sum(-1))
        furthest = max(furthest, float((logs - probe.logs).abs().max()))
        same += int((logs.argmax(-1) == probe.logs.argmax(-1)).sum())
    every = torch.cat(divergences).clamp(min=0)  # rounding makes a KL of 0 negative
    return Parity(
        prompts=len(probes),
        tokens=len(every),
        mean_kl=float(every.mean()),
        max_kl=float(every.max()),
        max_logit=furthest,
        greedy=same / len(every),
        dtype=str(model.dtype).removeprefix("torch."),
        allowed=allowed,
        device=model.device.type,
    )
