"""What a training phase asks its student at each look, and where the answers are published."""

from __future__ import annotations

import shutil
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from engine import catalog
from engine.schema.errors import UserError
from engine.schema.specs import AnnotateSpec
from engine.scoring.verdict import score_reply
from engine.store.layout import LOOKS
from engine.training.compat import is_sharded
from engine.training.looks import Looks, Prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.interfaces import AnswerKind
    from engine.models.loading import Loaded
    from engine.phases.context import Context
    from engine.schema.records import Demonstration, Finish, Pair, Verdict
    from engine.schema.specs import InstructSpec, RefineSpec

    Question = tuple[Demonstration | Pair, str, list[int]]  # with its prompt as text and tokens


def look_at(
    ctx: Context,
    spec: InstructSpec | RefineSpec,
    loaded: Loaded,
    trainer: Any,
    questions: Sequence[Question],
    every: int,
    demonstrations: str,
    trained_on: frozenset[str] = frozenset(),
) -> None:
    """Have the trainer's model answer these questions every ``every`` steps.

    ``demonstrations``: the phase that they come from in the end; ``trained_on``: ids of questions
    that the training sees too.
    """
    if is_sharded(trainer.model):  # the others would have to answer the same at the same time
        ctx.message("no prompts are answered on the way: the weights are split among processes")
        return
    score = _scorer(ctx, demonstrations)
    prompts = [
        Prompt(one.id, text, ids, one.target, one.id in trained_on, score(one))
        for one, text, ids in questions
    ]
    file = ctx.work / LOOKS
    computing, backend = trainer.compute_loss_context_manager, spec.generation.backend
    trainer.add_callback(Looks(ctx, loaded, prompts, every, file, computing, backend))


def publish_looks(ctx: Context) -> None:
    """Copy the answers to the phase's outputs, if there are any."""
    with suppress(FileNotFoundError):
        shutil.copyfile(ctx.work / LOOKS, ctx.staging / LOOKS)


def _scorer(
    ctx: Context, demonstrations: str
) -> Callable[[Demonstration | Pair], Callable[[str, Finish], Verdict] | None]:
    """What reads the answers to a question: by the rules of its benchmark, if that is known."""
    kind: AnswerKind | None = None
    with suppress(OSError, UserError):
        source = ctx.runs.phase(demonstrations).spec()
        if isinstance(source, AnnotateSpec):
            kind = catalog.task(source.task.name).kind
    return lambda one: partial(score_reply, kind, one) if kind else None
