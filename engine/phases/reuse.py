"""Reuses generations that another phase has already made.

Two annotate phases that differ in what they keep, or two elicit phases that differ in their
gate, have the same generations (:attr:`generation_key`) and different outputs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.phases.replies import ReplyStore
from engine.schema.errors import UserError
from engine.store.layout import REPLIES

if TYPE_CHECKING:
    from pathlib import Path

    from engine.phases.context import Context
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import PhaseDir


def take_generations(ctx: Context, spec: PhaseSpec) -> bool:
    """Fill ``work/replies.jsonl`` from phases with the same generations, if any, also from phases
    that failed or were stopped, since their final replies stay valid.

    Call it before the phase opens its own store. True when replies were copied; they don't
    count as this phase's usage.
    """
    if spec.generation_key is None:
        return False
    store, taken = ReplyStore(ctx.work / REPLIES), 0
    for folder in ctx.runs.phase_dirs():
        if folder.id == ctx.folder.id or not folder.id.startswith(f"{spec.kind}-"):
            continue
        if not _has_same_generations(folder, spec):
            continue
        taken += take_from(ctx, folder, store)
    return taken > 0


def take_from(ctx: Context, folder: PhaseDir, store: ReplyStore) -> int:
    """Copy the missing replies from another phase; returns how many were copied."""
    return take_replies(ctx, folder.work / REPLIES, folder.id, store)


def take_replies(ctx: Context, file: Path, whose: str, store: ReplyStore) -> int:
    """Copy the missing replies from a file; returns how many were copied."""
    taken = store.take(ReplyStore(file, own=False))
    if taken:
        ctx.message(f"took {taken} replies from {whose}: the same generations")
    return taken


def _has_same_generations(folder: PhaseDir, spec: PhaseSpec) -> bool:
    if not (folder.work / REPLIES).exists():
        return False
    try:
        return folder.spec().generation_key == spec.generation_key
    except (OSError, UserError):  # an older version's spec: nothing to be had from it
        return False
