"""Asks the model to finish an unclear answer with a conclusion, in the same context.

It is the second stage of zero-shot-CoT (Kojima et al., 2022, section 3): the model's own answer,
then the words that lead to its conclusion, then a few tokens more. Their words for letters and
numbers are used; those for expressions are ours. It is asked only if no clear tier reads the
first answer, so a model that concludes by itself is measured as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.interfaces import Begun, Question
from engine.phases.ask import ask_all, item_seed
from engine.schema.records import Committed
from engine.schema.tiers import is_clear
from engine.scoring.verdict import score_reply
from engine.tasks.prompts import LETTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.interfaces import AnswerKind, Provider, Reply
    from engine.phases.context import Context
    from engine.phases.replies import ReplyStore
    from engine.schema.cards import ModelCard
    from engine.schema.records import Prediction, Verdict

TOKENS: Final = 32  # enough for a letter with its option's text, or a number with its unit


def cue(kind: AnswerKind, choices: tuple[str, ...]) -> str:
    """The words from which the model continues its answer."""
    match kind:
        case "choice":
            return f"Therefore, among A through {LETTERS[len(choices) - 1]}, the answer is"
        case "number":
            return "Therefore, the answer (a number) is"
        case "math":
            return "Therefore, the answer is"


def commit(
    ctx: Context,
    kind: AnswerKind,
    predictions: list[Prediction],
    card: ModelCard,
    seed: int,
    store: ReplyStore,
    teacher: Callable[[ModelCard], Provider],
) -> list[Prediction]:
    """The predictions, the unclear ones with the answer that the model then committed to.

    ``teacher`` makes the answering model from the card with its own token limit. Replies are saved
    in ``store`` beside the first ones, so a retry asks only what is missing.
    """
    unclear = {
        _key(p.id): p for p in predictions if not is_clear(p.verdict.tier) and p.finish != "refused"
    }
    if not unclear:
        return predictions
    ctx.activity(f"asking {len(unclear)} unclear answers for their conclusion")
    questions = [
        Question(
            key,
            p.prompt,
            item_seed(seed, key),
            tries=store.tries(key),
            begun=Begun(p.output, cue(kind, p.choices)),
        )
        for key, p in unclear.items()
    ]
    sampling = card.sampling.model_copy(update={"max_new_tokens": TOKENS})
    brief = card.model_copy(update={"sampling": sampling})

    def verdict(question: Question, reply: Reply) -> Verdict:
        return _committed(kind, unclear[question.key], reply).verdict

    ask_all(ctx, teacher(brief), questions, store, card=card, judge=verdict, unit="conclusions")
    return [
        p.model_copy(update={"committed": _committed(kind, p, store[_key(p.id)])})
        if _key(p.id) in unclear and _key(p.id) in store
        else p
        for p in predictions
    ]


def _key(item: str) -> str:
    return f"{item}#commit"


def _committed(kind: AnswerKind, asked: Prediction, reply: Reply) -> Committed:
    """The prediction with its conclusion, which is read together with its cue."""
    lead = cue(kind, asked.choices)
    said = reply.text.lstrip()
    return Committed(
        cue=lead,
        text=reply.text,
        finish=reply.finish,
        tokens=reply.completion_tokens,
        verdict=score_reply(kind, asked, f"{lead} {said}" if said else "", "stop"),
    )
