"""Loads a card's model: weights, tokenizer, chat template and adapter."""

from engine.models import compat

__all__ = ["compat"]  # before PEFT imports bitsandbytes, which compat keeps quiet
