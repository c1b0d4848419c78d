"""Runs TRL's trainers quietly, without extra work, and resumable.

Several processes deal a step's rows among themselves (:mod:`engine.training.dealing`), and end with
the same losses and weights as one, but for rounding and dropout.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from peft import LoraConfig, get_peft_model
from transformers import PrinterCallback, TrainerState
from transformers.training_args import OptimizerNames

from engine import catalog
from engine.machine import ranks
from engine.machine.devices import MIB, memory
from engine.models import adapters
from engine.models.loading import compute_dtype
from engine.planning.memory import (
    AT_ONCE,
    LARGE,
    PASS_OF_CARD,
    PASS_OF_MACHINE,
    rough_gib,
    shape_in,
    splits,
)
from engine.schema.errors import UserError, nearest
from engine.store.layout import hash_file
from engine.training import checkpoints, compat, guards
from engine.training.givingback import GivesBack
from engine.training.reporter import Reporter, Watcher, out_of_patience
from engine.training.tracking import reporting

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from engine.interfaces import Devices
    from engine.models.loading import Loaded
    from engine.schema.cards import ModelCard
    from engine.schema.settings import LoraSettings
    from engine.schema.specs import InstructSpec, RefineSpec

SCHEDULES = {"constant": "constant_with_warmup"}


@dataclass(frozen=True, slots=True)
class Layout:
    """How one optimiser step's batch is split: examples per process and pass x passes x processes.
    Where these don't divide it, some processes have one example less."""

    per_device: int
    accumulation: int
    world: int
    batch: int

    def steps_per_epoch(self, examples: int) -> int:
        return math.ceil(examples / self.batch)


def solve_layout(batch: int, at_once: int, resume: Path | None) -> Layout:
    """Split a batch into equal passes of at most ``at_once`` examples per process.

    The gradient is the mean over the whole batch, however it is split. A resumed training keeps its
    layout as long as the number of processes is the same, since rounding depends on it.
    """
    world = ranks.world()
    if resume is not None:
        sealed = checkpoints.sealed_layout(resume)
        before = Layout(**{"batch": math.prod(sealed.values()), **sealed})  # older ones divided it
        if (before.batch, before.world) == (batch, world):
            return before
    share = math.ceil(batch / world)
    at_once = min(ranks.gathered(at_once))  # the cards may differ, or not all be free
    per_device = max(d for d in range(1, share + 1) if share % d == 0 and d <= max(1, at_once))
    return Layout(per_device, share // per_device, world, batch)


def batch_within(watcher: Watcher, wanted: int, examples: int) -> int:
    """The batch size, limited to the number of examples there are."""
    if wanted <= examples:
        return wanted
    watcher.warn(
        f"batch_size {wanted} is more than the {examples} examples there are: every step takes all",
        "batch-capped",
    )
    return examples


def shards(watcher: Watcher, devices: Devices, spec: InstructSpec | RefineSpec) -> bool:
    """Whether the base's weights are split among the processes: as it was asked for, or where one
    GPU can't hold them. ``UserError`` for 4-bit weights, which can't be split."""
    if ranks.world() == 1 or devices.shard is False:
        return False
    if not splits(spec.student.weights):
        if devices.shard:
            raise UserError(
                f"card {spec.student.name!r}: 4-bit weights can't be split among processes; use "
                "source.precision: bf16, or leave out shard"
            )
        return False
    needed = rough_gib(spec, on_gpu=True)
    if devices.shard is None and (needed is None or not devices.gpus):
        return False
    if devices.shard is None and not ranks.anywhere((needed or 0.0) > _card_gib()):
        return False
    watcher.activity(f"splitting the weights among {ranks.world()} processes")
    return True


def _card_gib() -> float:
    return torch.cuda.get_device_properties(ranks.local_rank()).total_memory / MIB / 1024


def examples_at_once(loaded: Loaded, tokens: int) -> int:
    """How many sequences of the given length fit into memory in one training pass.

    So many bytes a token are kept as :meth:`engine.planning.memory.Shape.kept` says. On a CPU no
    more are read at once than keep its caches useful.
    """
    shape = shape_in(loaded.model.config.get_text_config())
    each = tokens * shape.kept(loaded.model.dtype.itemsize, recomputes(loaded))
    if loaded.device.type == "cuda":
        return max(1, int(torch.cuda.mem_get_info(loaded.device)[0] * PASS_OF_CARD / each))
    return max(1, min(int(memory()[1] * MIB * PASS_OF_MACHINE / each), AT_ONCE))


def recomputes(loaded: Loaded) -> bool:
    """Whether to use gradient checkpointing: for real models on a GPU."""
    return loaded.device.type == "cuda" and loaded.model.num_parameters() >= LARGE


def optimizer_for(wanted: str, device: torch.device) -> str:
    """The optimiser's name in transformers; plain AdamW stands in for GPU-only ones on a CPU."""
    names = {str(name.value) for name in OptimizerNames}
    if wanted not in names:
        raise UserError(f"settings: optimizer: {wanted!r} is unknown; {nearest(wanted, names)}")
    gpu_only = "paged" in wanted or "bit" in wanted or "bnb" in wanted
    return "adamw_torch" if gpu_only and device.type != "cuda" else wanted


def new_adapter(loaded: Loaded, lora: LoraSettings, card: ModelCard, seed: int) -> Any:
    """The model with a fresh, seeded LoRA adapter named ``default``."""
    targets: Any = card.lora_targets or lora.targets
    if not isinstance(targets, str):
        targets = list(targets)
        if "lm_head" in targets:
            raise UserError("lora.targets: the trainers can't train lm_head; leave it out")
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=lora.r,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=targets,
    )
    torch.manual_seed(seed)
    try:
        return get_peft_model(loaded.model, config)
    except ValueError as error:
        leaves = {n.rpartition(".")[2] for n, m in loaded.model.named_modules() if _is_linear(m)}
        missing = [t for t in targets if t not in leaves] or [targets]
        raise UserError(
            f"card {card.name!r}: lora.targets: {missing[0]!r} names no module of this model; "
            f"{nearest(str(missing[0]), leaves)}"
        ) from error


