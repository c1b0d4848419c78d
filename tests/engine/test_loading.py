"""Loading: what is refused and how it is said, 4-bit weights, adapters, pad tokens, templates."""

from __future__ import annotations

import logging
import shutil
import sys
from pathlib import Path
from typing import Any

import httpx2
import huggingface_hub
import pytest
import torch
from bitsandbytes.nn import Linear4bit
from huggingface_hub import errors
from peft import LoraConfig, PeftModel, get_peft_model
from tokenizers.processors import TemplateProcessing
from transformers import LlamaConfig, LlamaForCausalLM

from engine.models.loading import load, release
from engine.models.tokenizing import ensure_pad, prepare_prompt
from engine.pocket.tokenizer import build_tokenizer
from engine.schema.cards import LocalWeights, ModelCard
from engine.schema.errors import UserError
from tests.engine.small_llama import small_llama

LLAMA_2 = (
    "{% for m in messages %}{% if m['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + ' ' + eos_token }}{% endif %}{% endfor %}"
)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    tokenizer = build_tokenizer("wren")
    small_llama(len(tokenizer), max_position_embeddings=256).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def copy(weights: Path, tmp_path: Path) -> Path:
    return shutil.copytree(weights, tmp_path / "copy")


def card(**source: Any) -> ModelCard:
    return ModelCard(name="tiny", family="x", source=LocalWeights(**source))


def refused(**source: Any) -> str:
    with pytest.raises(UserError) as caught:
        load(card(**source))
    said = str(caught.value)
    assert "\n" not in said
    return said


@pytest.mark.slow
def test_nf4_wants_all_four_and_keeps_gradients_right_after_an_eval_forward(weights: Path) -> None:
    model = load(card(path=str(weights), precision="nf4"), trainable=True).model
    layers = [m for m in model.modules() if isinstance(m, Linear4bit)]
    assert len(layers) == 2 * 7
    for layer in layers:
        state = layer.weight.quant_state
        assert (state.quant_type, state.nested, state.dtype) == ("nf4", True, torch.float32)
        assert layer.compute_dtype == torch.float32
    model = get_peft_model(model, LoraConfig(r=2, target_modules=["q_proj"], lora_alpha=4))
    ids = torch.arange(5, 25)[None]

    def gradient() -> torch.Tensor:
        model.train().zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    before = gradient()
    with torch.no_grad():
        model.eval()(input_ids=ids)
    assert before.abs().sum() > 0
    torch.testing.assert_close(gradient(), before)


def test_unpacked_4bit_weights_answer_bit_for_bit_as_packed_ones(weights: Path) -> None:
    packed = load(card(path=str(weights), precision="nf4"), trainable=True).model.eval()
    unpacked = load(card(path=str(weights), precision="nf4")).model
    dense = load(card(path=str(weights), precision="fp32")).model
    assert not any(isinstance(m, Linear4bit) for m in unpacked.modules())
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        logits = [m(input_ids=ids).logits for m in (packed, unpacked, dense)]
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])  # quantising did change the weights


@pytest.mark.slow
def test_adapter_is_the_default_one_in_fp32_and_changes_the_logits(
    weights: Path, tmp_path: Path
) -> None:
    source = {"path": str(weights), "precision": "bf16"}
    bare = load(card(**source)).model
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        before = bare(input_ids=ids).logits
    config = LoraConfig(r=2, target_modules=["q_proj"], init_lora_weights=False)
    get_peft_model(bare, config).save_pretrained(tmp_path / "adapter")

    trained = load(card(**source), tmp_path / "adapter", trainable=True).model
    assert isinstance(trained, PeftModel)
    assert trained.active_adapter == "default"
    moving = [p for p in trained.parameters() if p.requires_grad]
    assert len(moving) == 2 * 2
    assert {p.dtype for p in moving} == {torch.float32}

    loaded = load(card(**source), tmp_path / "adapter")
    assert not any(p.requires_grad for p in loaded.model.parameters())
    assert not loaded.model.training
    with torch.no_grad():
        assert not torch.equal(loaded.model(input_ids=ids).logits, before)
    release(loaded)
    assert loaded.model is None


def test_adapter_of_another_model_is_refused(weights: Path, tmp_path: Path) -> None:
    other = LlamaForCausalLM(
        LlamaConfig(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=1,
                    num_attention_heads=2)
    )  # fmt: skip
    adapter = tmp_path / "adapter"
    get_peft_model(other, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(adapter)
    with pytest.raises(UserError, match="doesn't fit the model"):
        load(card(path=str(weights), precision="fp32"), adapter)
    with pytest.raises(UserError, match=r"no adapter_config\.json"):
        load(card(path=str(weights), precision="fp32"), tmp_path)


def test_missing_folder_names_the_nearest(weights: Path) -> None:
    said = refused(path=str(weights.parent / "tiny-lama"))
    assert "no such folder; did you mean 'tiny-llama'?" in said


def test_folder_without_config(copy: Path) -> None:
    (copy / "config.json").unlink()
    assert "no config.json" in refused(path=str(copy))


def test_pickled_weights_are_never_read(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    assert "convert it to safetensors" in refused(path=str(copy))


@pytest.mark.parametrize("keep", [0.5, 0.0])
def test_damaged_weights_name_the_file(copy: Path, keep: float) -> None:
    file = copy / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])
    said = refused(path=str(copy))
    assert str(file) in said
    assert "damaged" in said


