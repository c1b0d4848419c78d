"""The engine's parts: its phases as they are, and what they are made of.

    python -m benchmarks.on_gpu.ours load:60 instruct:30 --model llama-2-7b …

``benchmarks/gpu.py`` starts it.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Any

import torch
from peft import PeftModel

from benchmarks.on_gpu.bench import Bench, main
from benchmarks.stepclock import StepClock
from engine.generation.batching import plan_batches
from engine.generation.decoding import left_padded
from engine.generation.generate import generate
from engine.generation.parity import settle
from engine.interfaces import Devices
from engine.models.loading import load, release
from engine.models.tokenizing import prepare_prompt
from engine.scheduling.runner import run_attempt
from engine.schema.settings import GenerationSettings, InstructSettings, RefineSettings
from engine.schema.specs import AnnotateSpec, ElicitSpec, InstructSpec, RefineSpec, TaskRef
from engine.store.eventlog import EventReader
from engine.store.jsonlines import write_records
from engine.store.layout import ADAPTER, DEMONSTRATIONS, PAIRS, RunsFolder
from engine.training.merging import merge

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.models.loading import Loaded

PEERS_BATCH = 8
FIGURES = (
    "batch_size", "per_device", "accumulation", "optimizer", "step0_loss", "final_loss",
    "moved_weights",
)  # fmt: skip


def load_weights(bench: Bench) -> dict[str, Any]:
    made = bench.ensure_weights()
    began = time.perf_counter()
    loaded = load(bench.card, trainable=True)
    found = {"made_s": made, "load_s": round(time.perf_counter() - began, 1)}
    release(loaded)
    return found


def instruct(bench: Bench) -> dict[str, Any]:
    return _train(bench, _instruct_spec(bench))


def refine(bench: Bench) -> dict[str, Any]:
    """Twenty steps of few pairs at the paper's rates: do the weights move?"""
    sizes = bench.sizes
    settings = RefineSettings(
        batch_size=sizes.few, max_steps=sizes.few_steps, evaluate_every=sizes.few_steps
    )
    return _train(bench, _refine_spec(bench, sizes.few_pairs, settings))


def refine_many(bench: Bench) -> dict[str, Any]:
    """One step of the paper's batch: how fast, and in how much memory?"""
    settings = RefineSettings(
        batch_size=bench.sizes.many, max_steps=1, warmup_steps=0, evaluate_every=1
    )
    return _train(bench, _refine_spec(bench, bench.sizes.many_pairs, settings))


def answer(bench: Bench) -> dict[str, Any]:
    """Questions to the instructed student, as elicit and evaluate ask them."""
    return _answer(bench, load(bench.card, _adapter(bench)))


def answer_unpacked(bench: Bench) -> dict[str, Any]:
    """The same with the 4-bit weights written out once, in what they are computed in: the same
    products in four times the memory."""
    loaded, adapter = load(bench.card), _adapter(bench)
    if getattr(loaded.model, "is_quantized", False):
        loaded.model = loaded.model.dequantize(torch.bfloat16)
    if adapter is not None:
        loaded.model = PeftModel.from_pretrained(loaded.model, adapter).eval()
    return _answer(bench, loaded)


def _answer(bench: Bench, loaded: Loaded) -> dict[str, Any]:
    questions = bench.writer().questions(bench.sizes.questions)
    told: list[str] = []
    backend = settle(loaded, "auto", told.append)
    settings = GenerationSettings()
    batches = plan_batches(
        [len(prepare_prompt(loaded.tokenizer, q.prompt)) for q in questions],
        bench.sampling.max_new_tokens,
        settings.token_budget,
        settings.max_batch,
    )
    began, counts = time.perf_counter(), []
    stop = bench.stopping.is_set
    answers = generate(loaded, questions, bench.sampling, settings, stop=stop, tell=told.append)
    for batch in answers:
        counts += [reply.completion_tokens for _, reply in batch]
    found = _rate(counts, time.perf_counter() - began)
    release(loaded)
    return found | {"backend": backend, "batch": max(map(len, batches)), "told": told}


def plain_generate(bench: Bench) -> dict[str, Any]:
    """The peer: transformers' ``generate`` on the same student, in input order, eight at a time."""
    loaded = load(bench.card, _adapter(bench))
    prompts = [
        prepare_prompt(loaded.tokenizer, q.prompt)
        for q in bench.writer().questions(bench.sizes.questions)
    ]
    _eight(loaded, prompts[:PEERS_BATCH], bench, new_tokens=2)  # warm
    began, counts = time.perf_counter(), []
    for first in range(0, len(prompts), PEERS_BATCH):
        if bench.stopping.is_set():
            break
        counts += _eight(loaded, prompts[first : first + PEERS_BATCH], bench)
    found = _rate(counts, time.perf_counter() - began)
    release(loaded)
    return found