def _is_linear(module: torch.nn.Module) -> bool:
    return isinstance(module, torch.nn.Linear)


def arguments(
    spec: InstructSpec | RefineSpec,
    loaded: Loaded,
    layout: Layout,
    folder: Path,
    *,
    steps: int,
    warmup: int,
    save_every: int,
) -> dict[str, Any]:
    """The arguments that SFTConfig and DPOConfig share, under transformers' names."""
    for tracker in spec.tracking.report_to:
        catalog.check_tracker(tracker)  # where it was planned need not be where it runs
    settings, cuda = spec.settings, loaded.device.type == "cuda"
    dtype = compute_dtype(spec.student.weights.precision)
    return {
        "output_dir": str(folder),
        "max_steps": steps,
        "per_device_train_batch_size": layout.per_device,
        "per_device_eval_batch_size": layout.per_device,
        "gradient_accumulation_steps": layout.accumulation,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": SCHEDULES.get(settings.schedule, settings.schedule),
        "warmup_steps": warmup,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        "optim": optimizer_for(settings.optimizer, loaded.device),
        "seed": spec.seed,
        "data_seed": spec.seed,
        "use_cpu": not cuda,
        "bf16": cuda and dtype is torch.bfloat16,
        "fp16": cuda and dtype is torch.float16,
        "activation_checkpointing": recomputes(loaded),
        "save_strategy": "steps",
        "save_steps": save_every,
        "save_total_limit": 2,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would replace a NaN by the average
        "dataloader_pin_memory": cuda,
        # an expert that no token of a pass went to has no gradient there
        "ddp_find_unused_parameters": hasattr(
            loaded.model.config.get_text_config(), "output_router_logits"
        ),
        "max_length": None,  # cut and counted before the trainer sees an example
        "disable_tqdm": True,
        "report_to": "none",  # see engine.training.tracking
        "project": spec.tracking.project,
        "run_name": f"{spec.kind} {spec.student.name} s{spec.seed} {spec.fingerprint[:8]}",
        "log_level": "error",
    }


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a training: its final state and the checkpoint of its last step."""

    state: TrainerState
    stopped: bool
    stopped_early: bool


def train(
    trainer: Any,
    reporter: Reporter,
    resume: Path | None,
    trackers: Iterable[str],
    patience_steps: int | None = None,
) -> Outcome:
    """Train to the end or until stopped, starting from a checkpoint if there is one.

    A checkpoint of a training that had ended is not trained further: the attempt that made it
    died before its results were published.
    """
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(reporter)
    if trainer.args.use_cpu:
        trainer.add_callback(GivesBack())
    state = TrainerState.load_from_json(str(checkpoints.state_file(resume))) if resume else None
    if state is None or not _has_ended(state, trainer.args.max_steps, patience_steps):
        begun = state.global_step if state else 0
        compat.go_on_counting(trainer, last_logged(state, "num_tokens") if state else None)
        if not ranks.is_first():
            torch.manual_seed(trainer.args.seed + ranks.rank())  # each draws dropout of its own
        with reporting(
            trainer,
            trackers,
            begun,
            lambda: _has_ended(trainer.state, trainer.args.max_steps, patience_steps),
        ):
            trainer.train(resume_from_checkpoint=str(resume) if resume else None)
        state = trainer.state
        ranks.meet()  # the first process has sealed the last checkpoint
    if reporter.nan_steps:
        raise UserError("the last steps' loss is not a number; lower learning_rate or use fp32")
    ended = _has_ended(state, trainer.args.max_steps, patience_steps)
    early = ended and state.global_step < trainer.args.max_steps
    return Outcome(state, reporter.stopped and not ended, early)


def _has_ended(state: TrainerState, steps: int, patience_steps: int | None) -> bool:
    return state.global_step >= steps or bool(out_of_patience(state, patience_steps))


def last_logged(state: TrainerState, key: str) -> float | None:
    """The last logged value of a metric, kept across resumes by the checkpoint's history."""
    return next((entry[key] for entry in reversed(state.log_history) if key in entry), None)


