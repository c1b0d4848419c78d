"""A SentencePiece ``tokenizer.model`` alone reads and writes as SentencePiece does."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest
import sentencepiece
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from engine.models.loading import load
from engine.models.templates import turn_end
from engine.models.tokenizing import prepare_answer, prepare_prompt
from tests.engine.test_templates import SHIPPED, TURNS, WORDS, card

if TYPE_CHECKING:
    from pathlib import Path


def sentencepiece_folder(folder: Path, **options: Any) -> Any:
    """A model's folder whose tokenizer is a ``tokenizer.model`` alone, and that tokenizer."""
    written = io.BytesIO()
    corpus = [f"{one} and {other} {n}" for one in WORDS for other in WORDS for n in range(40)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus), model_writer=written, byte_fallback=True,
        vocab_size=400, hard_vocab_limit=False, minloglevel=3, **options,
    )  # fmt: skip
    processor = sentencepiece.SentencePieceProcessor(model_proto=written.getvalue())
    config = LlamaConfig(
        vocab_size=processor.vocab_size(),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    (folder / "tokenizer.model").write_bytes(written.getvalue())
    return processor


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
@pytest.mark.parametrize("rules", ["identity", "nmt_nfkc"])
def test_a_sentencepiece_model_alone_reads_as_sentencepiece_does(
    tmp_path: Path, kind: str, rules: str
) -> None:
    source = sentencepiece_folder(tmp_path, model_type=kind, normalization_rule_name=rules)
    template = str(SHIPPED / "llama-2.jinja")
    tokenizer = load(card(path=str(tmp_path), chat_template=template)).tokenizer
    for text in [*WORDS, "  two   spaces ", "\u00fc\u65e5 7", "the box\nthe pen"]:
        assert tokenizer(text, add_special_tokens=False).input_ids == source.encode(text)
        assert tokenizer.decode(source.encode(text)) == source.decode(source.encode(text))
    ids = prepare_prompt(tokenizer, WORDS[0])
    assert ids == [source.bos_id(), *source.encode(f"[INST] {WORDS[0]} [/INST]")]
    assert prepare_answer(tokenizer, "seven", "stop") == [*source.encode("seven"), source.eos_id()]
    marks = prepare_prompt(tokenizer, "the </s> and <s>")  # which a Unigram model finds likely
    assert (marks.count(source.eos_id()), marks.count(source.bos_id())) == (0, 1)
    tokenizer.save_pretrained(tmp_path / "saved")
    again = AutoTokenizer.from_pretrained(tmp_path / "saved")
    assert prepare_prompt(again, WORDS[1]) == prepare_prompt(tokenizer, WORDS[1])


@pytest.mark.parametrize("how", ["control_symbols", "user_defined_symbols"])
def test_symbols_of_a_sentencepiece_model_are_tokens(tmp_path: Path, how: str) -> None:
    sentencepiece_folder(tmp_path, model_type="bpe", **{how: ["[B]", "[E]"]})
    template = tmp_path / "turns.jinja"
    template.write_text(TURNS)
    tokenizer = load(card(path=str(tmp_path), chat_template=str(template))).tokenizer
    assert tokenizer.convert_ids_to_tokens(turn_end(tokenizer).token) == "[E]"
    tokens = tokenizer.convert_ids_to_tokens(prepare_prompt(tokenizer, "the box"))
    assert tokens.count("[B]") == 2
    assert tokens.count("[E]") == 1
