"""The builtin engine against others, as phases ask them: the same questions, the same scores.

    OMP_NUM_THREADS=1 python -m benchmarks.engines --model DIR --task gsm8k --test FILE

``--model``: a model's folder; ``--adapter``: one that was trained on it. vLLM is found as the
program finds it (``sirt doctor``). ``generate`` is transformers' own, eight prompts at a time;
``llama.cpp`` its server (:mod:`benchmarks.llama`), which reads its own file and fills in the file's
own chat template. Speed is that of the answers, after the start; CPU seconds count all processes.
The parity is what the check before the questions finds.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.llama import served
from engine import catalog
from engine.generation.endpoint.openai_compatible import EndpointProvider
from engine.generation.engines import LocalModel
from engine.generation.vllm.folder import server_dirs
from engine.interfaces import Devices, Question, Reply, Workplace
from engine.machine.devices import gpus
from engine.phases.ask import item_seed
from engine.schema.cards import Endpoint, LocalWeights, ModelCard, Sampling, TaskSource
from engine.schema.settings import GenerationSettings
from engine.scoring.statistics import share
from engine.scoring.verdict import score_reply
from engine.tasks.prompts import instruction_of, render

if TYPE_CHECKING:
    from engine.interfaces import Item, Provider, Task
    from engine.schema.events import Answering

LOOK_S = 0.2
ENGINES = ("builtin", "vllm")
PEERS = ("generate", "llama.cpp")
PROMPT_TOKENS = 400  # of a question, at most
KEY = "LLAMA_CPP_KEY"  # the variable that an endpoint's card names; the server asks for none


@dataclass
class Row:
    """``start_s``: until the first answer was asked for; ``again_s``: until a second phase of the
    same model could ask, where the server was running. ``same``: texts that are the builtin
    engine's to the letter."""

    engine: str
    policy: str
    start_s: float
    again_s: float | None
    seconds: float
    tokens: int
    tokens_per_s: float
    tokens_per_cpu_s: float
    correct: int
    total: int
    interval: tuple[float, float]
    parity: float | None
    same: int = 0


class Bench:
    """A model and the questions of one evaluation."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.task: Task = catalog.task(options.task)
        source = TaskSource(test=str(options.test)) if options.test else TaskSource()
        self.items: list[Item] = self.task.load(source, "test")[: options.questions]
        instruction = instruction_of(self.task, 1)
        self.questions = [
            Question(
                item.id,
                render(instruction, item.question, item.choices, options.style),
                item_seed(0, item.id),
            )
            for item in self.items
        ]

    def row(self, engine: str, runs: Path) -> tuple[Row, dict[str, Reply]]:
        told: list[Answering] = []
        began = time.perf_counter()
        started: list[float] = []

        def note(answering: Answering) -> None:
            told.append(answering)
            started.append(time.perf_counter())

        replies: dict[str, Reply] = {}
        cpu = _Cpu()
        with ExitStack() as stack:
            model = self._peer(stack) if engine == "llama.cpp" else self._model(engine, runs, note)
            started += [time.perf_counter()] if engine == "llama.cpp" else []
            for batch in model.answer(self.questions):
                replies |= {question.key: reply for question, reply in batch}
            seconds, spent = time.perf_counter() - started[0], cpu.since(started[0])
        again = self._again(engine, runs) if engine == "vllm" else None
        tokens = sum(reply.completion_tokens for reply in replies.values())
        kind = self.task.kind
        correct = sum(
            score_reply(kind, item, replies[item.id].text, replies[item.id].finish).correct
            for item in self.items
        )
        found = share(correct, len(self.items))
        policy, parity = (told[0].policy, told[0].parity) if told else ("gguf", None)
        row = Row(
            engine, policy, round(started[0] - began, 1), again, round(seconds, 1), tokens,
            round(tokens / seconds, 1), round(tokens / spent, 1), correct, len(self.items),
            (round(100 * found.low, 1), round(100 * found.high, 1)), parity,
        )  # fmt: skip
        return row, replies

    def _again(self, engine: str, runs: Path) -> float:
        """How long another phase of the same policy waits for its first question to be asked."""
        began, started = time.perf_counter(), list[float]()

        def note(_: Answering) -> None:
            started.append(time.perf_counter())

        for _ in self._model(engine, runs, note).answer(self.questions[:1]):
            pass
        return round(started[0] - began, 1)

    def _model(self, engine: str, runs: Path, told: object) -> LocalModel:
        options = self.options
        asked = "builtin" if engine == "generate" else engine
        source = LocalWeights.model_validate(
            {"path": str(options.model), "precision": options.precision, "engine": asked}
        )
        card = ModelCard(name="model", family="any", source=source, sampling=self._sampling)
        generation = GenerationSettings(max_batch=options.batch)
        if engine == "generate":
            generation = GenerationSettings(backend="generate", max_batch=8)
        model = LocalModel(card, generation, _say, adapter=options.adapter)
        devices = Devices(tuple(g.index for g in gpus()[:1]), options.threads)
        model.work_at(Workplace(runs, devices, told, _no_merge))  # type: ignore[arg-type]
        return model

    def _peer(self, stack: ExitStack) -> Provider:
        """llama.cpp's server, with as many requests in flight as a batch of ours has rows."""
        options = self.options
        slots = min(options.batch, len(self.questions))
        length = PROMPT_TOKENS + options.tokens
        given = options.llama, options.gguf, slots, length, options.threads
        address = stack.enter_context(served(*given))
        source = Endpoint(
            kind="openai_compatible", base_url=f"{address}/v1", model="gguf", api_key_env=KEY,
            concurrency=slots, timeout_s=3600.0,
        )  # fmt: skip
        os.environ.setdefault(KEY, "none")
        card = ModelCard(name="model", family="any", source=source, sampling=self._sampling)
        return EndpointProvider(card, GenerationSettings(), _say)

    @property
    def _sampling(self) -> Sampling:
        options = self.options
        return Sampling(temperature=options.temperature, max_new_tokens=options.tokens)


