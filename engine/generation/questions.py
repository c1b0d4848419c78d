"""Turn questions into a local model's prompts, and its tokens into replies, for any engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from engine.interfaces import Reply
from engine.models.tokenizing import prepare_begun, prepare_prompt, read_answer
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.interfaces import Question
    from engine.schema.cards import Sampling


def prepared(
    tokenizer: Any,
    context: int | None,
    questions: Sequence[Question],
    sampling: Sampling,
    tell: Callable[[str], None],
) -> tuple[list[list[int]], list[int]]:
    """Return each prompt's token ids, and how many new tokens it may get.

    ``context``: tokens that the model can look at, None when it doesn't say. ``UserError`` when a
    prompt leaves no room for an answer.
    """
    wanted = sampling.max_new_tokens
    prompts = [_prompt(tokenizer, context, question, wanted) for question in questions]
    return prompts, _limits(context, questions, prompts, wanted, tell)


def context_of(config: Any) -> int | None:
    """Return the model's context length in tokens; None if its configuration doesn't say."""
    return getattr(config, "max_position_embeddings", None)


def read_reply(
    tokenizer: Any, prompt_tokens: int, tokens: Sequence[int], ends: tuple[int, ...]
) -> Reply:
    """Read a reply of at least one token; see :func:`engine.generation.generate.generate`."""
    ended = tokens[-1] in ends
    text, over = read_answer(tokenizer, tokens[:-1] if ended else tokens)
    return Reply(
        text=text,
        finish="empty" if not text.strip() else "stop" if ended or over else "length",
        prompt_tokens=prompt_tokens,
        completion_tokens=len(tokens),
    )


def _prompt(tokenizer: Any, context: int | None, question: Question, wanted: int) -> list[int]:
    """Return the prompt's token ids, with the begun answer that the model is to continue."""
    ids = prepare_prompt(tokenizer, question.prompt)
    if question.begun is None:
        return ids
    room = (context or 10**9) - len(ids) - wanted
    return ids + prepare_begun(tokenizer, question.begun, room)


def _limits(
    context: int | None,
    questions: Sequence[Question],
    prompts: Sequence[Sequence[int]],
    wanted: int,
    tell: Callable[[str], None],
) -> list[int]:
    """Return each prompt's limit of new tokens: what is wanted, within the model's context."""
    if context is None:
        return [wanted] * len(prompts)
    for question, prompt in zip(questions, prompts, strict=True):
        if len(prompt) >= context:
            raise UserError(
                f"question {question.key!r}: its prompt has {len(prompt)} tokens, but the model's"
                f" context is {context}; leave it out or use a model with a longer context"
            )
    limits = [min(wanted, context - len(prompt)) for prompt in prompts]
    if fewer := sum(limit < wanted for limit in limits):
        tell(
            f"{fewer} of {len(prompts)} prompts leave less than max_new_tokens {wanted} in the"
            f" model's context of {context}: their answers end there"
        )
    return limits
