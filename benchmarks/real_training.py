"""Training a real model on a CPU: the engine's phases, and what ``trl sft`` and ``trl dpo`` run.

    OMP_NUM_THREADS=1 python -m benchmarks.training --model FOLDER --steps 4

Each way is a process of its own, so that its peak memory is its own; the ways take turns. Same
texts, batches, rates and adapter. The texts are the pocket's problems, some at a time, so that
they are as long as word problems and their solutions. The engine's DPO makes the reference's scores
once for a training: they count in as if each pair were seen twice, and ``step_cpu_s`` is a step
without them. Loading and checkpoints never count.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.stepclock import StepClock
from engine.interfaces import Devices
from engine.pocket.problems import pool
from engine.pocket.voices import VOICES
from engine.scheduling.runner import run_attempt
from engine.schema.cards import LocalWeights, ModelCard
from engine.schema.records import Demonstration, Pair, Verdict
from engine.schema.settings import InstructSettings, RefineSettings
from engine.schema.specs import AnnotateSpec, ElicitSpec, InstructSpec, RefineSpec, TaskRef
from engine.store.jsonlines import write_records
from engine.store.layout import DEMONSTRATIONS, PAIRS, RunsFolder
from engine.tasks.prompts import NUMBER_INSTRUCTION, render
from engine.training.compat import PairTrainer

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
KINDS = {"instruct": ("sft", 4, 2e-5), "refine": ("dpo", 4, 1e-6)}
WAYS = ("ours", "trl", "trl, no recomputation")
AT_ONCE = 2  # problems of one question
RIGHT = Verdict(answer="1", tier="made up", correct=True)


def demonstrations(count: int) -> list[Demonstration]:
    problems = pool("pocket-sums", "train", AT_ONCE * count)
    return [_joined(i, problems[AT_ONCE * i :][:AT_ONCE]) for i in range(count)]


def _joined(number: int, problems: list[Any]) -> Demonstration:
    question = " ".join(problem.question for problem in problems)
    return Demonstration(
        id=str(number),
        instruction=NUMBER_INSTRUCTION,
        question=question,
        target=problems[-1].answer,
        prompt=render(NUMBER_INSTRUCTION, question, style="cot"),
        output="\n".join(VOICES["otter"].reasoning(problem) for problem in problems),
        finish="stop",
        verdict=RIGHT,
        kept=True,
    )


def pairs(count: int) -> list[Pair]:
    made = demonstrations(2 * count)
    return [_paired(*two) for two in zip(made[:count], made[count:], strict=True)]


def _paired(one: Demonstration, other: Demonstration) -> Pair:
    return Pair(
        id=one.id,
        question=one.question,
        target=one.target,
        prompt=one.prompt,
        prompt_plain=render(one.instruction, one.question),
        prompt_cot=one.prompt,
        chosen=one.output,
        rejected=other.output,
        winner="student",
        chosen_verdict=RIGHT,
        rejected_verdict=RIGHT,
        plain_has_steps=True,
    )


def ours(kind: str, model: Path, folder: Path, steps: int) -> dict[str, Any]:
    """A phase as it is; what it takes beside its steps is a metric of its own."""
    _, batch, _ = KINDS[kind]
    source = LocalWeights(path=str(model), revision="here", precision="bf16")
    card = ModelCard(name=model.name, family="real", source=source)
    runs = RunsFolder(folder)
    runs.create()
    annotated = AnnotateSpec(teacher=card, task=TaskRef(name="gsm8k"))
    elicited = ElicitSpec(student=card, adapter=None, demonstrations=annotated.id)
    spec: InstructSpec | RefineSpec
    if kind == "instruct":
        _publish(runs, annotated, DEMONSTRATIONS, demonstrations(batch * steps))
        settings = InstructSettings(epochs=1.0, batch_size=batch, look_prompts=0)
        spec = InstructSpec(student=card, demonstrations=annotated.id, settings=settings)
    else:
        _publish(runs, elicited, PAIRS, pairs(_trained(steps) * 10 // 9 + 1))
        chosen = RefineSettings(
            batch_size=batch, max_steps=steps, warmup_steps=1, evaluate_every=steps, look_prompts=0
        )
        spec = RefineSpec(student=card, adapter=None, pairs=elicited.id, settings=chosen)
    phase, clock = runs.phase(spec.id), StepClock()
    phase.create(spec)
    with clock.watching(), _scoring_timed() as once:
        code = run_attempt(phase, phase.new_attempt(), Devices())
    if code:
        sys.exit(f"{phase.path}: ended without success")
    return _figures(clock, sum(once))


def _trained(steps: int) -> int:
    """Pairs that are trained on: each is seen twice."""
    return KINDS["refine"][1] * steps // 2


@contextmanager
def _scoring_timed() -> Iterator[list[float]]:
    """CPU seconds of each scoring of all pairs under the reference."""
    kept, seconds = PairTrainer.remember_reference, list[float]()

    def timed(trainer: Any, *args: Any) -> None:
        began = time.process_time()
        kept(trainer, *args)
        seconds.append(time.process_time() - began)

    PairTrainer.remember_reference = timed  # type: ignore[method-assign]
    try:
        yield seconds
    finally:
        PairTrainer.remember_reference = kept  # type: ignore[method-assign]


def _publish(runs: RunsFolder, spec: Any, name: str, records: Any) -> None:
    phase = runs.phase(spec.id)
    phase.create(spec)
    staging = phase.work / "staging"
    staging.mkdir(parents=True)
    write_records(staging / name, records)
    phase.publish(staging, {})


def theirs(kind: str, model: Path, folder: Path, steps: int, recompute: bool) -> dict[str, Any]:
    """The script behind TRL's command, with its command line."""
    script, batch, rate = KINDS[kind]
    data = folder / "data"
    data.mkdir(parents=True)
    rows = _sft_rows(batch * steps) if kind == "instruct" else _dpo_rows(_trained(steps))
    (data / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sys.argv = [
        *(f"trl {script}", "--model_name_or_path", str(model), "--dataset_name", str(data)),
        *("--output_dir", str(folder / "out"), "--report_to", "none", "--save_strategy", "no"),
        *("--dtype", "float32", "--bf16", "false", "--use_cpu", "true"),
        *("--use_peft", "--lora_r", "8", "--lora_alpha", "16", "--lora_dropout", "0.1"),
        *("--lora_target_modules", "q_proj", "v_proj", "--learning_rate", str(rate)),
        *("--per_device_train_batch_size", str(batch), "--max_steps", str(steps)),
        *("--gradient_checkpointing", str(recompute).lower()),
    ]
    clock = StepClock()
    with clock.watching():
        runpy.run_module(f"trl.scripts.{script}", run_name="__main__")
    return _figures(clock, 0.0)


def _sft_rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "prompt": _turn("user", render(one.instruction, one.question)),
            "completion": _turn("assistant", one.output),
        }
        for one in demonstrations(count)
    ]


