"""Corrects tokenizers that transformers reads from a SentencePiece model alone.

Transformers takes pieces and merges from such a file, but not the space that SentencePiece puts
before a text, its treatment of white space, and the pieces that are whole symbols. Without
these a model sees other tokens than it was trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tokenizers import AddedToken, Regex, decoders, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast

if TYPE_CHECKING:
    from pathlib import Path

SPACE: Final = "▁"
CONTROL, USER_DEFINED = 3, 4  # kinds of pieces in SentencePiece's protocol


def mend(tokenizer: Any, folder: Path) -> None:
    """Complete ``tokenizer`` if it was read from ``folder/tokenizer.model`` by a generic
    class."""
    file = folder / "tokenizer.model"
    known_better = (folder / "tokenizer.json").exists() or not file.exists()
    if known_better or type(tokenizer) is not PreTrainedTokenizerFast:
        return
    from sentencepiece import sentencepiece_model_pb2

    model = sentencepiece_model_pb2.ModelProto.FromString(file.read_bytes())
    symbols = {
        piece.piece: piece.type for piece in model.pieces if piece.type in (CONTROL, USER_DEFINED)
    }
    tokenizer.add_tokens(
        [AddedToken(s, normalized=False, special=kind == CONTROL) for s, kind in symbols.items()]
    )
    inline = USER_DEFINED in symbols.values()
    rules, prefix = model.normalizer_spec, model.normalizer_spec.add_dummy_prefix
    steps: list[Any] = []
    if rules.precompiled_charsmap:
        steps.append(normalizers.Precompiled(rules.precompiled_charsmap))
    if rules.remove_extra_whitespaces:
        steps += [normalizers.Replace(Regex(x), y) for x, y in (("^ +| +$", ""), (" {2,}", " "))]
    # Around control pieces SentencePiece reads each part by itself, with a space before it; a
    # symbol of the user's is part of the text, and only its beginning gets one.
    if prefix and not inline:
        steps.append(normalizers.Prepend(SPACE))
    scheme = "first" if prefix and inline else "never"
    backend = tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Sequence(steps)
    backend.pre_tokenizer = pre_tokenizers.Metaspace(SPACE, prepend_scheme=scheme, split=False)
    strip = [decoders.Strip(" ", left=1)] if prefix else []
    backend.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
