"""Asks a model all questions of a phase; each reply is saved before it is counted and shown.

Shared by annotate, elicit, evaluate and judge. ``store`` decides what is still to be asked, so a
retry goes on where the last attempt ended; ``Stopped`` and ``UserError`` leave all replies that
came back on file. A phase that is asked to stop first waits for the replies already requested.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from engine.interfaces import Workplace
from engine.machine import ranks
from engine.phases.context import Stopped
from engine.phases.sharing import Shared
from engine.schema import events as ev

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from engine.interfaces import Batch, Provider, Question, Reply
    from engine.phases.context import Context
    from engine.phases.replies import ReplyStore
    from engine.schema.cards import ModelCard
    from engine.schema.records import Verdict

    Judge = Callable[[Question, Reply], Verdict]
    Label = Callable[[Question, Reply], str]

SAMPLES = 30
TELL_EVERY_S = 0.25
WAIT_EVERY_S = 2.0
SHOWN = 8_000
MERGE_PROMPTS = 8


def item_seed(seed: int, key: str) -> int:
    """The seed of a question's own random stream: the same in every attempt and batch.

    31 bits, which every server and library takes.
    """
    digest = hashlib.sha256(f"{seed}/{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def ask_all(
    ctx: Context,
    teacher: Provider,
    questions: Sequence[Question],
    store: ReplyStore,
    card: ModelCard | None = None,
    judge: Judge | None = None,
    unit: str = "questions",
    label: Label | None = None,
    targets: Mapping[str, str] | None = None,
) -> None:
    """Ask the questions that ``store`` has no reply to, and save the replies there.

    With the ``card`` of an endpoint, the cost is reported too. About thirty replies are shown as
    samples, with ``judge``'s verdict or a ``label``, and the right answer of ``targets`` (by the
    question's key). A teacher with no questions left is not
    asked, and a teacher may leave questions unanswered (imported demonstrations).
    """
    if store.damaged:
        text = f"{store.path}: damaged lines: {store.damaged}; what they answered is asked again"
        ctx.warn(text, "damaged")
    done = ranks.from_first(lambda: frozenset(q.key for q in questions if q.key in store))
    resumed = len(done)
    reporter = _Reporter(
        ctx, card, len(questions), store, resumed, unit, judge, label, targets or {}
    )
    reporter.tell()
    if resumed < len(questions):
        _ask(ctx, teacher, questions, done, store, reporter)
    ctx.taken = store.taken
    if not ranks.is_first():
        store.reload()


def _ask(
    ctx: Context,
    teacher: Provider,
    questions: Sequence[Question],
    done: frozenset[str],
    store: ReplyStore,
    reporter: _Reporter,
) -> None:
    ctx.stop_point()
    teacher = Shared(teacher) if ranks.world() > 1 else teacher
    teacher.watch(ctx.doing)
    teacher.work_at(workplace(ctx, [q.prompt for q in questions]))
    batches = filed(teacher, questions, done, store, lambda: ctx.stop_requested)
    try:
        with contextlib.closing(batches):
            for batch in batches:
                reporter.count(batch, teacher.open)
                reporter.wait(teacher.waiting)
    finally:
        reporter.tell()
    if ranks.anywhere(ctx.stop_requested):
        raise Stopped


def workplace(ctx: Context, prompts: Sequence[str]) -> Workplace:
    """Where a phase's model runs. A model that has to be merged for that is compared with the
    student on some of the prompts."""

    def merge_into(card: ModelCard, adapter: Path, folder: Path) -> None:
        from engine.training.merging import merge

        folder.mkdir()
        parity = merge(card, adapter, folder, prompts[:MERGE_PROMPTS], "bf16", ctx.doing)
        parity.check(todo="use engine: builtin")

    return Workplace(ctx.runs.root, ranks.own(ctx.devices), ctx.emit, merge_into)


def filed(
    teacher: Provider,
    questions: Sequence[Question],
    done: frozenset[str],
    store: ReplyStore,
    stopped: Callable[[], bool],
) -> Generator[Batch, None, None]:
    """Yield the replies that are not ``done``, each saved in ``store`` first; close it when done.

    Once ``stopped``, nothing new is asked, and replies already requested are still saved.
    """
    pending = [replace(q, tries=store.tries(q.key)) for q in questions]
    batches = cast("Generator[Batch, None, None]", teacher.answer(pending, done))
    try:
        with contextlib.closing(batches):
            for batch in batches:
                store.append(batch)
                store.append_broken(teacher.broken_off())
                yield batch
                if stopped() and not teacher.land():
                    break
    finally:
        store.append_broken(teacher.broken_off())


class _Reporter:
    """Reports progress, cost and samples, at most a few times a second."""

    def __init__(
        self,
        ctx: Context,
        card: ModelCard | None,
        total: int,
        store: ReplyStore,
        resumed: int,
        unit: str,
        judge: Judge | None,
        label: Label | None,
        targets: Mapping[str, str],
    ) -> None:
        self._judge, self._label, self._targets = judge, label, targets
        self._ctx = ctx
        self._card = card
        self._store = store
        self._total = total
        self._done = self._resumed = resumed
        self._unit = unit
        self._sample_every = math.ceil(total / SAMPLES)
        self._told_at = -math.inf
        self._waited_at: float | None = None
        self._ready = False
        self._under_way = 0

    def count(self, batch: Batch, under_way: int) -> None:
        self._under_way = under_way
        if not self._ready:  # the time until the model could answer belongs to no rate
            self._ready = True
            if not batch:
                self.tell()
        for question, reply in batch:
            if not reply.final:
                continue
            if self._done % self._sample_every == 0:
                self._show(question, reply)
            self._done += 1
        if batch and time.monotonic() - self._told_at >= TELL_EVERY_S:
            self.tell()

    def tell(self) -> None:
        self._told_at = time.monotonic()
        self._ctx.progress(self._done, self._total, self._unit, self._resumed, self._under_way)
        if self._card and (currency := self._card.source.bills_in):
            self._ctx.emit(_cost(self._card, self._store, currency))

    def wait(self, what: str) -> None:
        """Report a wait while it lasts, and once when it is over."""
        now = time.monotonic()
        if what and (self._waited_at is None or now - self._waited_at >= WAIT_EVERY_S):
            self._waited_at = now
            self._ctx.emit(ev.Activity(text=what, waiting=True))
        elif not what and self._waited_at is not None:
            self._waited_at = None
            self._ctx.activity("the server answers again")

    def _show(self, question: Question, reply: Reply) -> None:
        self._ctx.emit(
            ev.Sample(
                item=question.key,
                prompt=_beginning(question.prompt),
                text=_beginning(reply.text),
                verdict=self._judge(question, reply) if self._judge else None,
                label=self._label(question, reply) if self._label else "",
                target=self._targets.get(question.key, ""),
            )
        )


def _beginning(text: str) -> str:
    """The beginning of a sample, kept short because every screen rereads the events."""
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}… ({len(text)} characters in all)"


def _cost(card: ModelCard, store: ReplyStore, currency: str) -> ev.Cost:
    return ev.Cost(
        requests=store.requests,
        prompt_tokens=store.prompt_tokens,
        completion_tokens=store.completion_tokens,
        spent=store.spent(card),
        currency=currency,
        possible=store.possibly_spent(card),
    )
