"""Manage the requests of one ``answer`` call: those to send, those under way, their outcomes."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from engine.generation.endpoint.advice import explain
from engine.generation.endpoint.asks import Ask, judged, stuck
from engine.generation.endpoint.dialect import sent_text
from engine.generation.endpoint.faults import Fault
from engine.interfaces import BrokenOff, Reply
from engine.schema.durations import duration
from engine.schema.errors import UserError
from engine.store.spending import money

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Generator

    import openai

    from engine.generation.endpoint.limits import Budget, Throttle
    from engine.generation.endpoint.patience import Patience
    from engine.interfaces import Batch, Question
    from engine.schema.cards import ModelCard

LOOK_AROUND_S = 0.5
LANDING_S = 60.0
UNPROVED = 2
REFUSED_IN_A_ROW, REFUSED_AMONG_ANSWERED = 5, 20
REFUSALS_TOLD = 5
CAP_IS_LOST = (
    ": stopped, since the cap of {cap} can't be held where replies cost more than their limit "
    "says; what came is kept; raise 'max_new_tokens' in the card to what the server really writes"
)


class Speaker(Protocol):
    """Sends questions to a server."""

    def connect(self) -> openai.AsyncOpenAI:
        """Open a client for one event loop; it is closed there."""
        ...

    async def ask(self, client: openai.AsyncOpenAI, question: Question) -> Reply | Fault:
        """Send a question once and return the outcome."""
        ...


class Flight:
    """The requests under way. Questions left in the caller's ``waiting`` were not answered.

    ``failure``: what ended the phase. ``lost``: questions whose replies broke every time while
    others came through. Under a cap no more than two are sent until a reply has shown that it
    keeps to its token limit.
    """

    def __init__(
        self,
        card: ModelCard,
        chat: Speaker,
        budget: Budget,
        throttle: Throttle,
        patience: Patience,
        waiting: deque[Question],
        tell: Callable[[str], None],
        answered: bool,
    ) -> None:
        self._card = card
        self._chat = chat
        self._budget = budget
        self._throttle = throttle
        self._patience = patience
        self._waiting = waiting
        self._tell = tell
        self._answered = answered
        self._answers_now = False
        self._proved = budget.endpoint.max_spend is None
        self._client: openai.AsyncOpenAI = chat.connect()
        self._in_air: dict[asyncio.Task[Reply | Fault], Ask] = {}
        self.broken: list[BrokenOff] = []
        self._held: list[tuple[Question, Fault]] = []
        self._refusals = 0
        self._land_by = math.inf
        self._told: set[str] = set()
        self._refusals_told = 0
        self.lost: list[tuple[Question, Fault, int]] = []
        self.failure: BaseException | None = None

    @property
    def landing(self) -> bool:
        return self._land_by < math.inf

    @property
    def _ending(self) -> bool:
        return self.failure is not None or self.landing

    def batches(self) -> Generator[Batch]:
        """Yield replies as they come, empty batches while waiting, and refused questions last.
        Closing it cancels the requests under way."""
        with asyncio.Runner() as runner:
            try:
                while self._take_off(runner.get_loop()):
                    batch = runner.run(self._landed())
                    yield batch
                    self._account(batch)
                if rest := self._refused():
                    yield rest
            finally:
                runner.run(self._close())

    def _take_off(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Send as many questions as rate and money allow; return whether any is under way."""
        most = int(self._throttle.limit) if self._proved else UNPROVED
        most += stuck(self._in_air.values())
        while self._waiting and not self._ending and len(self._in_air) < most:
            amount = self._budget.reserve(sent_text(self._waiting[0]))
            if amount is None:
                break
            ask = Ask(self._waiting.popleft(), amount)
            self._in_air[loop.create_task(self._bring(ask))] = ask
        return bool(self._in_air)

    def land(self) -> bool:
        """Send nothing new; return whether replies are under way."""
        if self.under_way and not self.landing:
            most = min(LANDING_S, self._budget.endpoint.timeout_s)
            self._land_by = time.monotonic() + most
            self._tell(self.landing_text)
        return self.under_way > 0

    @property
    def landing_text(self) -> str:
        """What a stop is waiting for, in words; empty if no stop was asked for."""
        if not self.landing:
            return ""
        left = max(0.0, self._land_by - time.monotonic())
        return f"stopping: {self.under_way} replies under way, waited for {duration(left)} at most"

    @property
    def under_way(self) -> int:
        """Requests that a reply is being written to."""
        return sum(not ask.resting for ask in self._in_air.values())

    async def _landed(self) -> Batch:
        """Wait briefly, and return the replies that have arrived, if any."""
        late = time.monotonic() > self._land_by
        for task, ask in self._in_air.items():
            if self._ending and (ask.resting or late):
                task.cancel()
        landed, _ = await asyncio.wait(
            self._in_air, timeout=LOOK_AROUND_S, return_when=asyncio.FIRST_COMPLETED
        )
        batch: Batch = []
        for task in landed:
            ask = self._in_air.pop(task)
            self._budget.release(ask.amount)
            if task.cancelled():
                self._waiting.appendleft(ask.question)
                self._cut_short(ask)
            elif (problem := task.exception()) is not None:
                self._waiting.appendleft(ask.question)
                self.failure = self.failure or problem
            elif isinstance(found := task.result(), Fault):
                self._failed(ask, found)
            else:
                batch += self._arrived(ask.question, found)
        return batch

    def _account(self, batch: Batch) -> None:
        """Count saved replies as paid; one beyond its limit shows that the cap can't be held."""
        for question, reply in batch:
            if reply.finish == "refused":
                continue
            used = (reply.prompt_tokens, reply.completion_tokens)
            self._budget.settle(0.0, sent_text(question), *used)
            if self._budget.keeps_to_its_limit(reply.completion_tokens):
                self._proved = True
            else:
                self._too_long(reply)

    async def _close(self) -> None:
        for task, ask in self._in_air.items():
            self._cut_short(ask)
            task.cancel()
        await asyncio.gather(*self._in_air, return_exceptions=True)
        await self._client.close()

    def _refused(self) -> Batch:
        """At the end, return questions that the server refuses though it took others."""
        if not self._held or self._ending:
            return []
        if self._answered:
            return self._let_go()
        self._fail_by_refusal()
        return []

    async def _bring(self, ask: Ask) -> Reply | Fault:
        """Wait for a reply, or for a fault that waiting has not cured."""
        while True:
            sent_at = time.monotonic()
            found = await self._chat.ask(self._client, ask.question)
            if isinstance(found, Reply):
                self._patience.well()
                self._throttle.answered()
                return found
            if found.billed:
                self._may_be_billed(ask, found)
            if not found.passing:
                return found
            if found.kind == "limit":
                self._throttle.limited(sent_at, found.retry_after)
            pause = self._patience.pause(found, ask.spell, sent_at)
            ask.unaffordable = not self._budget.affords(0.0)
            if pause is None or self._ending or ask.unaffordable:
                return found
            self._tell_first(found)
            ask.resting = found
            await asyncio.sleep(pause)
            ask.resting = None

    def _arrived(self, question: Question, reply: Reply) -> Batch:
        self._answered = self._answers_now = True
        self._refusals = 0
        reply = judged(question, reply, self._budget.endpoint.content_retries)
        if not reply.final:
            self._waiting.appendleft(replace(question, tries=question.tries + 1))
        return [*self._let_go(), (question, reply)]

    def _failed(self, ask: Ask, fault: Fault) -> None:
        if fault.kind in ("size", "question"):
            self._held.append((ask.question, fault))
            self._refusals += 1
            most = REFUSED_AMONG_ANSWERED if self._answers_now else REFUSED_IN_A_ROW
            if self._refusals >= most:
                self._fail_by_refusal()
            return
        if fault.passing and self._patience.others_come(ask.spell):
            self.lost.append((ask.question, fault, ask.spell.tries))
            return
        self._waiting.appendleft(ask.question)
        if self._ending or ask.unaffordable:
            return
        why = explain(fault, max(1, ask.spell.tries), self._card, self._budget.endpoint)
        self.failure = UserError(why)

    def _fail_by_refusal(self) -> None:
        why = explain(self._held[-1][1], 1, self._card, self._budget.endpoint)
        self.failure = self.failure or UserError(why)
        self._waiting.extendleft(question for question, _ in self._held)
        self._held = []

    def _let_go(self) -> Batch:
        """Give up held questions, since the server takes others: those too large stay unanswered,
        those rejected otherwise are left to a retry."""
        batch: Batch = []
        for question, fault in self._held:
            if fault.kind == "question":
                self.lost.append((question, fault, 1))
                continue
            self._refusals_told += 1
            if self._refusals_told <= REFUSALS_TOLD:
                self._tell(f"{question.key}: the server won't take this question ({fault.words})")
            batch.append((question, Reply("", "refused", 0, 0, why=fault.words)))
        self._held = []
        return batch

    def _may_be_billed(self, ask: Ask, fault: Fault) -> None:
        """Count a broken reply against the cap, and record it."""
        used = fault.usage or self._budget.most_tokens(sent_text(ask.question))
        self._budget.possible += self._budget.endpoint.price(*used)
        self.broken.append(BrokenOff(ask.question.key, *used, why=fault.words))

    def _cut_short(self, ask: Ask) -> None:
        if not ask.resting:
            self._may_be_billed(ask, Fault("timeout", "not waited for", billed=True))

    def _too_long(self, reply: Reply) -> None:
        endpoint, most = self._budget.endpoint, self._card.sampling.max_new_tokens
        words = (
            f"{endpoint.base_url}: a reply of {reply.completion_tokens} tokens where "
            f"'max_new_tokens' allows {most}"
        )
        if endpoint.max_spend is None:
            self._tell_once("length", f"{words}: the server does not keep to it")
        elif self.failure is None:
            cap = money(endpoint.max_spend, endpoint.currency)
            self.failure = UserError(f"{words}{CAP_IS_LOST.format(cap=cap)}")

    def _tell_first(self, fault: Fault) -> None:
        """Report each kind of fault once; the throttle reports a 429."""
        if fault.kind != "limit":
            url = self._budget.endpoint.base_url
            self._tell_once(fault.kind, f"{url}: {fault.words}; waits and tries again")

    def _tell_once(self, what: str, line: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._tell(line)
