"""The output layer of a training on a CPU: TRL's function and ours, time and exactness.

    OMP_NUM_THREADS=1 python -m benchmarks.output_layer --vocabulary 151936 --hidden 896 --rows 400

Random states and weights of a model's shape. CPU seconds of log-probabilities with the figures that
the trainers show, there and back, and without gradients; medians of the repeats, which take turns.
*Far*: the gradient from that of the same numbers in 32 bits, relative.
"""

from __future__ import annotations

import argparse
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from engine.training.compat import TRLS_LOG_PROBS
from engine.training.logprobs import KNOWN, AnswerLogProbs

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    LogProbs = Callable[[Tensor, Tensor, Tensor], Tensor]

TILE = 32_768  # of the vocabulary, as TRL's trainers have it


def theirs(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    given: Any = (hidden, weight, None, targets, 1.0, TILE, None, 1.0, ("log_probs", *KNOWN))
    found: Tensor = TRLS_LOG_PROBS.apply(*given)[0]
    return found


def ours(hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    found: Tensor = AnswerLogProbs.apply(hidden, weight, targets, KNOWN)[0]
    return found


def gradient(function: LogProbs, hidden: Tensor, weight: Tensor, targets: Tensor) -> Tensor:
    states = hidden.detach().requires_grad_()
    (-function(states, weight, targets).mean()).backward()
    assert states.grad is not None
    return states.grad.float()


def seconds(work: Callable[[], Any]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabulary", type=int, default=49_152)
    parser.add_argument("--hidden", type=int, default=576)
    parser.add_argument("--rows", type=int, default=600, help="tokens of answers in a pass")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    chance = torch.Generator().manual_seed(0)
    weight = 0.05 * torch.randn(given.vocabulary, given.hidden, generator=chance)
    hidden = 1.5 * torch.randn(given.rows, given.hidden, generator=chance)
    targets = torch.randint(given.vocabulary, (given.rows,), generator=chance)
    weight, hidden = (one.to(getattr(torch, given.dtype)) for one in (weight, hidden))
    ways: dict[str, LogProbs] = {"TRL": theirs, "ours": ours}
    taken: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    exact = gradient(theirs, hidden.float(), weight.float(), targets)
    far = {}
    for _ in range(given.repeats):
        for way, function in ways.items():
            whole = seconds(partial(gradient, function, hidden, weight, targets))
            with torch.no_grad():
                scored = seconds(partial(function, hidden, weight, targets))
            taken[way].append((whole, scored))
    for way, function in ways.items():
        apart = gradient(function, hidden, weight, targets) - exact
        far[way] = float(apart.norm() / exact.norm())
    print("| | there and back, CPU s | without gradients, CPU s | far |\n|---|---|---|---|")
    for way, pairs in taken.items():
        whole, scored = (statistics.median(one) for one in zip(*pairs, strict=True))
        print(f"| {way} | {whole:.2f} | {scored:.2f} | {far[way]:.1e} |")


if __name__ == "__main__":
    main()
