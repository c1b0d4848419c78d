"""How much memory a phase takes: as measured in similar phases, or estimated from its model's
shape.

The shape is read from the model's own ``config.json`` where it is a folder on this machine, and
is otherwise estimated from the number of parameters. Figures are for the compute dtype of the
device at hand (:func:`engine.models.loading.compute_dtype`).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from engine.machine.devices import cores, has_bf16, memory, smallest_card
from engine.planning.history import likeness
from engine.schema.specs import EvaluateSpec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from engine.planning.history import Likeness, Witness
    from engine.schema.cards import LocalWeights, ModelCard
    from engine.schema.specs import PhaseSpec

GIB: Final = 2**30
BYTES: Final = {"nf4": 0.6, "bf16": 2.0, "fp32": 4.0}  # of a weight on a card
RUNTIME: Final = 0.6  # GiB: Python with torch and transformers, measured
ON_CARD: Final = 0.8  # GiB: a CUDA context with its libraries
BESIDE_CARD: Final = 2.5  # GiB of main memory for a phase whose model is on a GPU
TOKENS: Final = 350  # in a prompt with its answer, while not yet counted
# bytes that training keeps per token and layer for each unit of the hidden and of the intermediate
# width, where computing takes so many bytes a number: counted from the tensors that autograd saves
# in Qwen2 and Llama with LoRA on all linear layers, in fp32 with dropout
KEPT: Final = {2: (67, 13.5), 4: (75, 19.4)}
AT_ONCE: Final = 64  # sequences that a training pass on a CPU reads, at most
LARGE: Final = 2e8  # parameters from which training on a GPU recomputes, a fifth slower
PASS_OF_CARD: Final = 2 / 3  # share of a GPU's free memory that a training pass may keep
PASS_OF_MACHINE: Final = 1 / 4  # of the main memory, on a CPU
FEW: Final = 8  # answers at once, with fewer of which a GPU would be idle
POCKET: Final = 50e6  # parameters below which two threads don't speed up a matrix product
UNKNOWN_BYTES: Final = 2.0**19  # per token: a 7B model without grouped-query attention
SPARE: Final = 1.3  # what the allocator holds beyond the tensors, measured
SPARE_IN_TRAINING: Final = 1.6  # on a CPU, where every batch has another length; measured


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes that decide a model's memory: layers, width, width of keys and values together
    (per token and layer), vocabulary, width inside the MLP, and whether the output layer shares
    the embedding's weights."""

    layers: int
    hidden: int
    cached: int
    vocabulary: int
    intermediate: int
    tied: bool = True

    @property
    def used(self) -> float:
        """Parameters that a token is multiplied with: attention, the gated MLP and the output
        layer."""
        attention = 2 * self.hidden**2 + self.hidden * self.cached
        each = attention + 3 * self.hidden * self.intermediate
        return float(self.layers * each + self.vocabulary * self.hidden)

    @property
    def stored(self) -> float:
        """Parameters in memory: an embedding of its own is read, not multiplied with."""
        return self.used + (0 if self.tied else self.vocabulary * self.hidden)

    def kept(self, width: int, again: bool) -> float:
        """Bytes of a token that training keeps for its gradient (:data:`KEPT`). ``again``: it
        recomputes, so that it keeps each layer's input, in 16 bits, and all of one layer."""
        hidden, intermediate = KEPT[width]
        one = hidden * self.hidden + intermediate * self.intermediate
        return 2 * self.layers * self.hidden + one if again else self.layers * one


def shape_of(card: ModelCard) -> Shape | None:
    """A model's shape; None without a folder or a parameter count."""
    weights = card.source.weights
    if weights and weights.path:
        found = _shape_of_folder(Path(weights.path).expanduser())
        if found is not None:
            return found
    if card.parameters is None:
        return None
    layers = max(1, round((card.parameters / (12 * 128**2)) ** (1 / 3)))  # width = 128 x layers
    width = 128 * layers
    return Shape(layers, width, 2 * width, 64_000, round(8 / 3 * width))


def is_pocket(card: ModelCard) -> bool:
    """Whether a model is tiny; False when its size is unknown."""
    return 0 < parameters_of(card) < POCKET


def lone_threads(card: ModelCard | None) -> int:
    """CPU threads of a phase that runs alone: all cores for a real model; 1 where more would not
    make it faster."""
    here = card is not None and card.source.needs_device and not is_pocket(card)
    return cores() if here else 1


def parameters_of(card: ModelCard) -> float:
    """A model's number of parameters, from its card or its shape; 0 when unknown."""
    shape = shape_of(card)
    return card.parameters or (shape.used if shape else 0.0)


def bytes_a_token(card: ModelCard) -> float:
    """Bytes of one token's keys and values in 16 bits; a large model's when unknown."""
    shape = shape_of(card)
    return 2.0 * shape.layers * shape.cached if shape else UNKNOWN_BYTES