def export(bench: Bench) -> dict[str, Any]:
    """The merged model against the student that was trained."""
    folder, adapter = bench.folder / "merged", _adapter(bench)
    if adapter is None:
        raise RuntimeError("instruct has left no adapter to merge")
    folder.mkdir()
    prompts = [question.prompt for question in bench.writer().questions(4)]
    try:
        return merge(bench.card, adapter, folder, prompts).model_dump()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _eight(
    loaded: Loaded, prompts: Sequence[Sequence[int]], bench: Bench, new_tokens: int | None = None
) -> list[int]:
    """Tokens of each answer, with the one that ends it."""
    ids, mask = left_padded(prompts, loaded.device)
    output = loaded.model.generate(
        input_ids=ids,
        attention_mask=mask,
        do_sample=True,
        temperature=bench.sampling.temperature,
        top_k=0,
        max_new_tokens=new_tokens or bench.sampling.max_new_tokens,
    )
    pad = loaded.tokenizer.pad_token_id
    return (output[:, ids.shape[1] :] != pad).sum(dim=1).tolist()


def _rate(counts: Sequence[int], seconds: float) -> dict[str, Any]:
    return {
        "answers": len(counts),
        "mean_tokens": round(sum(counts) / max(1, len(counts)), 1),
        "tokens_per_s": round(sum(counts) / seconds, 1),
    }


def _runs(bench: Bench) -> RunsFolder:
    runs = RunsFolder(bench.folder / "runs")
    runs.create()
    return runs


def _instruct_spec(bench: Bench) -> InstructSpec:
    spec = AnnotateSpec(teacher=bench.card, task=TaskRef(name="gsm8k"))
    records = bench.writer().demonstrations(bench.sizes.demonstrations)
    _publish(bench, spec, DEMONSTRATIONS, records)
    settings = InstructSettings(epochs=1.0)
    return InstructSpec(student=bench.card, demonstrations=spec.id, settings=settings)


def _refine_spec(bench: Bench, pairs: int, settings: RefineSettings) -> RefineSpec:
    instructed = _instruct_spec(bench)
    adapter = instructed.id if _runs(bench).phase(instructed.id).done else None
    spec = ElicitSpec(
        student=bench.card, adapter=adapter, demonstrations=instructed.demonstrations, seed=pairs
    )
    _publish(bench, spec, PAIRS, bench.writer().pairs(pairs))
    return RefineSpec(student=bench.card, adapter=adapter, pairs=spec.id, settings=settings)


def _publish(bench: Bench, spec: AnnotateSpec | ElicitSpec, name: str, records: Any) -> None:
    """A finished phase with these records, as if it had made them."""
    phase = _runs(bench).phase(spec.id)
    if not phase.done:
        phase.create(spec)
        staging = phase.work / "staging"
        staging.mkdir(parents=True, exist_ok=True)
        write_records(staging / name, records)
        phase.publish(staging, {})


def _adapter(bench: Bench) -> Path | None:
    """The instructed student's; None when there is none, and the bare student answers."""
    phase = _runs(bench).phase(_instruct_spec(bench).id)
    return phase.out / ADAPTER if phase.done else None


def _train(bench: Bench, spec: InstructSpec | RefineSpec) -> dict[str, Any]:
    """Run a phase through the engine's own runner, and time its steps."""
    phase, clock = _runs(bench).phase(spec.id), StepClock()
    phase.create(spec)
    attempt = phase.new_attempt()
    bench.at_limit = attempt.stop.touch
    gpus = (0,) if torch.cuda.is_available() else ()
    with clock.watching():
        run_attempt(phase, attempt, Devices(gpus=gpus))
    if not phase.done and not bench.stopping.is_set():
        raise RuntimeError(EventReader(attempt.events).read()[-1].error)
    known = phase.manifest()["figures"] if phase.done else {}
    timed = clock.figures() if clock.steps else {}
    kept = {name: known[name] for name in FIGURES if name in known}
    return timed | kept | {"optimizer_class": clock.optimizer}


PARTS = {
    "load": load_weights,
    "instruct": instruct,
    "answers": answer,
    "generate": plain_generate,
    "unpacked": answer_unpacked,
    "refine": refine,
    "refine-128": refine_many,
    "export": export,
}

if __name__ == "__main__":
    main("ours", PARTS)
