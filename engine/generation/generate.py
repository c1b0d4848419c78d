"""Generate a local model's answers batch by batch, planned for all questions at once."""

from __future__ import annotations

import gc
import time
from typing import TYPE_CHECKING, TypeVar

import torch

from engine.generation.backends import Request, end_ids, streamed
from engine.generation.batching import plan_batches
from engine.generation.parity import settle
from engine.generation.questions import context_of, prepared, read_reply
from engine.machine import ranks
from engine.schema.errors import UserError
from engine.schema.rates import RATE_AFTER_S, rate_text

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterator, Sequence

    from engine.generation.decoding import Moment
    from engine.interfaces import Batch, Question
    from engine.models.loading import Loaded
    from engine.schema.cards import Sampling
    from engine.schema.settings import GenerationSettings

T = TypeVar("T")


def generate(
    loaded: Loaded,
    questions: Sequence[Question],
    sampling: Sampling,
    settings: GenerationSettings,
    *,
    done: Container[str] = (),
    stop: Callable[[], bool] = lambda: False,
    tell: Callable[[str], None] = lambda _line: None,
    doing: Callable[[str], None] = lambda _text: None,
    are_open: Callable[[int], None] = lambda _answers: None,
) -> Iterator[Batch]:
    """Answer ``questions`` in batches of like length; ``UserError`` when one is too long. Several
    processes share the batches, which are the same however many there are.

    Replies are yielded about twice a second: those that have ended since, or none. Always give
    all questions of a phase, with the keys that are already answered in ``done``: the layout is
    made for all of them, so that a resumed phase forms the same batches. A batch that is answered
    in part is generated whole, and only what was missing is yielded. ``stop`` is asked between
    batches. ``doing`` is told how far a batch is, as often as it changes; ``are_open``, how many of
    its answers have not ended.

    A reply ends in ``stop`` when the model ended it, ``length`` when the limit did and
    ``empty`` when nothing but white space came. Its token counts are without padding and with
    the end token.
    """
    ends = end_ids(loaded)
    context = context_of(loaded.model.config)
    prompts, limits = prepared(loaded.tokenizer, context, questions, sampling, tell)
    batches = plan_batches(
        [len(p) for p in prompts],
        sampling.max_new_tokens,
        settings.token_budget,
        settings.max_batch,
    )
    doing("checking the decode loop against the model")
    run = streamed(settle(loaded, settings.backend, tell))
    given: set[str] = set()  # before memory ran out in the middle of a batch

    def answer(part: Sequence[int]) -> Iterator[Batch]:
        request = Request(
            [prompts[i] for i in part],
            [limits[i] for i in part],
            [questions[i].seed for i in part],
            ends,
            sampling,
        )
        doing(f"reading {len(part)} prompts")
        first: tuple[int, float] | None = None  # tokens at the first look, and when that was
        for moment in run(loaded, request):
            now = time.monotonic()
            if moment.written and first is None:
                first = moment.written, now
            since, began = first or (0, now)
            doing(_words(moment, len(part), moment.written - since, now - began))
            are_open(moment.open)
            replies = [
                (
                    questions[part[row]],
                    read_reply(loaded.tokenizer, len(prompts[part[row]]), ids, ends),
                )
                for row, ids in moment.ended
            ]
            fresh = [r for r in replies if r[0].key not in done and r[0].key not in given]
            given.update(question.key for question, _ in fresh)
            yield fresh

    most = settings.max_batch
    for batch in ranks.mine(batches):
        if all(questions[i].key in done for i in batch):
            continue
        if stop():
            return
        most = yield from within_memory(answer, batch, most, tell)


def _words(moment: Moment, prompts: int, tokens: int, seconds: float) -> str:
    """Describe a batch's progress. ``tokens``, ``seconds``: since the first look at what it wrote;
    a look comes only when some time has passed, so that by itself it tells no rate."""
    if not moment.written:
        return f"reading prompts: {moment.read} of {prompts}"
    still = f"{moment.open} of {prompts} answers open"
    if tokens <= 0 or seconds < RATE_AFTER_S:
        return still
    return f"{rate_text(tokens / seconds, 'tokens', alone=True)}, {still}"


def within_memory(
    answer: Callable[[Sequence[int]], Iterator[T]],
    batch: Sequence[int],
    most: int,
    tell: Callable[[str], None],
) -> Generator[T, None, int]:
    """Yield from ``answer`` for a batch, at most ``most`` rows at once; whenever memory runs out,
    answer the failed part again with half as many rows.

    Returns the number that fitted, with which the next batch starts. ``UserError`` when a single
    question doesn't fit.
    """
    answered = 0
    while answered < len(batch):
        part = batch[answered : answered + most]
        try:
            yield from answer(part)
            answered += len(part)
            continue
        except (RuntimeError, MemoryError) as error:
            if not out_of_memory(error):
                raise
        # Only here, outside the handler, has the traceback let go of the batch's tensors.
        if len(part) == 1:
            raise UserError(
                "out of memory with a single question: lower the card's sampling.max_new_tokens,"
                " use source.precision: nf4, or a device with more memory"
            )
        most = len(part) // 2
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        tell(
            f"out of memory with {len(part)} questions at once: going on with {most}"
            " (settings.generation.token_budget sets it from the start)"
        )
    return most


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out, on a GPU or on a CPU."""
    said = str(error).lower()
    return (
        isinstance(error, torch.OutOfMemoryError | MemoryError)
        or "out of memory" in said
        or "defaultcpuallocator" in said
    )