def _dpo_rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "prompt": _turn("user", one.prompt),
            "chosen": _turn("assistant", one.chosen),
            "rejected": _turn("assistant", one.rejected),
        }
        for one in pairs(count)
    ]


def _turn(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def _figures(clock: StepClock, once: float) -> dict[str, Any]:
    """``once``: CPU seconds that all steps share, over which they are spread."""
    step = statistics.median(step.cpu for step in clock.timed)
    cpu = step + once / len(clock.steps)
    tokens = statistics.mean(step.tokens for step in clock.timed)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "cpu_s": cpu,
        "step_cpu_s": step,
        "tokens": tokens,
        "tokens_per_cpu_s": tokens / cpu,
        "peak_gib": peak,
    }


def child(kind: str, way: str, model: Path, folder: Path, steps: int) -> dict[str, Any]:
    if way == WAYS[0]:
        return ours(kind, model, folder, steps)
    return theirs(kind, model, folder, steps, recompute=way == WAYS[1])


def compare(model: Path, steps: int, repeats: int) -> Iterator[str]:
    """Lines of a table: each training each way, medians of the repeats."""
    what = "tokens per CPU s, CPU s a step (without the reference), peak GiB"
    yield "| | " + " | ".join(f"{way}: {what}" for way in WAYS) + " |"
    yield "|---" * (len(WAYS) + 1) + "|"
    for kind in KINDS:
        found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
        for _ in range(repeats):
            for way in WAYS:
                found[way].append(_apart(kind, way, model, steps))
        cells = (
            "{tokens_per_cpu_s:.1f}, {cpu_s:.1f} ({step_cpu_s:.1f}), {peak_gib:.2f}".format(
                **_median(found[way])
            )
            for way in WAYS
        )
        yield f"| {kind}, batch {KINDS[kind][1]} | {' | '.join(cells)} |"


def _median(found: list[dict[str, Any]]) -> dict[str, float]:
    return {name: statistics.median(one[name] for one in found) for name in found[0]}


def _apart(kind: str, way: str, model: Path, steps: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.real_training", kind, way, str(model), str(steps)]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, check=True, stdout=subprocess.PIPE)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{kind}, {way}: {found}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=list(KINDS))
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("model", type=Path)
    parser.add_argument("steps", type=int)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = child(given.kind, given.way, given.model, Path(folder), given.steps)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
