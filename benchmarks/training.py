"""CPU time of a training step: TRL's trainers as they come, and the engine's phases.

    OMP_NUM_THREADS=1 python -m benchmarks.training [--repeats 3]
    OMP_NUM_THREADS=1 python -m benchmarks.training --model FOLDER [--steps 4]

The second is :mod:`benchmarks.real_training`, on a real model. The first takes the pocket
experiment's student, demonstrations and pairs. What is timed is ``Trainer.train`` with its looks at
the held-out pairs, and the engine's scoring of the pairs under the reference, over the number of
steps; loading is left out. The ways take turns, so that a busy machine is busy for all of them;
medians are printed.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from peft import LoraConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from benchmarks import real_training
from benchmarks.pocket_trials import finish, laid_over
from engine.planning.graph import expand
from engine.planning.presets import resolve
from engine.planning.sweep import Combination
from engine.pocket.recipes import MODELS
from engine.schema.records import Demonstration, Pair
from engine.store.jsonlines import read_records
from engine.store.layout import (
    ADAPTER,
    DEMONSTRATIONS,
    PAIRS,
    RunsFolder,
)
from engine.tasks.prompts import render
from engine.training.compat import PairTrainer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engine.schema.run_spec import RunSpec
    from engine.store.layout import PhaseDir

WREN = MODELS / "wren-1m"
SETTINGS = {
    "annotate.limit": 320,
    "instruct.batch_size": 4,
    "instruct.learning_rate": 2e-5,  # the student stays as it is, and every question makes a pair
    "instruct.epochs": 0.5,
    "refine.batch_size": 32,
    "refine.epochs": 3.0,
    "refine.evaluate_every": 5,
}
LEAN = {"bf16": False, "gradient_checkpointing": False}
WAYS = ("TRL defaults", "TRL, fp32, no recomputation", "ours, fp32", "ours, NF4")


class Clock:
    """CPU milliseconds a step of each training, taken where the trainers are entered."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.steps: dict[str, int] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        kept = Trainer.train, PairTrainer.remember_reference
        Trainer.train = self._timed(kept[0])  # type: ignore[method-assign]
        PairTrainer.remember_reference = self._timed(kept[1])  # type: ignore[method-assign]
        try:
            yield
        finally:
            Trainer.train, PairTrainer.remember_reference = kept  # type: ignore[method-assign]

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(trainer: Any, *args: Any, **more: Any) -> Any:
            kind = "refine" if isinstance(trainer, DPOTrainer) else "instruct"
            began = time.process_time()
            result = method(trainer, *args, **more)
            spent = time.process_time() - began
            self.seconds[kind] = self.seconds.get(kind, 0.0) + spent
            self.steps[kind] = trainer.state.global_step
            return result

        return timed

    def milliseconds(self) -> list[float]:
        return [1000 * self.seconds[kind] / self.steps[kind] for kind in ("instruct", "refine")]


def ours(folder: Path, precision: str) -> RunSpec:
    """The pocket experiment's phases up to refine, in a folder of their own."""
    chosen = {"precision": precision, "teachers": ("wren-3m",), "arms": ("both",)}
    experiment = laid_over(SETTINGS).model_copy(update=chosen)
    run = expand(resolve((Combination({}, experiment),), folder))[0]
    runs = RunsFolder(folder)
    runs.create()
    finish(runs, run)
    return run


def theirs(folder: Path, inputs: dict[str, PhaseDir], steps: dict[str, int], lean: bool) -> None:
    """TRL's trainers on the same demonstrations and pairs, for as many steps."""
    tokenizer = AutoTokenizer.from_pretrained(WREN)
    options: dict[str, Any] = {"output_dir": str(folder), "report_to": "none", "use_cpu": True}
    options |= LEAN if lean else {}
    demonstrations = read_records(inputs["annotate"].out / DEMONSTRATIONS, Demonstration)
    SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(WREN, dtype="float32"),
        args=SFTConfig(**options, per_device_train_batch_size=4, max_steps=steps["instruct"]),
        train_dataset=Dataset.from_list([_example(d) for d in demonstrations if d.kept]),
        processing_class=tokenizer,
        peft_config=LoraConfig(task_type="CAUSAL_LM", r=8, lora_alpha=16, lora_dropout=0.1),
    ).train()
    pairs = [_preference(p) for p in read_records(inputs["elicit"].out / PAIRS, Pair)]
    held = len(pairs) // 10
    base = AutoModelForCausalLM.from_pretrained(WREN, dtype="float32")
    adapter = inputs["instruct"].out / ADAPTER
    DPOTrainer(
        model=PeftModel.from_pretrained(base, adapter, is_trainable=True),
        args=DPOConfig(
            **options,
            per_device_train_batch_size=32,
            max_steps=steps["refine"],
            eval_strategy="steps",
            eval_steps=SETTINGS["refine.evaluate_every"],
        ),
        train_dataset=Dataset.from_list(pairs[held:]),
        eval_dataset=Dataset.from_list(pairs[:held]),
        processing_class=tokenizer,
    ).train()


def _turn(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


def _example(one: Demonstration) -> dict[str, Any]:
    message = render(one.instruction, one.question, one.choices)
    return {"prompt": _turn("user", message), "completion": _turn("assistant", one.output)}


def _preference(pair: Pair) -> dict[str, Any]:
    return {
        "prompt": _turn("user", pair.prompt),
        "chosen": _turn("assistant", pair.chosen),
        "rejected": _turn("assistant", pair.rejected),
    }


def measure(folder: Path, repeats: int) -> dict[str, list[list[float]]]:
    """Way -> a list of (instruct, refine) for each repeat."""
    found: dict[str, list[list[float]]] = {way: [] for way in WAYS}
    for repeat in range(repeats):
        place = folder / str(repeat)
        for way, precision in ((WAYS[2], "fp32"), (WAYS[3], "nf4")):
            clock = Clock()
            with clock.watching():
                run = ours(place / precision, precision)
            found[way].append(clock.milliseconds())
            if precision == "fp32":
                steps = clock.steps
                inputs = {p.kind: RunsFolder(place / precision).phase(p.id) for p in run.phases}
        for way, lean in ((WAYS[0], False), (WAYS[1], True)):
            clock = Clock()
            with clock.watching():
                theirs(place / "trl", inputs, steps, lean)
            found[way].append(clock.milliseconds())
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--model", type=Path, help="a real model's folder")
    parser.add_argument("--steps", type=int, default=4, help="with --model: of each training")
    given = parser.parse_args()
    if given.model:
        for line in real_training.compare(given.model.absolute(), given.steps, given.repeats):
            print(line, flush=True)
        return
    repeats = given.repeats
    with tempfile.TemporaryDirectory() as folder:
        found = measure(Path(folder), repeats)
    print(f"|  | {' | '.join(WAYS)} |\n|{'---|' * (len(WAYS) + 1)}")
    for i, row in enumerate(("instruct, batch 4", "refine, 32 pairs, a look every 5 steps")):
        cells = (f"{statistics.median(pair[i] for pair in found[way]):.0f}" for way in WAYS)
        print(f"| {row} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
