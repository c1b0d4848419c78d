"""Speed of every way of generating, against plain ``generate`` in input order, eight at a time.

    OMP_NUM_THREADS=1 python -m benchmarks.generation --model wren-1m --json generation.json

Variants take turns, so that a busy machine is busy for all of them; medians of the repeats are
printed, and ratios against the baseline of the same run. CPU seconds count all threads.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parent.parent
NEW_TOKENS = 96

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.generation.backends import Request

    Tokens = list[list[int]]
    Run = Callable[[], Tokens]


@dataclass
class Row:
    """Seconds of each repeat, and whether the tokens were the baseline's."""

    name: str
    cpu: list[float]
    wall: list[float]
    tokens: int = 0
    same: bool = True

    def figures(self, base: Row) -> dict[str, Any]:
        cpu, wall = statistics.median(self.cpu), statistics.median(self.wall)
        return {
            "name": self.name,
            "cpu_s": round(cpu, 3),
            "wall_s": round(wall, 3),
            "tokens_per_cpu_s": round(self.tokens / cpu),
            "cpu_ratio": round(statistics.median(base.cpu) / cpu, 2),
            "wall_ratio": round(statistics.median(base.wall) / wall, 2),
            "same_tokens": self.same,
        }


class Bench:
    """A model, the questions of one phase, and the ways to answer them."""

    def __init__(self, options: argparse.Namespace) -> None:
        import torch

        from engine.generation.backends import end_ids
        from engine.models.loading import load
        from engine.models.tokenizing import prepare_prompt
        from engine.pocket.problems import pool
        from engine.pocket.recipes import MODELS
        from engine.pocket.tasks import TASKS
        from engine.schema.cards import LocalWeights, ModelCard, Sampling
        from engine.tasks.prompts import render

        torch.set_num_threads(options.threads)
        source = LocalWeights(path=str(MODELS / options.model), precision="fp32")
        self.loaded = load(ModelCard(name=options.model, family="pocket", source=source))
        torch.set_num_threads(options.threads)
        self.ends = end_ids(self.loaded)
        self.sampling = Sampling(temperature=options.temperature, max_new_tokens=NEW_TOKENS)
        self.prompts = [
            prepare_prompt(
                self.loaded.tokenizer,
                render(TASKS[p.task].instruction, p.question, p.choices, options.style),
            )
            for p in pool(options.task, "test", options.questions)
        ]

    def request(self, part: list[int]) -> Request:
        from engine.generation.backends import Request

        prompts = [self.prompts[i] for i in part]
        return Request(prompts, [NEW_TOKENS] * len(part), part, self.ends, self.sampling)

    def way(self, backend: str, size: int, in_order: bool = False) -> Run:
        """Answer all questions with a backend, in plain chunks or in planned batches."""
        from engine.generation.backends import BACKENDS
        from engine.generation.batching import plan_batches

        count = len(self.prompts)
        lengths = [len(p) for p in self.prompts]
        batches = plan_batches(lengths, NEW_TOKENS, 1 << 30, size)
        if in_order:
            batches = [list(range(i, min(i + size, count))) for i in range(0, count, size)]

        def run() -> Tokens:
            found: Tokens = [[] for _ in self.prompts]
            for batch in batches:
                tokens = BACKENDS[backend](self.loaded, self.request(batch))
                for i, row in zip(batch, tokens, strict=True):
                    found[i] = row
            return found

        return run


def measure(ways: dict[str, Run], repeats: int) -> list[Row]:
    rows = {name: Row(name, [], []) for name in ways}
    wanted: Tokens | None = None
    for _ in range(repeats):
        for name, run in ways.items():
            cpu, wall = time.process_time(), time.perf_counter()
            tokens = run()
            rows[name].cpu.append(time.process_time() - cpu)
            rows[name].wall.append(time.perf_counter() - wall)
            rows[name].tokens = sum(map(len, tokens))
            wanted = tokens if wanted is None else wanted
            rows[name].same &= tokens == wanted
    return list(rows.values())


def processes(options: argparse.Namespace, count: int, threads: int) -> dict[str, Any]:
    """Questions a second of ``count`` processes of the fast loop, while all are running.

    Each answers all questions ``repeats`` times and reports its seconds without start-up.
    """
    command = [
        *(sys.executable, "-m", "benchmarks.generation", "--one", "--threads", str(threads)),
        *("--model", options.model, "--task", options.task, "--style", options.style),
        *("--questions", str(options.questions), "--repeats", str(options.repeats)),
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    running = [
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE)
        for _ in range(count)
    ]
    seconds = [json.loads(p.communicate()[0].splitlines()[-1]) for p in running]
    rate = sum(options.questions / s["wall_s"] for s in seconds)
    return {
        "processes": count,
        "threads": threads,
        "questions_per_s": round(rate, 1),
        "cpu_ms_per_question": round(
            1000 * sum(s["cpu_s"] for s in seconds) / (count * options.questions), 2
        ),
    }


def table(rows: list[dict[str, Any]]) -> str:
    heads = list(rows[0])
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    lines += [" | ".join(str(row[h]) for h in heads) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    options = _options()
    bench = Bench(options)
    fast = bench.way("compact", options.sizes[0])
    fast()  # warm
    if options.one:
        print(json.dumps(measure({"fast": fast}, options.repeats)[0].figures(Row("", [1], [1]))))
        return
    ways = {"generate, input order, 8": bench.way("generate", 8, in_order=True)}
    for size in options.sizes:
        for backend in ("generate", "compact"):
            ways[f"{backend}, planned, {size}"] = bench.way(backend, size)
    rows = measure(ways, options.repeats)
    speeds = [row.figures(rows[0]) for row in rows]
    print(table(speeds), flush=True)
    shares = [processes(options, n, threads) for n, threads in ((1, 1), (1, 2), (2, 1))]
    print(f"\n{table(shares)}")
    if options.json:
        given = {k: v for k, v in vars(options).items() if k != "json"}
        result = {"options": given, "ways": speeds, "processes": shares}
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="wren-1m", help="a pocket model")
    parser.add_argument("--task", default="pocket-sums")
    parser.add_argument("--style", default="cot", choices=["plain", "cot"])
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[128, 64, 256])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
