"""A teacher behind an OpenAI-compatible endpoint: many questions at a time, none paid twice.

A plain generator outside, asyncio inside. All decisions (who is next, how many at a time,
whether it can be afforded, whether to ask again) are taken in one place between replies, so
there is nothing to lock.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from engine.contract.cards import Endpoint
from engine.contract.errors import UserError
from engine.teachers.chat import Chat
from engine.teachers.limits import Budget, Throttle, money

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    import openai

    from engine.contract.cards import ModelCard
    from engine.contract.settings import GenerationSettings
    from engine.interfaces import Batch, Question, Reply

LOOK_AROUND_S = 0.5


class EndpointTeacher:
    """Asks a chat endpoint; see :class:`engine.interfaces.Teacher`.

    A reply with a content fault (empty, refused, cut off before it said anything) is asked
    again ``content_retries`` times; all of them are yielded, since all were paid for.
    """

    def __init__(
        self,
        card: ModelCard,
        generation: GenerationSettings,
        tell: Callable[[str], None],
        spent: float = 0.0,
    ) -> None:
        if not isinstance(card.source, Endpoint):
            raise TypeError(f"card {card.name!r} is not an endpoint's")
        self._endpoint = card.source
        self._throttle = Throttle(card.source.concurrency, tell)
        self._budget = Budget(card.source, card.sampling, spent)
        self._chat = Chat(card, card.source, self._throttle, tell)

    def answer(
        self, questions: Sequence[Question], done: Container[str] = frozenset()
    ) -> Iterator[Batch]:
        """Replies in the order in which they come; an empty batch now and then while waiting.

        Once something fails for good, nothing new is sent, what is in flight is still yielded,
        and then the error is raised. Closing the iterator cancels what is in flight.
        """
        waiting = deque(q for q in questions if q.key not in done)
        if not waiting:
            return
        with asyncio.Runner() as runner:
            flight = _Flight(self._chat, self._budget, self._throttle, waiting)
            try:
                while flight.take_off(runner.get_loop()):
                    yield runner.run(flight.landed())
            finally:
                runner.run(flight.close())
        if flight.failure is not None:
            raise flight.failure
        if waiting:
            raise UserError(self._cap_reached(len(questions) - len(waiting), len(questions)))

    def _cap_reached(self, answered: int, total: int) -> str:
        spent, currency = self._budget.spent, self._endpoint.currency
        cap = money(self._endpoint.max_spend or 0.0, currency)
        return (
            f"spend cap of {cap} reached: {money(spent, currency)} spent, {answered} of {total} "
            "answered; raise 'max_spend' in the card and run the experiment again"
        )


class _Flight:
    """The requests of one ``answer`` call: ``waiting`` to be sent, and in the air."""

    def __init__(
        self, chat: Chat, budget: Budget, throttle: Throttle, waiting: deque[Question]
    ) -> None:
        self._chat = chat
        self._budget = budget
        self._throttle = throttle
        self._waiting = waiting
        self._content_retries = budget.endpoint.content_retries
        self._client: openai.AsyncOpenAI = chat.connect()
        self._in_air: dict[asyncio.Task[Reply], tuple[Question, float]] = {}
        self.failure: BaseException | None = None

    def take_off(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Send as many as rate and money allow; whether anything is in the air."""
        while (
            self._waiting and self.failure is None and len(self._in_air) < int(self._throttle.limit)
        ):
            amount = self._budget.reserve(self._waiting[0].prompt)
            if amount is None:
                break
            question = self._waiting.popleft()
            task = loop.create_task(self._chat.ask(self._client, question))
            self._in_air[task] = (question, amount)
        return bool(self._in_air)

    async def landed(self) -> Batch:
        """What has come back, once something has; empty after a while without."""
        landed, _ = await asyncio.wait(
            self._in_air, timeout=LOOK_AROUND_S, return_when=asyncio.FIRST_COMPLETED
        )
        batch = []
        for task in landed:
            question, amount = self._in_air.pop(task)
            problem = task.exception()
            if problem is not None:
                self._budget.release(amount)
                self._waiting.appendleft(question)
                self.failure = self.failure or problem
                continue
            reply = self._judged(question, task.result())
            self._budget.settle(
                amount, question.prompt, reply.prompt_tokens, reply.completion_tokens
            )
            if not reply.final:
                self._waiting.appendleft(replace(question, tries=question.tries + 1))
            batch.append((question, reply))
        return batch

    def _judged(self, question: Question, reply: Reply) -> Reply:
        """Final, unless it has a content fault and may be asked again."""
        faulty = reply.finish in ("empty", "filtered") or not reply.text.strip()
        return replace(reply, final=not faulty or question.tries >= self._content_retries)

    async def close(self) -> None:
        for task in self._in_air:
            task.cancel()
        await asyncio.gather(*self._in_air, return_exceptions=True)
        await self._client.close()
