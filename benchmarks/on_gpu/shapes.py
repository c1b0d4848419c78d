"""Models of the paper's shapes as folders that anything loads: random weights, made on the card.

The speed and the memory of a model don't depend on what its weights say. The tokenizer knows as
many words as the model has tokens (``w17``), so lengths in tokens are set exactly. Answers end at
one of many tokens, for about as long as answers to word problems are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor
    from transformers import PretrainedConfig

SPECIAL: Final = ("<unk>", "<s>", "</s>", "<pad>")
ANSWER_TOKENS: Final = 180  # of which an answer ends after so many, on the mean
SHARD_BYTES: Final = 4 << 30
SPREAD: Final = 0.02  # standard deviation, as the models' own initialisation has it
TEMPLATE: Final = (
    "{{ bos_token }}{% for message in messages %}{% if message.role == 'user' %}"
    "[INST] {{ message.content }} [/INST]{% else %} {{ message.content }} {{ eos_token }}"
    "{% endif %}{% endfor %}"
)
LLAMA: Final[dict[str, Any]] = {
    "vocab_size": 32_000,
    "hidden_size": 4096,
    "intermediate_size": 11_008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "max_position_embeddings": 4096,
}
MISTRAL: Final[dict[str, Any]] = LLAMA | {
    "intermediate_size": 14_336,
    "num_key_value_heads": 8,
    "max_position_embeddings": 32_768,
    "sliding_window": None,  # as version 0.2 has it, the one of the card
    "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
}
TINY: Final[dict[str, Any]] = {
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
SHAPES: Final = {"llama-2-7b": (LlamaConfig, LLAMA), "mistral-7b": (MistralConfig, MISTRAL)}


def config_of(name: str, tiny: bool) -> PretrainedConfig:
    kind, numbers = SHAPES[name]
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 3}
    shape = numbers | (TINY if tiny else {})
    return kind(**shape, **ids, tie_word_embeddings=False, dtype="bfloat16")


def make(name: str, folder: Path, device: str, tiny: bool = False) -> None:
    """Write the folder, ``model.safetensors.index.json`` last: its presence means whole."""
    folder.mkdir(parents=True, exist_ok=True)
    config = config_of(name, tiny)
    config.architectures = [AutoModelForCausalLM._model_mapping[type(config)].__name__]
    config.save_pretrained(folder)
    ends = range(len(SPECIAL), len(SPECIAL) + ends_of(config.vocab_size))
    GenerationConfig(eos_token_id=[2, *ends], pad_token_id=3).save_pretrained(folder)
    tokenizer_of(config.vocab_size).save_pretrained(folder)
    places, total = {}, 0
    for number, shard in enumerate(_shards(config, device)):
        file = f"model-{number:05}.safetensors"
        save_file(shard, folder / file, metadata={"format": "pt"})
        places |= dict.fromkeys(shard, file)
        total += sum(weights.nbytes for weights in shard.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def ends_of(vocabulary: int) -> int:
    """How many tokens end an answer, for a model that says any token as readily as another."""
    return max(1, vocabulary // ANSWER_TOKENS)


def tokenizer_of(vocabulary: int) -> PreTrainedTokenizerFast:
    words = [*SPECIAL, *(f"w{i}" for i in range(len(SPECIAL), vocabulary))]
    inner = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token="<unk>"))
    inner.pre_tokenizer = Whitespace()
    unknown, begin, end, pad = SPECIAL
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token=unknown,
        bos_token=begin,
        eos_token=end,
        pad_token=pad,
        chat_template=TEMPLATE,
    )


def _shards(config: PretrainedConfig, device: str) -> Iterator[dict[str, Tensor]]:
    """Named weights in host memory, as many at a time as a file holds."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    chance = torch.Generator(device).manual_seed(0)
    shard: dict[str, Tensor] = {}
    for name, weights in model.state_dict().items():
        made = torch.ones(weights.shape, dtype=torch.bfloat16, device=device)
        if made.dim() > 1:  # the others are norms
            made.normal_(0.0, SPREAD, generator=chance)
        shard[name] = made.cpu()
        if sum(one.nbytes for one in shard.values()) >= SHARD_BYTES:
            yield shard
            shard = {}
    yield shard
