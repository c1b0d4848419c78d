"""One child of ``benchmarks/gpu.py``: parts of one side on one model, each within its own time.

Before a part and after it a line goes to the file of results, so that a child that dies, hangs or
is killed has lost one part alone.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import shutil
import threading
import time
import traceback
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from benchmarks.on_gpu import shapes, texts
from engine.schema.cards import LocalWeights, ModelCard, Sampling

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Part = Callable[["Bench"], dict[str, Any]]

GIB = 2**30
LEAST_S = 5.0  # a part that has less time is left out


@dataclass(frozen=True, slots=True)
class Sizes:
    """How much each part does. The paper's: batches of 4 and 128, 512 new tokens at most."""

    lengths: texts.Lengths = texts.USUAL
    demonstrations: int = 80  # 20 steps
    questions: int = 128
    new_tokens: int = 512
    few_pairs: int = 90
    few: int = 8
    few_steps: int = 20
    many_pairs: int = 143  # of which a tenth is held out
    many: int = 128


TINY = Sizes(texts.TINY, 12, 6, 12, 12, 2, 4, 10, 8)


@dataclass
class Bench:
    """Where a model is, what its parts work with, and whether the present one's time is up.

    Attributes:
        folder: of weights and runs, shared by the children.
        stopping: set when the present part's time is up.
        at_limit: what else is done then.
    """

    name: str
    folder: Path
    tiny: bool
    memory_gib: float
    stopping: threading.Event = field(default_factory=threading.Event)
    at_limit: Callable[[], Any] = lambda: None
    _ballast: Any = None

    @property
    def device(self) -> str:
        return "cuda" if torch.cuda.is_available() else "cpu"

    @property
    def weights(self) -> Path:
        return self.folder / self.name

    @cached_property
    def sizes(self) -> Sizes:
        return TINY if self.tiny else Sizes()

    @cached_property
    def sampling(self) -> Sampling:
        return Sampling(max_new_tokens=self.sizes.new_tokens)

    @property
    def card(self) -> ModelCard:
        source = LocalWeights(path=str(self.weights), revision="random", precision="nf4")
        return ModelCard(name=self.name, family="random", source=source, sampling=self.sampling)

    def writer(self) -> texts.Writer:
        vocabulary = shapes.config_of(self.name, self.tiny).vocab_size
        return texts.Writer(vocabulary, self.sizes.lengths)

    def make_card_small(self) -> None:
        """Fill the card until it has as much memory left as the one that is stood in for."""
        if self.device == "cuda" and self.memory_gib:
            spare = torch.cuda.mem_get_info()[0] - int(self.memory_gib * GIB)
            self._ballast = torch.empty(max(0, spare), dtype=torch.uint8, device="cuda")

    def clear(self) -> None:
        """A part starts with the memory that the one before it has given back."""
        gc.collect()
        if self.device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()

    def peak_gib(self) -> float:
        """Most memory of tensors since :meth:`clear`; on a CPU of the process, since it began."""
        if self.device == "cuda":
            filled = self._ballast.nbytes if self._ballast is not None else 0
            return round((torch.cuda.max_memory_allocated() - filled) / GIB, 2)
        return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)

    def ensure_weights(self) -> float:
        """Seconds that it took to make them; 0 when they are there."""
        began = time.perf_counter()
        if not (self.weights / "model.safetensors.index.json").is_file():
            shutil.rmtree(self.weights, ignore_errors=True)
            shapes.make(self.name, self.weights, self.device, self.tiny)
        return round(time.perf_counter() - began, 1)


def main(side: str, parts: Mapping[str, Part]) -> None:
    """Run the parts that the command line names, in its order."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="+", metavar="PART:SECONDS")
    parser.add_argument("--model", required=True, choices=list(shapes.SHAPES))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--until", type=float, required=True, help="seconds since the epoch")
    parser.add_argument("--memory-gib", type=float, default=0.0)
    parser.add_argument("--tiny", action="store_true")
    given = parser.parse_args()
    bench = Bench(given.model, given.folder, given.tiny, given.memory_gib)
    bench.make_card_small()
    for text in given.parts:
        name, _, seconds = text.partition(":")
        limit = min(float(seconds), given.until - time.time())
        with given.results.open("a") as file:
            head = {"model": given.model, "side": side, "part": name}
            for line in _lines(bench, parts[name], limit):
                file.write(json.dumps(head | line) + "\n")
                file.flush()


def _lines(bench: Bench, part: Part, limit: float) -> Any:
    """What is told of a part: that it starts, then how it ended and what it found."""
    if limit < LEAST_S:
        yield {"state": "skipped", "why": "no time was left"}
        return
    yield {"state": "started", "at": time.time(), "limit_s": round(limit, 1)}
    bench.clear()
    bench.stopping.clear()
    bench.at_limit = lambda: None
    alarm = threading.Timer(limit, lambda: (bench.stopping.set(), bench.at_limit()))
    alarm.daemon = True
    alarm.start()
    began = time.perf_counter()
    try:
        found = {"state": "done"} | part(bench)
    except Exception as error:  # the other parts are worth their time all the same
        traceback.print_exc()
        first = (str(error).strip().splitlines() or [""])[0]
        found = {"state": "failed", "why": f"{type(error).__name__}: {first}"}
    finally:
        alarm.cancel()
    if found["state"] == "done" and bench.stopping.is_set():
        found["state"] = "stopped"
    yield found | {"seconds": round(time.perf_counter() - began, 1), "peak_gib": bench.peak_gib()}
