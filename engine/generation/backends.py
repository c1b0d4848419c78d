"""Backends that generate token ids for a batch of prompts, all with the same signature.

All draw the same samples, since the noise depends on item, step and token alone; they differ
in speed. BENCHMARKS.md compares them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import GenerationConfig

from engine.generation.decoding import Moment, decode, left_padded
from engine.generation.sampling import SeededNoise, choose, stream_keys
from engine.models.templates import turn_end
from engine.schema.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from torch import Tensor

    from engine.models.loading import Loaded
    from engine.schema.cards import Sampling


@dataclass(frozen=True, slots=True)
class Request:
    """One batch of prompts to continue.

    Attributes:
        prompts: token ids of each prompt.
        limits: most new tokens for each prompt.
        seeds: the seed of each prompt's own random stream.
        ends: ids that end a text.
    """

    prompts: Sequence[Sequence[int]]
    limits: Sequence[int]
    seeds: Sequence[int]
    ends: tuple[int, ...]
    sampling: Sampling


def _moments(loaded: Loaded, request: Request) -> Iterator[Moment]:
    keys = stream_keys(request.seeds, loaded.device)

    def choose_tokens(logits: Tensor, rows: Tensor, step: int) -> Tensor:
        return choose(logits, keys[rows], step, request.sampling)

    return decode(
        loaded.model, request.prompts, request.limits, request.ends, choose_tokens, loaded.device
    )


def compact(loaded: Loaded, request: Request) -> list[list[int]]:
    """Generate with our decode loop, which drops finished rows and copies no cache at each step."""
    found = dict(row for moment in _moments(loaded, request) for row in moment.ended)
    return [found[i] for i in range(len(found))]


def generate(loaded: Loaded, request: Request) -> list[list[int]]:
    """Generate with transformers' ``generate``, the reference for the other backends."""
    ids, mask = left_padded(request.prompts, loaded.device)
    keys = stream_keys(request.seeds, loaded.device)
    with torch.inference_mode():
        output = loaded.model.generate(
            input_ids=ids,
            attention_mask=mask,
            generation_config=_plain_config(loaded, request),
            logits_processor=[SeededNoise(keys, ids.shape[1], request.sampling)],
        )
    new = output[:, ids.shape[1] :].tolist()
    return [cut(row, request.ends, n) for row, n in zip(new, request.limits, strict=True)]


BACKENDS: Final[dict[str, Callable[[Loaded, Request], list[list[int]]]]] = {
    "compact": compact,
    "generate": generate,
}


def backend(name: str) -> Callable[[Loaded, Request], list[list[int]]]:
    if name not in BACKENDS:
        raise UserError(f"settings.generation.backend: {name!r}; {nearest(name, BACKENDS)}")
    return BACKENDS[name]


def streamed(name: str) -> Callable[[Loaded, Request], Iterator[Moment]]:
    """Return a backend that yields rows as they end, or all at once if it can't do that."""
    run = backend(name)

    def at_once(loaded: Loaded, request: Request) -> Iterator[Moment]:
        rows = run(loaded, request)
        yield Moment(list(enumerate(rows)), len(rows), sum(map(len, rows)))

    return _moments if run is compact else at_once


def _plain_config(loaded: Loaded, request: Request) -> GenerationConfig:
    """Configure greedy decoding, overriding all defaults that a model brings along."""
    return GenerationConfig(
        do_sample=False,
        num_beams=1,
        repetition_penalty=1.0,
        max_new_tokens=max(request.limits),
        eos_token_id=list(request.ends),
        pad_token_id=loaded.tokenizer.pad_token_id,
    )


def cut(tokens: Sequence[int], ends: tuple[int, ...], limit: int) -> list[int]:
    """Cut a row after its first end token, and to ``limit`` tokens at most."""
    kept = list(tokens[:limit])
    first = next((i for i, token in enumerate(kept) if token in ends), len(kept))
    return kept[: first + 1]


def end_ids(loaded: Loaded) -> tuple[int, ...]:
    """Return every token id that ends a text of this model."""
    return ends_of(loaded.tokenizer, getattr(loaded.model, "generation_config", None))


def ends_of(tokenizer: Any, config: Any) -> tuple[int, ...]:
    """Collect the ids that end a text: from the tokenizer, the chat template, and the model's own
    generation settings (Llama 3 ends a turn and a text with different ones)."""
    told = getattr(config, "eos_token_id", None) or []
    ids = [told] if isinstance(told, int) else list(told)
    return tuple(sorted(turn_end(tokenizer).ends | set(ids)))
