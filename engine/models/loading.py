"""Loads a model card's model: folder, weights, tokenizer, adapter, device.

Only safetensors are read, since unpickling weights can run foreign code. A hub
repository is fetched first, so that every later step sees a folder and every error names a file.
"""

from __future__ import annotations

import gc
import json
import os
import warnings
from collections.abc import Sized
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from peft import PeftModel
from safetensors import SafetensorError, safe_open
from transformers import AutoModelForCausalLM, BitsAndBytesConfig
from transformers.distributed import DistributedConfig
from transformers.utils import logging as transformers_logging

from engine.machine import ranks
from engine.machine.devices import MIB, memory
from engine.models import compat
from engine.models.adapters import CONFIG, WEIGHTS
from engine.models.tokenizing import load_tokenizer
from engine.schema.errors import UserError, nearest, told

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.interfaces import Tell
    from engine.schema.cards import LocalWeights, ModelCard

FILES: Final = ["*.safetensors", "*.json", "*.model", "*.jinja", "*.txt"]
DUPLICATES: Final = ["consolidated*", "original/*", "*/*"]


@dataclass
class Loaded:
    """A model ready to answer or to be trained.

    Attributes:
        model: a causal language model, or a ``PeftModel`` whose adapter is named ``default``.
        tokenizer: with a chat template and a pad token that is no end token.
        device: where inputs go; with several GPUs the one with the first layer.
        commit: of the weights' hub repository; None for a folder.
        backend: the one that ``auto`` generation chose, once it has.
    """

    model: Any
    tokenizer: Any
    device: torch.device
    commit: str | None = None
    backend: str | None = None


def load(
    card: ModelCard,
    adapter: Path | None = None,
    *,
    trainable: bool = False,
    shard: bool = False,
    tell: Tell = lambda *_: None,
    doing: Callable[[str], None] = lambda _text: None,
) -> Loaded:
    """Load a card's weights with an adapter on top; ``UserError`` when that can't be done.
    ``doing`` is called with its progress.

    ``trainable`` keeps an NF4 base quantised and the adapter in fp32 with gradients (TRL casts
    adapters to bf16, in which small updates round away). Without it the model is in eval mode.
    ``shard`` splits the base's weights among this phase's processes (FSDP2), of which each then has
    the whole adapter; all must compute with it at the same time.
    """
    source = card.weights
    set_threads()
    folder, tokenizer = open_folder(card, tell, doing)
    commit = folder.name if source.hub else None  # as the hub's cache names it
    with _telling_tensors(doing):
        model = _load_weights(folder, source, shard)
    _read_last_states_whole(model)
    if not trainable and source.precision == "nf4" and _unpacking_pays(model):
        model = model.dequantize(torch.float32)
    if adapter is not None:
        model = _with_adapter(model, adapter, trainable)
    if not trainable:
        model.eval().requires_grad_(False)
    return Loaded(model, tokenizer, _input_device(model), commit)


def open_folder(card: ModelCard, tell: Tell, doing: Callable[[str], None]) -> tuple[Path, Any]:
    """The folder with a card's weights, downloaded if necessary, and its tokenizer."""
    source = card.weights
    doing("loading weights" if source.path else f"fetching {source.hub}")
    folder = fetch(source, card.name)
    if source.hub:
        tell(f"{source.hub}: commit {folder.name}")
    if source.trust_remote_code:
        tell(f"{card.name}: runs Python code that comes with the weights (trust_remote_code)")
    return folder, load_tokenizer(folder, source, card.name, tell)


def release(loaded: Loaded) -> None:
    """Free the model's memory; ``loaded`` can't be used afterwards."""
    loaded.model = None
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def quiet() -> None:
    """Silence libraries' notes and progress bars, since the command line has its own."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def set_threads() -> None:
    """Apply ``OMP_NUM_THREADS`` even if it was set after torch's import (in a fork)."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdigit() and int(wanted) > 0:
        torch.set_num_threads(int(wanted))


def fetch(source: LocalWeights, card: str) -> Path:
    """The folder with the weights; a hub repository is downloaded into the hub's own cache."""
    if source.path is None:
        folder = _download(source)
    else:
        folder = Path(source.path).expanduser()
        if not folder.is_dir():
            names = [p.name for p in folder.parent.iterdir()] if folder.parent.is_dir() else []
            hint = nearest(folder.name, names)
            raise UserError(f"card {card!r}: source.path: {folder}: no such folder; {hint}")
    if not (folder / "config.json").is_file():
        raise UserError(f"{folder}: no config.json, so this is no model in transformers' format")
    _check_weight_files(folder)
    return folder


def _download(source: LocalWeights) -> Path:
    import httpx2
    from huggingface_hub import errors, snapshot_download

    hub = str(source.hub)
    try:
        path = snapshot_download(
            hub,
            revision=source.revision,
            allow_patterns=[*FILES, "*.py"] if source.trust_remote_code else FILES,
            ignore_patterns=DUPLICATES,
        )
    except errors.GatedRepoError:
        raise UserError(
            f"{hub}: gated; accept its licence at https://huggingface.co/{hub} and log in with"
            " `hf auth login` or set HF_TOKEN"
        ) from None
    except errors.RevisionNotFoundError:
        raise UserError(f"{hub}: source.revision: no {source.revision!r} on the hub") from None
    except (errors.RepositoryNotFoundError, errors.HFValidationError):
        raise UserError(
            f"{hub}: no such model on the hub, or a private one: check source.hub, or log in with"
            " `hf auth login`; for a folder use source.path"
        ) from None
    except (errors.LocalEntryNotFoundError, ConnectionError, httpx2.TransportError):
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise UserError(
            f"{hub}: not in the local cache and the hub can't be reached{offline}; go online once,"
            " copy the hub cache (HF_HOME) here, or give the weights' folder as source.path"
        ) from None
    return Path(path)