class _Cpu:
    """CPU seconds of this process and all below it, at any later moment: looked at again and
    again, since a process that has ended can't be asked."""

    def __init__(self) -> None:
        self._seen: list[tuple[float, float]] = []
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while True:
            self._seen.append((time.perf_counter(), _cpu_seconds()))
            time.sleep(LOOK_S)

    def since(self, moment: float) -> float:
        before = max((cpu for at, cpu in self._seen if at <= moment), default=0.0)
        return max(1e-3, _cpu_seconds() - before)


def _cpu_seconds() -> float:
    total = 0.0
    me = psutil.Process()
    for process in [me, *me.children(recursive=True)]:
        try:
            times = process.cpu_times()
            total += times.user + times.system
        except psutil.Error:
            continue
    return total


def _say(line: str, *_: str) -> None:
    print(line, flush=True)


def _no_merge(*_: object) -> None:
    raise SystemExit("this vLLM can't quantise to NF4: use --precision bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--adapter", type=Path)
    parser.add_argument("--precision", default="bf16")
    parser.add_argument("--task", default="gsm8k")
    parser.add_argument("--test", type=Path, help="rows in the benchmark's format; the hub else")
    parser.add_argument("--style", default="cot")
    parser.add_argument("--questions", type=int, default=64)
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--temperature", type=float, default=0.0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=GenerationSettings().max_batch)
    parser.add_argument("--engines", nargs="+", choices=ENGINES + PEERS, default=ENGINES)
    parser.add_argument("--llama", type=Path, help="Python of an environment with xllamacpp")
    parser.add_argument("--gguf", type=Path, help="the model as llama.cpp reads it")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if "llama.cpp" in options.engines and not (options.llama and options.gguf):
        parser.error("llama.cpp needs --llama and --gguf")
    bench = Bench(options)
    rows, wanted = [], None
    with tempfile.TemporaryDirectory() as folder:
        for engine in options.engines:
            row, replies = bench.row(engine, Path(folder))
            wanted = replies if wanted is None else wanted
            row.same = sum(replies[key].text == wanted[key].text for key in wanted)
            rows.append(row)
            print(json.dumps(asdict(row)), flush=True)
        for server in server_dirs(Path(folder)):
            server.stop.touch()
            while server.living() is not None:
                time.sleep(LOOK_S)
    if options.json:
        options.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
