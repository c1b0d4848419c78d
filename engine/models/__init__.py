"""A card as a model in memory: weights, tokenizer, chat template, adapter."""

from engine.models import compat

__all__ = ["compat"]  # before PEFT imports bitsandbytes, which compat keeps quiet