def _check_weight_files(folder: Path) -> None:
    """Check that all safetensors files of the model are there and whole."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        names = sorted(set(json.loads(index.read_text())["weight_map"].values()))
    else:
        names = ["model.safetensors"]
    for name in names:
        file = folder / name
        if not file.exists():
            pickles = [p.name for p in (*folder.glob("*.bin"), *folder.glob("*.pt*"))]
            reason = (
                f"only {pickles[0]}, a pickle that could run code; convert it to safetensors"
                if pickles
                else "not there; copy or download it again"
            )
            raise UserError(f"{folder}: weights {name}: {reason}")
        _check_whole(file)


def _check_whole(file: Path) -> None:
    """Check a file by its header, which is enough to detect truncation."""
    try:
        with safe_open(file, framework="pt"):
            pass
    except SafetensorError as error:
        raise UserError(f"{file}: damaged ({error}); copy or download it again") from None


def _load_weights(folder: Path, source: LocalWeights, shard: bool) -> Any:
    """The base model in the card's precision, on the devices this process may use."""
    dtype = compute_dtype(source.precision)
    split = {"distributed_config": DistributedConfig(fsdp_size=ranks.world())}
    quantised = _nf4(dtype) if source.precision == "nf4" else None
    try:
        return AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=dtype,
            quantization_config=quantised,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=source.trust_remote_code,
            **(split if shard else {"device_map": device_map()}),
        )
    except torch.OutOfMemoryError:
        raise UserError(
            f"{folder}: does not fit on the device in {source.precision}; use source.precision:"
            " nf4, more GPUs or a smaller model"
        ) from None
    except (OSError, ValueError) as error:
        first = told(error).strip().splitlines()[0]
        hint = " (set source.trust_remote_code: true)" if "trust_remote_code" in str(error) else ""
        raise UserError(f"{folder}: can't be loaded: {first}{hint}") from error


@contextmanager
def _telling_tensors(doing: Callable[[str], None]) -> Iterator[None]:
    """Report transformers' progress bars in words too; the bars stay as they are."""

    def counted(rows: Any, what: str) -> Iterator[Any]:
        for done, row in enumerate(rows):
            doing(f"{what}: {done} of {len(rows)}")
            yield row

    def bar(make: Callable[..., Any], args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        if not args or not isinstance(args[0], Sized):
            return make(*args, **options)
        what = str(options.get("desc") or "loading").lower()
        named = {"total": len(args[0])} | options
        return make(counted(args[0], what), *args[1:], **named)

    before = transformers_logging.set_tqdm_hook(bar)
    try:
        yield
    finally:
        transformers_logging.set_tqdm_hook(before)


def _read_last_states_whole(model: Any) -> None:
    """Make the last position's states contiguous. For a view with gaps torch 2.13's matmul expands
    the output matrix to ``[rows, hidden, vocabulary]``: five times the memory and time when a
    0.5B model reads prompts."""
    output = model.get_output_embeddings()
    if output is not None:
        output.register_forward_pre_hook(lambda _module, states: (states[0].contiguous(),))


def compute_dtype(precision: str) -> torch.dtype:
    """The compute dtype. NF4 computes in 16 bits on a GPU, as in the paper; on CPUs in fp32, which
    is faster there and keeps unpacked 4-bit weights exact. On a CPU without instructions for
    16 bits these take ten times as long as 32."""
    if precision == "fp32" or (precision == "nf4" and not torch.cuda.is_available()):
        return torch.float32
    if not torch.cuda.is_available():
        return torch.bfloat16 if compat.cpu_has_bf16() else torch.float32
    if torch.cuda.is_available() and not torch.cuda.is_bf16_supported():
        return torch.float16
    return torch.bfloat16


def _nf4(dtype: torch.dtype) -> BitsAndBytesConfig:
    compat.ready_bitsandbytes()
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def device_map() -> str | dict[str, Any]:
    """The devices for the layers: the only one; of several processes each its own GPU; all GPUs
    where a single process sees several."""
    if not torch.cuda.is_available():
        return {"": "cpu"}
    if (own := ranks.own_gpu()) is not None:
        return {"": own}
    return "auto" if torch.cuda.device_count() > 1 else {"": 0}


def _with_adapter(model: Any, adapter: Path, trainable: bool) -> Any:
    if not (adapter / CONFIG).is_file():
        raise UserError(f"{adapter}: no {CONFIG}, so this is no PEFT adapter")
    weights = adapter / WEIGHTS
    if not weights.exists():
        raise UserError(f"{weights}: not there; only safetensors adapters are read")
    _check_whole(weights)
    try:
        # PEFT casts 16-bit adapters to fp32 here; TRL casts them back, see training.
        return PeftModel.from_pretrained(model, adapter, is_trainable=trainable)
    except (RuntimeError, ValueError) as error:
        first = str(error).strip().splitlines()[0]
        raise UserError(f"{adapter}: doesn't fit the model: {first}") from error


def _unpacking_pays(model: Any) -> bool:
    """Whether to unpack 4-bit weights to fp32 once: on a CPU with enough memory.

    The values are exact, so the logits are the same bit for bit; unpacking at each multiplication
    takes a quarter to a third of the time even with 128 sequences at once.
    """
    if torch.cuda.is_available():
        return False
    weights = sum(p.numel() * (2 if p.dtype == torch.uint8 else 1) for p in model.parameters())
    return 2 * 4 * weights < memory()[1] * MIB


def _input_device(model: Any) -> torch.device:
    return model.get_input_embeddings().weight.device
