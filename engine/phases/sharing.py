"""Shares a phase's questions among its processes.

Each answers its share and hands the replies to the first process at once, which alone files and
shows them. So a reply is lost to a kill only while it is under way, and the file is the same as
from one process, however many there were in each attempt.
"""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict
from itertools import count
from typing import TYPE_CHECKING, Final

from engine.interfaces import Provider, Reply
from engine.machine import ranks

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from engine.interfaces import Batch, Question, Workplace

POLL_S: Final = 0.2
_rounds = count()  # the same in all processes: they ask the same questions in the same order


class Shared(Provider):
    """A provider whose :meth:`answer` yields all replies in the first process, and none in the
    others. It answers only its process's share (:func:`engine.machine.ranks.mine`)."""

    def __init__(self, inner: Provider) -> None:
        self._inner = inner
        self._round = next(_rounds)
        self._at_work = ranks.world() - 1  # others that have not handed in all of theirs

    def watch(self, doing: Callable[[str], None]) -> None:
        self._inner.watch(doing)

    def work_at(self, place: Workplace) -> None:
        self._inner.work_at(place)

    def land(self) -> bool:
        return self._inner.land() or (ranks.is_first() and self._at_work > 0)

    @property
    def open(self) -> int:
        return self._inner.open * ranks.world()  # about: the others' batches are like this one's

    def answer(self, questions: Sequence[Question], done: Container[str] = ()) -> Iterator[Batch]:
        share = self._inner.answer(questions, done)
        if ranks.is_first():
            yield from self._gather(share, {question.key: question for question in questions})
        else:
            yield from self._hand_in(share)

    def _gather(self, share: Iterator[Batch], questions: dict[str, Question]) -> Iterator[Batch]:
        try:
            for batch in share:
                yield batch
                yield self._handed_in(questions)
            while self._at_work:
                yield self._handed_in(questions)
                time.sleep(POLL_S)
        finally:
            ranks.store().set(self._over, "1")

    def _handed_in(self, questions: dict[str, Question]) -> Batch:
        """What has come from the others since the last look."""
        found: Batch = []
        store = ranks.store()
        while self._at_work and store.queue_len(self._queue):
            rows = json.loads(store.queue_pop(self._queue))
            self._at_work -= rows is None
            found += [(questions[key], Reply(**reply)) for key, reply in rows or ()]
        return found

    def _hand_in(self, share: Iterator[Batch]) -> Iterator[Batch]:
        """Hand in what comes, and wait until the first process has filed all."""
        store = ranks.store()
        try:
            for batch in share:
                if batch:
                    rows = [(question.key, asdict(reply)) for question, reply in batch]
                    store.queue_push(self._queue, json.dumps(rows))
                yield []
        finally:
            with contextlib.suppress(RuntimeError):  # the first process is gone
                store.queue_push(self._queue, "null")
        while not store.check([self._over]):
            yield []
            time.sleep(POLL_S)

    @property
    def _queue(self) -> str:
        return f"replies-{self._round}"

    @property
    def _over(self) -> str:
        return f"over-{self._round}"