def shape_in(config: Any) -> Shape:
    """The shape that a text model's configuration tells, by transformers' names of attributes; as
    with one head where it names none, and by the widest MLP where layers differ.

    Raises ``AttributeError``, ``TypeError`` or ``ValueError`` where it doesn't tell.
    """
    hidden, heads = int(config.hidden_size), int(getattr(config, "num_attention_heads", None) or 1)
    size = int(getattr(config, "head_dim", None) or hidden // heads)
    key_heads = int(getattr(config, "num_key_value_heads", None) or heads)
    mlp = getattr(config, "intermediate_size", None) or 4 * hidden
    return Shape(
        layers=int(config.num_hidden_layers),
        hidden=hidden,
        cached=2 * key_heads * size,
        vocabulary=int(config.vocab_size),
        intermediate=int(max(mlp) if isinstance(mlp, list | tuple) else mlp),
        tied=bool(getattr(config, "tie_word_embeddings", True)),
    )


@lru_cache(maxsize=1_000)
def _shape_of_folder(folder: Path) -> Shape | None:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        return shape_in(SimpleNamespace(**config.get("text_config", config)))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return None


def splits(weights: LocalWeights) -> bool:
    """Whether such weights can be split among the processes of a training."""
    return weights.precision != "nf4"


def rough_gib(spec: PhaseSpec, on_gpu: bool) -> float | None:
    """Estimated memory on the GPU, or main memory without one; None for a model that runs
    elsewhere or is of unknown size."""
    card = spec.card
    source = card.source.weights if card else None
    if not card or not source or (shape := shape_of(card)) is None:
        return None
    weights = (card.parameters or shape.stored) * _bytes_a_weight(source, spec, on_gpu)
    free = (smallest_card() - ON_CARD) * GIB - weights if on_gpu else None
    width = _width(source, on_gpu)
    if spec.step is None:
        beside = _answering(spec, shape, width, free)
    else:
        again = on_gpu and parameters_of(card) >= LARGE
        beside = _training(spec.step, shape, shape.kept(width, again), free)
    return (ON_CARD if on_gpu else RUNTIME) + (weights + beside) / GIB


def needed_gib(
    spec: PhaseSpec, on_gpu: bool, history: Mapping[Likeness, Sequence[Witness]]
) -> float | None:
    """:func:`measured_gib`, else :func:`rough_gib`."""
    if not spec.card or not spec.card.source.needs_device:
        return None
    return measured_gib(spec, on_gpu, history) or rough_gib(spec, on_gpu)


def measured_gib(
    spec: PhaseSpec, on_gpu: bool, history: Mapping[Likeness, Sequence[Witness]]
) -> float | None:
    """The most memory that similar phases took on such a device; None where none was measured."""
    past = history.get(likeness(spec), ())
    if on_gpu:
        return max((w.card_memory for w in past if w.card_memory), default=None)
    return max((w.memory for w in past if w.memory and not w.card_memory), default=None)


def _width(source: LocalWeights, on_gpu: bool) -> int:
    """Bytes of a number that is computed with."""
    narrow = on_gpu or (source.precision == "bf16" and has_bf16())
    return 2 if narrow and source.precision != "fp32" else 4


def _bytes_a_weight(source: LocalWeights, spec: PhaseSpec, on_gpu: bool) -> float:
    """Bytes per weight. On a CPU 4-bit weights are unpacked for generation and 16-bit ones computed
    in 32 bits where it has no instructions for them; the 16-bit file stays mapped (2 bytes)."""
    if on_gpu:
        beside = 2.0 if spec.unpacks and source.precision == "nf4" else 0.0
        return BYTES[source.precision] + beside
    if _width(source, on_gpu) == 2:
        return BYTES[source.precision]
    made = {"nf4": 0.6 if spec.trains else 4.6, "bf16": 4.0, "fp32": 4.0}[source.precision]
    return made + (0.0 if source.precision == "fp32" else 2.0)


def _answering(spec: PhaseSpec, shape: Shape, width: int, free: float | None) -> float:
    """Bytes of a full batch's KV cache, and of its logits while a token is drawn; of a smaller one
    where a GPU has less ``free``, as generation takes what fits."""
    generation = spec.generation
    rows = min(generation.max_batch, max(1, generation.token_budget // TOKENS))
    if isinstance(spec, EvaluateSpec) and spec.limit:
        rows = min(rows, spec.limit)
    each = SPARE * (TOKENS * shape.layers * shape.cached * width + 4 * 4 * shape.vocabulary)
    most = math.inf if free is None else free
    return max(min(rows * each, most), min(rows, FEW) * each)


def _training(step: tuple[int, int], shape: Shape, kept: float, free: float | None) -> float:
    """Bytes that one pass keeps for its gradient, ``kept`` a token, with the states of its answers:
    a pass takes what fits into its share of a GPU's ``free`` memory, or of the machine's."""
    rows, longest = step
    each = min(longest, TOKENS) * (kept + 2 * 4 * shape.hidden)
    if free is None:
        most = PASS_OF_MACHINE * memory()[0] * 2**20
        return SPARE_IN_TRAINING * max(each, min(min(rows, AT_ONCE) * each, most))
    if free == math.inf:  # no GPU here
        rows = min(rows, AT_ONCE)
    return SPARE * max(each, min(rows * each, PASS_OF_CARD * free))
