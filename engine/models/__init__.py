"""A card as a model in memory: weights, tokenizer, chat template, adapter."""

import logging

# On CPUs with AVX512-BF16 bitsandbytes warns at its import of a kernel that isn't installed, and
# that :mod:`engine.models.loading` would not let it use.
logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(
    lambda record: "gemm_4bit_forward" not in str(record.msg)
)
