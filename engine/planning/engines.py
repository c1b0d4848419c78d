"""Which engine, builtin or vLLM, generates a local model's answers, and what a server needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from engine.planning.memory import GIB, RUNTIME, bytes_a_token, parameters_of

if TYPE_CHECKING:
    from engine.schema.cards import Engine, ModelCard
    from engine.schema.settings import GenerationSettings
    from engine.schema.specs import PhaseSpec

LEAST: Final = 0.3e9  # parameters from which a server is worth its start
Runner = Literal["builtin", "vllm"]
START_S: Final = 60.0  # seconds (25 to 115 measured); once for phases that share a server
# how much faster than the builtin engine vLLM generates: measured on a CPU in bf16 (in fp32 it was
# no faster); on a GPU not measured here
GAIN: Final = {"cpu": 2.0, "gpu": 6.0}
PROCESSES_GIB: Final = 2.1  # vLLM's four processes on a CPU without weights and cache, measured
CACHED_TOKENS: Final = 65_536  # tokens in the KV cache on a CPU


def wanted_engine(card: ModelCard, generation: GenerationSettings) -> Engine:
    """The engine that the card asks for, else the settings."""
    weights = card.source.weights
    named = weights.engine if weights else "builtin"
    return generation.engine if named == "auto" else named


def engine_for(
    card: ModelCard, generation: GenerationSettings, on_gpu: bool, installed: bool
) -> Runner:
    """The engine used; ``auto`` is vLLM where it is installed, on a GPU, for larger models."""
    wanted = wanted_engine(card, generation)
    if wanted != "auto":
        return wanted
    return "vllm" if installed and on_gpu and parameters_of(card) >= LEAST else "builtin"


def served_model(spec: PhaseSpec, on_gpu: bool, installed: bool) -> str:
    """The hub id or folder of the model that a phase needs a server for; "" without server."""
    weights = spec.card.source.weights if spec.card else None
    if spec.trains or spec.card is None or weights is None:
        return ""
    runner = engine_for(spec.card, spec.generation, on_gpu, installed)
    return str(weights.hub or weights.path) if runner == "vllm" else ""


def server_gib(card: ModelCard) -> float:
    """GiB of main memory for a phase that starts a server on the CPU: the server, and a second
    copy of the model to compare it with."""
    cache = max(1.0, CACHED_TOKENS * bytes_a_token(card) / GIB)
    return RUNTIME + PROCESSES_GIB + cache + 6.0 * parameters_of(card) / GIB
