"""Check that a server answers as the trained policy does, by comparing it with the model itself.

The server continues a few of the phase's own prompts greedily; one plain forward pass a prompt
then says how likely the model itself finds each of those tokens, and which it would have said.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from engine.generation.generate import out_of_memory
from engine.generation.parity import answer_logprobs
from engine.generation.vllm.completions import tokens_of
from engine.generation.vllm.wire import call
from engine.models.loading import load, release
from engine.schema.errors import UserError
from engine.schema.jsonfile import read_object
from engine.store.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from engine.generation.vllm.folder import Server
    from engine.models.loading import Loaded
    from engine.schema.cards import ModelCard

PROMPTS: Final = 6
NEW_TOKENS: Final = 24
# Mean difference of log-probabilities in nats a token, and how far below the likeliest a token
# that was said may be, once in so many: what rounding explains.
BOUND: Final = {"float32": 1e-3, "bfloat16": 0.1, "float16": 0.03}
TIE: Final = {"float32": 1e-2, "bfloat16": 0.5, "float16": 0.15}
STRAYED: Final = 0.05  # of the tokens, at most


@dataclass(frozen=True, slots=True)
class Parity:
    """How close a server is to the model. ``difference``: mean absolute difference of
    log-probabilities, in nats a token. ``strayed``: share of tokens that are too much less likely
    than the model's best. ``tokens``: how many were compared."""

    difference: float
    strayed: float
    tokens: int
    dtype: str

    @property
    def holds(self) -> bool:
        return self.difference <= BOUND[self.dtype] and self.strayed <= STRAYED

    @property
    def told(self) -> str:
        return (
            f"log-probabilities {self.difference:.4f} nats a token apart "
            f"({BOUND[self.dtype]:g} allowed), {self.strayed:.1%} of {self.tokens} tokens others "
            f"than the model's ({STRAYED:.0%} allowed)"
        )


@dataclass(frozen=True, slots=True)
class Probe:
    """A prompt with the server's answer and the log-probabilities that the server gave it."""

    prompt: Sequence[int]
    said: list[int]
    logs: list[float]


def check(
    server: Server,
    model: str,
    card: ModelCard,
    adapter: Path | None,
    prompts: Sequence[Sequence[int]],
    ends: tuple[int, ...],
    dtype: str,
    kept: Path,
    doing: Callable[[str], None],
) -> Parity | None:
    """Return an earlier check's result from ``kept``, or check now; None if the model itself
    doesn't fit beside the server."""
    try:
        return Parity(**read_object(kept))
    except (OSError, UserError, TypeError):
        pass
    doing("checking the server against the model")
    with ThreadPoolExecutor(PROMPTS) as pool:
        probes = list(
            pool.map(lambda prompt: probe(server, model, prompt, ends), prompts[:PROMPTS])
        )
    try:
        loaded = load(card, adapter, doing=doing)
        try:
            found = compare(loaded, probes, dtype)
        finally:
            release(loaded)
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error):
            raise
        return None
    if found.holds:
        kept.parent.mkdir(exist_ok=True)
        write_json(kept, asdict(found))
    return found


def probe(server: Server, model: str, prompt: Sequence[int], ends: tuple[int, ...]) -> Probe:
    """Get the server's greedy answer; :class:`Refused` if it gives none."""
    body: dict[str, Any] = {
        "model": model,
        "prompt": list(prompt),
        "max_tokens": NEW_TOKENS,
        "temperature": 0.0,
        "stop_token_ids": list(ends),
        "return_token_ids": True,
        "logprobs": 0,
    }
    found = json.loads(call(server, "/v1/completions", body))
    logs = [float(log) for log in found["choices"][0]["logprobs"]["token_logprobs"]]
    return Probe(prompt, tokens_of(found), logs)


def compare(loaded: Loaded, probes: Sequence[Probe], dtype: str) -> Parity:
    """Compare the probes with the model's own log-probabilities and most likely tokens."""
    apart: list[float] = []
    strayed = 0
    for one in probes:
        own = answer_logprobs(loaded.model, [*one.prompt, *one.said], len(one.prompt))
        said = own.gather(1, torch.tensor(one.said)[:, None])[:, 0]
        strayed += int((own.max(dim=-1).values - said > TIE[dtype]).sum())
        apart += (said - torch.tensor(one.logs)).abs().tolist()
    return Parity(sum(apart) / len(apart), strayed / len(apart), len(apart), dtype)