def test_missing_shard_is_named(copy: Path) -> None:
    (copy / "model.safetensors.index.json").write_text(
        '{"weight_map": {"a": "model.safetensors", "b": "model-2.safetensors"}}'
    )
    assert "model-2.safetensors: not there" in refused(path=str(copy))


def test_hub_id_without_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    said = refused(hub="meta-llama/Llama-2-7b-chat-hf")
    assert said.startswith("meta-llama/Llama-2-7b-chat-hf: not in the local cache and the hub")


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        (errors.GatedRepoError, "accept its licence"),
        (errors.RepositoryNotFoundError, "no such model on the hub"),
        (errors.RevisionNotFoundError, "source.revision: no 'v9'"),
    ],
)
def test_what_the_hub_refuses(monkeypatch: pytest.MonkeyPatch, kind: Any, hint: str) -> None:
    def refuse(*_: Any, **__: Any) -> str:
        request = httpx2.Request("GET", "http://localhost")
        raise kind("no", response=httpx2.Response(403, request=request))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    assert hint in refused(hub="meta-llama/Llama-2-7b-chat-hf", revision="v9")


def test_the_hubs_commit_is_told(weights: Path, tmp_path: Path, monkeypatch: Any) -> None:
    snapshot = shutil.copytree(weights, tmp_path / "snapshots" / "5f0b02c")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(snapshot))
    told: list[str] = []
    load(card(hub="some/model", precision="fp32"), tell=told.append)
    assert told == ["some/model: commit 5f0b02c"]


def test_nf4_without_bitsandbytes(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes.nn.modules", None)
    assert "needs bitsandbytes" in refused(path=str(weights), precision="nf4")


def test_no_chat_template_names_the_cards_key(copy: Path, tmp_path: Path) -> None:
    (copy / "chat_template.jinja").unlink()
    source = {"path": str(copy), "precision": "fp32"}
    assert "source.chat_template" in refused(**source)
    template = tmp_path / "mine.jinja"
    template.write_text("{% for m in messages %}<{{ m['content'] }}>{% endfor %}")
    tokenizer = load(card(**source, chat_template=str(template))).tokenizer
    assert tokenizer.decode(prepare_prompt(tokenizer, "hi")) == "<hi>"
    assert tokenizer.padding_side == "left"
    assert "did you mean 'mine.jinja'?" in refused(
        **source, chat_template=str(tmp_path / "mime.jinja")
    )
    template.write_text("{% for m in messages %}")
    assert "template is broken" in refused(**source, chat_template=str(template))
    template.write_text("always the same")
    assert "leaves out the user's message" in refused(**source, chat_template=str(template))


@pytest.mark.parametrize("template", [LLAMA_2, None])
def test_prompt_has_one_begin_token_whatever_the_tokenizer_adds(template: str | None) -> None:
    tokenizer = build_tokenizer("otter")
    tokenizer.chat_template = template or tokenizer.chat_template
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", tokenizer.bos_token_id)]
    )
    assert tokenizer("x").input_ids[0] == tokenizer.bos_token_id
    ids = prepare_prompt(tokenizer, "How many?")
    assert ids.count(tokenizer.bos_token_id) == 1
    assert tokenizer.eos_token_id not in ids
    assert ids[-1] == tokenizer.convert_tokens_to_ids("[/INST]")


@pytest.mark.slow
def test_pad_token_is_chosen_among_special_tokens_and_is_never_the_end() -> None:
    tokenizer = build_tokenizer("otter")
    size = len(tokenizer)
    told: list[str] = []
    tokenizer.pad_token = tokenizer.eos_token
    ensure_pad(tokenizer, Path("x"), told.append)
    assert tokenizer.pad_token == "<pad>"  # still in the vocabulary, as a reserved token
    assert len(tokenizer) == size
    assert "'<pad>'" in told[0]

    wren = build_tokenizer("wren")
    wren.pad_token = None
    ensure_pad(wren, Path("x"), told.append)
    assert wren.pad_token_id != wren.eos_token_id


def test_no_token_can_pad() -> None:
    tokenizer = build_tokenizer("wren")
    tokenizer.pad_token = tokenizer.eos_token
    tokenizer.get_added_vocab = dict
    with pytest.raises(UserError, match="pad_token: is missing"):
        ensure_pad(tokenizer, Path("x"), lambda _: None)


def test_bitsandbytes_says_everything_but_that_a_kernel_is_missing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("bitsandbytes.backends.cpu.ops")
    logger.warning("Failed to load CPU gemm_4bit_forward from kernels-community: %s.", "no kernels")
    logger.warning("something else")
    assert caplog.messages == ["something else"]
