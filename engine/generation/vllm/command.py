"""vLLM's command line and environment, for one model on given devices."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from engine.interfaces import Devices
from engine.machine.devices import environment
from engine.machine.vllm import clean_environment
from engine.planning.engines import CACHED_TOKENS
from engine.planning.memory import BYTES, GIB

if TYPE_CHECKING:
    from engine.generation.vllm.folder import ServerDir

MODEL: Final = "policy"  # the name that the base is asked by
SEATS: Final = 3  # adapters at a time
RANKS: Final = (16, 32, 64, 128, 256, 320, 512)
AT_ONCE: Final = 256  # requests in flight; the server queues what it can't batch
SHORTEST: Final = 2048
MOST_OF_A_CARD: Final = 0.9
LEAST_OF_A_CARD: Final = 0.5
BESIDE_GIB: Final = 2.0  # CUDA's own, and a reference's activations
Dtype = Literal["bfloat16", "float16", "float32"]


@dataclass(frozen=True, slots=True)
class Launch:
    """All that determines how one server is started.

    Attributes:
        origin: what a card calls the model: its hub id or folder.
        model: the folder with the weights.
        revision: the hash of their content, so that replaced weights get a new server.
        nf4: the base is quantised as it is loaded.
        dtype: the data type of its computations.
        length: most tokens of a prompt with its answer.
        rank: the largest adapter that it takes, 0 for none.
        gpus, threads: where it runs; the model is divided among the GPUs.
        cache_gib: for keys and values, where there is no GPU.
        card_share: the share of each GPU's memory that it may take.
    """

    executable: str
    version: str
    origin: str
    model: str
    revision: str
    nf4: bool
    dtype: Dtype
    length: int
    rank: int
    gpus: tuple[int, ...] = ()
    threads: int = 1
    cache_gib: int = 1
    card_share: float = MOST_OF_A_CARD
    trust_remote_code: bool = False

    @property
    def key(self) -> str:
        """16 hex digits; phases with the same key share the server. The number of threads is not
        part of the key."""
        kept = {name: value for name, value in asdict(self).items() if name != "threads"}
        text = json.dumps(kept, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def command(self, port: int) -> tuple[str, ...]:
        """Return the command line. Requests bring token ids and sampling settings, so the model's
        own generation settings are not used."""
        options: list[object] = [
            self.executable, "serve", self.model,
            "--host", "127.0.0.1", "--port", port,
            "--served-model-name", MODEL,
            "--dtype", self.dtype,
            "--max-model-len", self.length,
            "--max-num-seqs", AT_ONCE,
            "--generation-config", "vllm",
            "--disable-uvicorn-access-log",
        ]  # fmt: skip
        if self.nf4:
            options += ["--quantization", "bitsandbytes"]
        if self.rank:
            # the CPU's build answers for a bare base with the last seat's adapter where a batch
            # mixes both, so one seat is always empty
            seats = SEATS + 1
            options += ["--enable-lora", "--max-lora-rank", self.rank, "--max-loras", seats]
        if self.trust_remote_code:
            options += ["--trust-remote-code"]
        if self.gpus:
            options += ["--tensor-parallel-size", len(self.gpus)]
            options += ["--gpu-memory-utilization", self.card_share]
        else:
            # a request's seed with chunked prefill ends the CPU's engine
            options += ["--no-enable-chunked-prefill", "--enforce-eager"]
            options += ["--max-num-batched-tokens", max(4096, self.length)]
        return tuple(map(str, options))

    def environment(self, key: str) -> dict[str, str]:
        """Return the whole environment, without anything of this program's own Python."""
        given = clean_environment() | environment(Devices(self.gpus, self.threads))
        given |= {
            "VLLM_API_KEY": key,
            "VLLM_NO_USAGE_STATS": "1",
            "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
            "HF_HUB_OFFLINE": "1",
        }
        if not self.gpus:
            given |= {"VLLM_CPU_KVCACHE_SPACE": str(self.cache_gib)}
            given |= {"VLLM_CPU_OMP_THREADS_BIND": "nobind"}
            given.pop("CUDA_VISIBLE_DEVICES")
        return given


def read_launch(folder: ServerDir) -> Launch:
    """Read ``launch.json``; ``OSError`` or ``ValueError`` if it is gone or changed."""
    values: dict[str, Any] = json.loads(folder.launch.read_text(encoding="utf-8"))
    return Launch(**values | {"gpus": tuple(values["gpus"])})


def length_for(tokens: int, context: int | None) -> int:
    """Return the length to start a server with, for prompts and answers of ``tokens``: a power of
    two, so that a model's phases share a server, within the model's context."""
    wanted: int = max(SHORTEST, 1 << max(0, tokens - 1).bit_length())
    return wanted if context is None else min(wanted, context)


def rank_for(rank: int) -> int:
    """Return the smallest of vLLM's ranks that holds an adapter's; most adapters fit the first, so
    that they share a server with each other and with the bare base."""
    return next((known for known in RANKS if known >= rank), RANKS[-1])


def cache_for(bytes_a_token: float, length: int, memory_gib: float) -> int:
    """Return the GiB for keys and values on a CPU: for ``CACHED_TOKENS``, at most a quarter of the
    memory, but always enough for one sequence of full length."""
    wanted = math.ceil(CACHED_TOKENS * bytes_a_token / GIB)
    least = math.ceil(length * bytes_a_token / GIB)
    return max(1, least, min(wanted, int(memory_gib / 4)))


def card_share(parameters: float, precision: str, total_mib: float) -> float:
    """Return the share of a GPU's memory to use; the parity check needs the rest."""
    if not total_mib:
        return MOST_OF_A_CARD
    beside = parameters * BYTES[precision] / GIB + BESIDE_GIB
    share = 1 - beside / (total_mib / 1024)
    return round(min(MOST_OF_A_CARD, max(LEAST_OF_A_CARD, share)), 2)
