"""A teacher behind an OpenAI-compatible endpoint: many requests at once, no reply paid twice.

It is a plain generator that uses asyncio inside. All decisions (who is next, how many at a time,
whether it can be afforded, whether to ask again) are taken in one place between replies, so
there is nothing to lock.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, cast

from engine.generation.endpoint.chat import Chat
from engine.generation.endpoint.dialect import sent_text
from engine.generation.endpoint.flight import Flight
from engine.generation.endpoint.limits import Budget, Throttle
from engine.generation.endpoint.patience import Patience
from engine.interfaces import BrokenOff, Provider
from engine.schema.errors import UserError
from engine.store.spending import money

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from engine.interfaces import Batch, Question
    from engine.schema.cards import Endpoint, ModelCard
    from engine.schema.settings import GenerationSettings


class EndpointProvider(Provider):
    """Asks a chat endpoint; see :class:`engine.interfaces.Provider`.

    A reply with a content fault (empty, refused, cut off before it said anything) is asked
    again ``content_retries`` times; all of them are yielded, since all were paid for. Faults of
    the transport are waited out (:mod:`engine.generation.endpoint.patience`) and are never
    replies.
    """

    def __init__(
        self,
        card: ModelCard,
        generation: GenerationSettings,
        tell: Callable[[str], None],
        spent: float = 0.0,
    ) -> None:
        source = cast("Endpoint", card.source)
        self._card = card
        self._endpoint = source
        self._tell = tell
        self._throttle = Throttle(source.concurrency, tell)
        self._budget = Budget(source, card.sampling, spent)
        self._chat = Chat(card, source, tell)
        self._patience = Patience(source)
        self._flight: Flight | None = None

    def answer(
        self, questions: Sequence[Question], done: Container[str] = frozenset()
    ) -> Iterator[Batch]:
        """Yield replies as they arrive, and empty batches while it waits.

        Once something fails for good, nothing new is sent, what is in flight is still yielded,
        and then the error is raised. Closing the iterator cancels what is in flight.
        """
        waiting = deque(q for q in questions if q.key not in done)
        if not waiting:
            return
        self._check_cap(waiting[0])
        on_file = len(questions) - len(waiting)
        flight = self._flight = Flight(
            self._card, self._chat, self._budget, self._throttle, self._patience, waiting,
            self._tell, answered=on_file > 0,
        )  # fmt: skip
        yield from flight.batches()
        self._tell_faults()
        if flight.failure is not None:
            raise flight.failure
        if flight.landing:
            return
        if waiting:
            answered = len(questions) - len(waiting) - len(flight.lost)
            raise UserError(self._cap_reached(answered, len(questions)))
        if flight.lost:
            raise UserError(self._lost(flight, len(questions)))

    def land(self) -> bool:
        return self._flight is not None and self._flight.land()

    def broken_off(self) -> list[BrokenOff]:
        if self._flight is None:
            return []
        broken, self._flight.broken = self._flight.broken, []
        return broken

    @property
    def waiting(self) -> str:
        landing = self._flight.landing_text if self._flight else ""
        return landing or self._patience.waiting

    @property
    def open(self) -> int:
        return self._flight.under_way if self._flight is not None else 0

    def _check_cap(self, question: Question) -> None:
        """Refuse a spend cap that is lower than what one reply may cost."""
        worst, cap = self._budget.worst(sent_text(question)), self._endpoint.max_spend
        if cap is not None and worst > cap:
            currency, most = self._endpoint.currency, self._card.sampling.max_new_tokens
            raise UserError(
                f"card {self._card.name!r}: max_spend of {money(cap, currency)} is less than one "
                f"reply may cost ({money(worst, currency)} with {most} tokens); nothing was sent; "
                "raise it, or lower 'max_new_tokens'"
            )

    def _tell_faults(self) -> None:
        counts = {what: n for what, n in self._patience.counts.items() if "429" not in what}
        if counts:
            each = ", ".join(f"{n} × {what}" for what, n in counts.items())
            self._tell(f"{self._endpoint.base_url}: requests that brought no reply: {each}")

    def _lost(self, flight: Flight, total: int) -> str:
        question, fault, tries = flight.lost[0]
        return (
            f"{self._endpoint.base_url}: {len(flight.lost)} of {total} questions got no reply "
            f"while others did ({question.key}: {fault.words}; {tries} tries); what came is kept, "
            "and a retry asks for these alone"
        )

    def _cap_reached(self, answered: int, total: int) -> str:
        spent, currency = self._budget.spent, self._endpoint.currency
        cap = money(self._endpoint.max_spend or 0.0, currency)
        possible = self._budget.possible
        cut = (
            f", {money(possible, currency)} possibly, in replies that were cut" if possible else ""
        )
        return (
            f"spend cap of {cap} reached: {money(spent, currency)} spent{cut}, {answered} of "
            f"{total} answered; raise 'max_spend' in the card and run the experiment again"
        )
