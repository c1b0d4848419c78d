"""Merge: writes the trained student as a model folder that plain ``transformers`` loads.

The adapter is added to the base it was trained on; the written model is loaded again and compared
with the student on prompts of its own training (:mod:`engine.training.merging`).
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

from engine.machine.state import first_event
from engine.models.loading import quiet
from engine.schema.errors import UserError
from engine.schema.follow_ups import PROBES
from engine.store.layout import ADAPTER, DEMONSTRATIONS, MERGED, PAIRS
from engine.training.merging import merge, written_bytes

if TYPE_CHECKING:
    from engine.phases.context import Context
    from engine.schema.follow_ups import MergeSpec


def run(ctx: Context, spec: MergeSpec) -> dict[str, Any]:
    """Write ``model/``: weights, tokenizer, generation settings; return how far it is from the
    student. ``UserError``, and nothing published, when that is more than rounding explains."""
    adapter = ctx.output(spec.adapter, ADAPTER)
    prompts = _prompts(ctx, spec)
    _check_room(ctx, spec)

    def step(text: str) -> None:
        ctx.stop_point()
        ctx.activity(text)

    quiet()
    folder = ctx.staging / MERGED
    folder.mkdir()
    parity = merge(spec.student, adapter, folder, prompts, spec.dtype, step, ctx.message)
    ctx.stop_point()
    parity.check(spec.max_kl)
    _warn_of_another_device(ctx, spec, parity.device)
    return parity.model_dump() | {"summary": parity.summary}


def _prompts(ctx: Context, spec: MergeSpec) -> list[str]:
    """Prompts taken evenly from the training's data."""
    name = PAIRS if spec.data.startswith("elicit-") else DEMONSTRATIONS
    lines = ctx.output(spec.data, name).read_bytes().splitlines()
    count = min(PROBES, len(lines))
    spread = (lines[n * len(lines) // count] for n in range(count))
    return list(dict.fromkeys(str(json.loads(line)["prompt"]) for line in spread))


def _check_room(ctx: Context, spec: MergeSpec) -> None:
    free, needed = shutil.disk_usage(ctx.work).free, written_bytes(spec.student, spec.dtype)
    if free < needed:
        raise UserError(f"{ctx.work}: {free >> 20:,} MiB free, about {needed >> 20:,} MiB needed")


def _warn_of_another_device(ctx: Context, spec: MergeSpec, merged_on: str) -> None:
    attempt = ctx.runs.phase(spec.adapter).last_attempt()
    began = first_event(attempt) if attempt else None
    trained_on = began.devices[0].partition(":")[0] if began and began.devices else merged_on
    if spec.student.weights.precision == "nf4" and trained_on != merged_on:
        ctx.warn(
            f"trained on {trained_on}, merged on {merged_on}: a base whose weights are kept in"
            " fp16 may be quantised otherwise here; merge on the same kind of device to be sure",
            "other-device",
        )
