"""Phase 2: instruction-tuning on the teacher's demonstrations (method, sections 1 and 5).

QLoRA on prompt and output, the loss on the output alone. The prompt goes through the same chat
template as in generation; the output ends as the template ends an answer, so the student learns
to stop.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl import SFTConfig

from engine.models import adapters
from engine.models.loading import load
from engine.models.templates import turn_end
from engine.models.tokenizing import prepare_answer, prepare_prompt
from engine.phases.context import Stopped
from engine.phases.looking import look_at, publish_looks
from engine.schema import events as ev
from engine.schema.errors import SAME_AGAIN, UserError
from engine.schema.records import Demonstration
from engine.schema.settings import LOOKS
from engine.store.jsonlines import read_records
from engine.store.layout import ADAPTER, DEMONSTRATIONS
from engine.tasks.prompts import render
from engine.tasks.repeats import with_repeats
from engine.tasks.sampling import fraction
from engine.training import checkpoints, compat, guards
from engine.training import trainer as tr
from engine.training.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from engine.models.loading import Loaded
    from engine.phases.context import Context
    from engine.schema.settings import InstructSettings
    from engine.schema.specs import InstructSpec

IGNORED = -100  # a label that PyTorch's losses leave out


@dataclass
class Examples:
    """Tokenised demonstrations: token ids and labels, row by row.

    Attributes:
        whole: whether a row holds the token that ends an answer.
        truncated: how many lost their end to ``max_length``.
        dropped: how many demonstrations had no token of the output left.
    """

    input_ids: list[list[int]] = field(default_factory=list)
    labels: list[list[int]] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    truncated: int = 0
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.names)


def run(ctx: Context, spec: InstructSpec) -> dict[str, Any]:
    """Train an adapter; return sizes, the last loss and how many weights changed."""
    settings, folder = spec.settings, ctx.checkpoints
    demonstrations = _demonstrations(ctx, spec)
    ctx.activity("loading weights")
    shard = tr.shards(ctx, ctx.devices, spec)
    loaded = load(spec.student, trainable=True, shard=shard, tell=ctx.message, doing=ctx.doing)
    loaded.model = tr.new_adapter(loaded, settings.lora, spec.student, spec.seed)
    start, values = guards.adapter_weights(loaded.model), guards.trainable_values(loaded.model)

    ctx.activity("tokenising the demonstrations")
    examples = tokenise(loaded.tokenizer, demonstrations, settings)
    _tell_lengths(ctx, examples, settings.max_length)
    resume = checkpoints.newest(folder, ctx.warn_of_checkpoint)
    at_once = tr.examples_at_once(loaded, max(map(len, examples.input_ids)))
    batch = tr.batch_within(ctx, settings.batch_size, len(examples))
    layout = tr.solve_layout(batch, at_once, resume)

    trainer = _trainer(spec, loaded, layout, folder, examples)
    trainer.deal(layout.batch)
    guards.train_in_fp32(loaded.model, values)
    _check_labels(trainer, examples, turn_end(loaded.tokenizer).token)
    ctx.emit(_first_example(examples, loaded.tokenizer))
    ctx.message(tr.describe(trainer, layout, len(examples)))

    if settings.look_prompts:
        _look(ctx, spec, loaded, trainer, demonstrations)
    reporter = Reporter(ctx, start, asdict(layout), resume)
    outcome = tr.train(trainer, reporter, resume, spec.tracking.report_to)
    if outcome.stopped:
        raise Stopped
    ctx.activity("saving the adapter")
    last = checkpoints.whole(folder, outcome.state.global_step)
    adapters.export(last, ctx.staging / ADAPTER, spec.student, loaded.commit)
    ctx.emit(ev.Artefact(path=f"out/{ADAPTER}", what="instructed adapter"))
    figures = tr.common_figures(trainer, layout, outcome, start, ctx.staging / ADAPTER)
    publish_looks(ctx)
    tr.warn_if_still(ctx, figures)
    return figures | {
        "examples": len(examples),
        "truncated": examples.truncated,
        "dropped": examples.dropped,
    }


def _demonstrations(ctx: Context, spec: InstructSpec) -> list[Demonstration]:
    """The kept demonstrations, or the random sample of them that the experiment asks for."""
    file = ctx.output(spec.demonstrations, DEMONSTRATIONS)
    everything = list(read_records(file, Demonstration))
    kept = fraction([d for d in everything if d.kept], spec.fraction, spec.data_seed)
    if not kept:
        raise UserError(
            f"{file}: none of {len(everything)} demonstrations is left to learn from; use a better "
            f"teacher, annotate.keep: all, or a larger fraction; {SAME_AGAIN}"
        )
    return kept


def tokenise(
    tokenizer: Any, demonstrations: Sequence[Demonstration], settings: InstructSettings
) -> Examples:
    """Tokenise prompt, output and end token; labels cover output and end. A demonstration
    that was cut off at its teacher's token limit (``keep: all``) has no end.

    What exceeds ``max_length`` is cut from the end; a demonstration of which no output is left
    is dropped.
    """
    examples = Examples()
    for one in demonstrations:
        prompt = prepare_prompt(tokenizer, _prompt(one, settings))
        output = prepare_answer(tokenizer, one.output, one.finish)
        ids = (prompt + output)[: settings.max_length]
        if len(ids) <= len(prompt):
            examples.dropped += 1
            continue
        examples.input_ids.append(ids)
        examples.labels.append([IGNORED] * len(prompt) + ids[len(prompt) :])
        examples.names.append(one.id)
        fits = len(ids) == len(prompt) + len(output)
        examples.truncated += not fits
        examples.whole.append(fits and one.finish != "length")
    return examples


def _tell_lengths(ctx: Context, examples: Examples, max_length: int) -> None:
    text = (
        f"{len(examples)} training examples; {examples.truncated} truncated at {max_length} "
        f"tokens, {examples.dropped} dropped because their prompt alone is longer"
    )
    if examples.truncated or examples.dropped:
        ctx.warn(text, "truncated")
    else:
        ctx.message(text)
    if not examples:
        raise UserError(
            f"settings.instruct.max_length: {max_length} leaves no output token of any example; "
            f"raise it; {SAME_AGAIN}"
        )


def _trainer(
    spec: InstructSpec, loaded: Loaded, layout: tr.Layout, folder: Path, examples: Examples
) -> Any:
    settings = spec.settings
    steps = math.ceil(settings.epochs * layout.steps_per_epoch(len(examples)))
    arguments = tr.arguments(
        spec,
        loaded,
        layout,
        folder,
        steps=steps,
        warmup=math.ceil(settings.warmup_ratio * steps),
        save_every=settings.checkpoint_every,
    )
    columns = {"input_ids": examples.input_ids, "labels": examples.labels}
    return compat.InstructTrainer(
        model=loaded.model,
        args=SFTConfig(**arguments, dataset_kwargs={"skip_prepare_dataset": True}),
        train_dataset=Dataset.from_dict(columns),
        processing_class=loaded.tokenizer,
    )


def _look(
    ctx: Context, spec: InstructSpec, loaded: Loaded, trainer: Any, learnt: Sequence[Demonstration]
) -> None:
    """Look at the training with questions that nothing is learnt from; where these are too few,
    with the first that it does learn from besides."""
    file = ctx.output(spec.demonstrations, DEMONSTRATIONS)
    everything = list(read_records(file, Demonstration))
    seen = with_repeats(frozenset(one.id for one in learnt), everything)
    others = [one for one in everything if one.id not in seen]
    questions = []
    for one in [*others, *learnt][: spec.settings.look_prompts]:
        text = _prompt(one, spec.settings)
        questions.append((one, text, prepare_prompt(loaded.tokenizer, text)))
    every = math.ceil(trainer.args.max_steps / LOOKS)
    look_at(ctx, spec, loaded, trainer, questions, every, spec.demonstrations, seen)


def _prompt(one: Demonstration, settings: InstructSettings) -> str:
    return render(one.instruction, one.question, one.choices, settings.input_prompt)


def _check_labels(trainer: Any, examples: Examples, end: int) -> None:
    """Check that the loss covers the end of each answer in a batch as the collator pads it."""
    rows = [i for i, whole in enumerate(examples.whole) if whole][:8]
    if rows:
        batch = trainer.data_collator([trainer.train_dataset[i] for i in rows])
        guards.check_end_of_text(batch["input_ids"], batch["labels"] != IGNORED, end)


def _first_example(examples: Examples, tokenizer: Any) -> ev.Sample:
    """Show what the model sees and where the loss applies, special tokens included."""
    ids, labels = examples.input_ids[0], examples.labels[0]
    begin = labels.count(IGNORED)
    return ev.Sample(
        item=examples.names[0],
        prompt=tokenizer.decode(ids[:begin]),
        text=tokenizer.decode(labels[begin:]),
        label="first training example",
    )