def warn_of_long_warmup(watcher: Watcher, warmup: int, steps: int) -> None:
    if warmup >= steps:
        watcher.warn(
            f"the warm-up ({warmup} steps) takes all {steps} steps: the learning rate never "
            "reaches its peak; lower warmup_steps or train longer",
            "warmup-long",
        )


def describe(trainer: Any, layout: Layout, examples: int) -> str:
    """Describe the training that is about to start, in one line."""
    args = trainer.args
    return (
        f"{args.max_steps} steps of {layout.batch} out of {examples} examples "
        f"({layout.per_device} at once x {layout.accumulation} passes x {layout.world} processes), "
        f"{args.optim.value}, learning rate {args.learning_rate:g}, "
        f"warm-up {args.warmup_steps:g} steps"
    )


def warn_if_still(watcher: Watcher, figures: dict[str, Any]) -> None:
    if figures["moved_weights"] < guards.MOVED_ENOUGH:
        watcher.warn(
            f"only {figures['moved_weights']:.1f} % of the adapter's weights moved: learning_rate "
            "is too small, or there were too few steps",
            "moved-weights-low",
        )


def common_figures(
    trainer: Any, layout: Layout, outcome: Outcome, start: guards.Weights, adapter: Path
) -> dict[str, Any]:
    """Figures of SFT and DPO alike; ``UserError`` when the exported adapter is unchanged."""
    exported = guards.saved_weights(adapter)
    guards.check_changed(start, exported)
    return {
        "steps": outcome.state.global_step,
        "epochs": outcome.state.epoch,
        "final_loss": last_logged(outcome.state, "loss"),
        "moved_weights": guards.moved_weights(start, exported),
        "trainable_parameters": sum(value.numel() for value in start.values()),
        "optimizer": str(trainer.args.optim.value),
        "adapter_sha256": hash_file(adapter / adapters.WEIGHTS),
        "batch_size": layout.batch,
    } | {name: value for name, value in asdict(layout).items() if name != "batch"}
