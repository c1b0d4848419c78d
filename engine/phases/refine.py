"""Phase 4: DPO from the instructed student towards its own reasoning (method, sections 1 and 5).

The reference is the starting point itself: the instructed adapter, or for a bare student the
bare student. TRL keeps a frozen copy of the adapter beside the one that is trained. Dropout is
off, as TRL does for DPO.

Resuming always rebuilds the starting point from the input phase and loads only the trained
adapter from the checkpoint, so the reference can't drift.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from datasets import Dataset
from trl import DPOConfig

from engine.models import adapters
from engine.models.loading import compute_dtype, load
from engine.models.templates import turn_end
from engine.models.tokenizing import prepare_answer, prepare_prompt
from engine.phases.alike import tell_alike
from engine.phases.context import Stopped
from engine.phases.looking import look_at, publish_looks
from engine.schema import events as ev
from engine.schema.errors import SAME_AGAIN, UserError
from engine.schema.kinds import OBJECTIVES, find
from engine.schema.records import Pair
from engine.schema.specs import ElicitSpec
from engine.store.jsonlines import read_records, write_records
from engine.store.layout import (
    ADAPTER,
    PAIR_SCORES,
    PAIRS,
)
from engine.tasks.repeats import with_repeats
from engine.tasks.sampling import stratified_holdout
from engine.training import checkpoints, compat, guards
from engine.training import trainer as tr
from engine.training.pairscores import score_pairs
from engine.training.reporter import Reporter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from engine.models.loading import Loaded
    from engine.phases.context import Context
    from engine.schema.records import PairScore
    from engine.schema.settings import RefineSettings
    from engine.schema.specs import RefineSpec

REFERENCE = "reference.json"  # the pairs' scores under the reference, in the work folder
CHECKED = 8  # pairs in the check of the starting point


@dataclass
class Tokenised:
    """Pairs as token ids, row by row, with counts of what the length limits cut or dropped."""

    columns: dict[str, list[list[int]]] = field(
        default_factory=lambda: {"prompt_ids": [], "chosen_ids": [], "rejected_ids": []}
    )
    names: list[str] = field(default_factory=list)
    whole: list[bool] = field(default_factory=list)
    truncated: int = 0
    cut_prompts: int = 0
    dropped: int = 0

    def __len__(self) -> int:
        return len(self.names)

    @property
    def longest(self) -> int:
        return max(
            len(prompt) + max(len(chosen), len(rejected))
            for prompt, chosen, rejected in zip(*self.columns.values(), strict=True)
        )


def run(ctx: Context, spec: RefineSpec) -> dict[str, Any]:
    """Train the adapter further; return sizes, losses and which checkpoint was picked."""
    settings, folder = spec.settings, ctx.checkpoints
    pairs = _pairs(ctx, spec)
    ctx.activity("loading weights")
    loaded = _starting_point(ctx, spec)
    start, values = guards.adapter_weights(loaded.model), guards.trainable_values(loaded.model)

    ctx.activity("tokenising the pairs")
    held = _held_out(pairs, settings, spec.seed)
    training = tokenise(loaded.tokenizer, [p for p in pairs if p.id not in held], settings)
    held_out = tokenise(loaded.tokenizer, [p for p in pairs if p.id in held], settings)
    _tell_lengths(ctx, training, held_out, settings)
    resume = checkpoints.newest(folder, ctx.warn_of_checkpoint)
    at_once = tr.examples_at_once(loaded, max(training.longest, held_out.longest)) // 2
    batch = tr.batch_within(ctx, settings.batch_size, len(training))
    layout = tr.solve_layout(batch, at_once, resume)

    trainer = _trainer(spec, loaded, layout, folder, training, held_out)
    trainer.deal(layout.batch)
    guards.train_in_fp32(loaded.model, values)
    if not trainer.share_prompts():
        ctx.message("prompts are read twice a pair: this model's attention takes no mask for both")
    if compute_dtype(spec.student.weights.precision) is torch.float32:
        ctx.activity("scoring the pairs under the reference")
        trainer.remember_reference(ctx.work / REFERENCE, _counting_pairs(ctx))
    ctx.activity("checking the starting point")
    step0_loss = _check_start(ctx, trainer, training, turn_end(loaded.tokenizer).token)
    _show_first_pair(ctx, training, loaded.tokenizer)
    ctx.message(tr.describe(trainer, layout, len(training)))
    tr.warn_of_long_warmup(ctx, settings.warmup_steps, trainer.args.max_steps)

    if settings.look_prompts:
        _look(ctx, spec, loaded, trainer, [p for p in pairs if p.id in held])
    patience = settings.patience and settings.patience * settings.evaluate_every
    reporter = Reporter(ctx, start, asdict(layout), resume, patience)
    outcome = tr.train(trainer, reporter, resume, spec.tracking.report_to, patience)
    guards.check_reference(loaded.model, values)
    if outcome.stopped:
        raise Stopped
    picked = _picked(ctx, outcome.state, settings)
    ctx.activity("saving the adapter")
    best = checkpoints.whole(folder, picked)
    adapters.export(best, ctx.staging / ADAPTER, spec.student, loaded.commit)
    ctx.emit(ev.Artefact(path=f"out/{ADAPTER}", what="refined adapter"))
    figures = tr.common_figures(trainer, layout, outcome, start, ctx.staging / ADAPTER)
    ctx.activity("scoring the pairs under reference and policy")
    names = training.names, held_out.names
    scores = score_pairs(trainer, ctx.staging / ADAPTER, *names, _counting_pairs(ctx))
    publish_looks(ctx)
    write_records(ctx.staging / PAIR_SCORES, _in_order(scores, pairs))
    tr.warn_if_still(ctx, figures)
    return figures | {
        "pairs": len(training),
        "held_out": len(held_out),
        "excluded": len(settings.exclude),
        "truncated": training.truncated + held_out.truncated,
        "cut_prompts": training.cut_prompts + held_out.cut_prompts,
        "dropped": training.dropped + held_out.dropped,
        "step0_loss": step0_loss,
        "picked_step": picked,
        "best_step": outcome.state.best_global_step,
        "best_eval_loss": outcome.state.best_metric,
        "stopped_early": outcome.stopped_early,
    }


def _pairs(ctx: Context, spec: RefineSpec) -> list[Pair]:
    """All pairs except those excluded by hand; warns of doubtful pairs before training."""
    file = ctx.output(spec.pairs, PAIRS)
    excluded = set(spec.settings.exclude)
    everything = list(read_records(file, Pair))
    pairs = [p for p in everything if p.id not in excluded]
    if excluded:
        ctx.message(f"{len(everything) - len(pairs)} of {len(everything)} pairs left out by hand")
    if len(pairs) < 2:
        raise UserError(
            f"{file}: {len(pairs)} preference pairs are too few: one is held out, one is needed to "
            f"train; annotate more questions or relax elicit.winner; {SAME_AGAIN}"
        )
    elicited = ctx.input(spec.pairs).spec()
    assert isinstance(elicited, ElicitSpec)
    tell_alike(ctx, pairs, elicited.settings)
    return pairs


def _held_out(pairs: Sequence[Pair], settings: RefineSettings, seed: int) -> frozenset[str]:
    """Ids of the held-out pairs, by class; pairs of the same question are held out together."""
    drawn = stratified_holdout({p.id: p.group for p in pairs}, settings.held_out, seed)
    return with_repeats(drawn, pairs)


def _counting_pairs(ctx: Context) -> Callable[[int, int], None]:
    return lambda done, total: ctx.progress(done, total, "pairs")


def _in_order(scores: Iterable[PairScore], pairs: Sequence[Pair]) -> list[PairScore]:
    """The pairs in the order of their file."""
    by_id = {score.id: score for score in scores}
    return [by_id[pair.id] for pair in pairs if pair.id in by_id]


def _starting_point(ctx: Context, spec: RefineSpec) -> Loaded:
    """The instructed student, or the bare one with a fresh adapter, which changes nothing yet."""
    shard = tr.shards(ctx, ctx.devices, spec)
    how: dict[str, Any] = {"trainable": True, "shard": shard}
    if spec.adapter is not None:
        adapter = ctx.output(spec.adapter, ADAPTER)
        return load(spec.student, adapter, **how, tell=ctx.message, doing=ctx.doing)
    loaded = load(spec.student, **how, tell=ctx.message, doing=ctx.doing)
    loaded.model = tr.new_adapter(loaded, spec.settings.lora, spec.student, spec.seed)
    return loaded


def tokenise(tokenizer: Any, pairs: Sequence[Pair], settings: RefineSettings) -> Tokenised:
    """Tokenise prompt and both answers, with the end token if they ended by themselves.

    A prompt that is too long loses its beginning, and with it the frame of the chat template:
    the end of the question and the cue to answer matter more. What then exceeds ``max_length``
    is cut from the end of the answers. A pair with an empty or twice the same answer left is
    dropped.
    """
    result = Tokenised()
    for pair in pairs:
        prompt = prepare_prompt(tokenizer, pair.prompt)
        cut = prompt[-settings.max_prompt_length :]
        room = max(0, settings.max_length - len(cut))
        ends = pair.chosen_finish, pair.rejected_finish
        answers = [
            prepare_answer(tokenizer, text, finish)
            for text, finish in zip((pair.chosen, pair.rejected), ends, strict=True)
        ]
        chosen, rejected = (ids[:room] for ids in answers)
        if not room or chosen == rejected:
            result.dropped += 1
            continue
        for column, ids in zip(result.columns.values(), (cut, chosen, rejected), strict=True):
            column.append(ids)
        result.names.append(pair.id)
        fits = [chosen, rejected] == answers
        result.truncated += not fits
        result.whole.append(fits and "length" not in ends)
        result.cut_prompts += len(cut) < len(prompt)
    return result


def _tell_lengths(
    ctx: Context, training: Tokenised, held_out: Tokenised, settings: RefineSettings
) -> None:
    cut = training.cut_prompts + held_out.cut_prompts
    truncated = training.truncated + held_out.truncated
    dropped = training.dropped + held_out.dropped
    text = (
        f"{len(training)} pairs to train on, {len(held_out)} held out; {cut} prompts cut to "
        f"{settings.max_prompt_length} tokens, {truncated} pairs with an answer truncated at "
        f"{settings.max_length}, {dropped} dropped because no difference was left"
    )
    if cut or truncated or dropped:
        ctx.warn(text, "truncated")
    else:
        ctx.message(text)
    if not training or not held_out:
        raise UserError(
            f"settings.refine.max_length: {settings.max_length} leaves too few pairs; raise it; "
            f"{SAME_AGAIN}"
        )


def _trainer(
    spec: RefineSpec,
    loaded: Loaded,
    layout: tr.Layout,
    folder: Path,
    training: Tokenised,
    held_out: Tokenised,
) -> Any:
    settings = spec.settings
    arguments = tr.arguments(
        spec,
        loaded,
        layout,
        folder,
        steps=_steps(settings, layout.steps_per_epoch(len(training))),
        warmup=settings.warmup_steps,
        save_every=settings.evaluate_every,
    )
    return compat.PairTrainer(
        model=loaded.model,
        args=DPOConfig(**arguments, **_preference_arguments(settings)),
        train_dataset=Dataset.from_dict(training.columns),
        eval_dataset=Dataset.from_dict(held_out.columns),
        processing_class=loaded.tokenizer,
    )


def _steps(settings: RefineSettings, steps_per_epoch: int) -> int:
    """The number of training steps: the smaller of both limits."""
    if settings.epochs is None:
        return settings.max_steps
    return min(settings.max_steps, math.ceil(settings.epochs * steps_per_epoch))


def _preference_arguments(settings: RefineSettings) -> dict[str, Any]:
    objective = find(OBJECTIVES, "objective", settings.objective)
    return objective(settings) | {
        "beta": settings.beta,
        "eval_strategy": "steps",
        "eval_steps": settings.evaluate_every,
        "prediction_loss_only": True,
        "metric_for_best_model": "eval_loss",
        "greater_is_better": False,
    }


def _check_start(ctx: Context, trainer: Any, training: Tokenised, end: int) -> float:
    """Check that the preference loss of a real batch before the first step is ln 2."""
    rows = [trainer.train_dataset[i] for i in range(min(CHECKED, len(training)))]
    batch = trainer.data_collator(rows)
    whole = torch.tensor(training.whole[: len(rows)]).repeat(2)
    guards.check_end_of_text(batch["input_ids"][whole], batch["completion_mask"][whole] == 1, end)
    loss, margin = compat.preference_loss(trainer, compat.prepared(trainer, rows))
    ctx.metric(0, 0.0, step0_loss=loss, step0_margin=margin)
    guards.check_start(loss, margin)
    return loss


def _show_first_pair(ctx: Context, training: Tokenised, tokenizer: Any) -> None:
    """Show the first pair as the model sees it, special tokens included."""
    prompt, chosen, rejected = (tokenizer.decode(ids[0]) for ids in training.columns.values())
    label, item = "first training example", training.names[0]
    ctx.emit(ev.Sample(item=item, prompt=prompt, text=chosen, label=label))
    ctx.emit(ev.Sample(item=item, prompt=prompt, text=rejected, label=f"{label}, rejected"))


def _look(
    ctx: Context, spec: RefineSpec, loaded: Loaded, trainer: Any, held_out: Sequence[Pair]
) -> None:
    """Look at the training with the prompts of held-out pairs."""
    elicited = ctx.input(spec.pairs).spec()
    assert isinstance(elicited, ElicitSpec)
    settings = spec.settings
    questions = []
    for pair in held_out[: settings.look_prompts]:
        ids = prepare_prompt(loaded.tokenizer, pair.prompt)[-settings.max_prompt_length :]
        questions.append((pair, pair.prompt, ids))
    every, source = settings.evaluate_every, elicited.demonstrations
    look_at(ctx, spec, loaded, trainer, questions, every, source)


def _picked(ctx: Context, state: Any, settings: RefineSettings) -> int:
    """The training step whose checkpoint is kept."""
    best: int | None = state.best_global_step
    if best and state.best_metric >= guards.LN2 and not settings.sft_weight:
        ctx.warn(
            f"no checkpoint is better on the held-out pairs ({state.best_metric:.4f}) than the "
            f"starting point ({guards.LN2:.4f})",
            "no-improvement",
        )
    return best if settings.select == "best" and best else state.global_step
