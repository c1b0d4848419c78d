"""The limits of a paid endpoint: requests at a time, bytes and money."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.generation.endpoint.faults import seconds_to_wait
from engine.schema.durations import duration

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.schema.cards import Endpoint, Sampling

TOKENS_PER_BYTE = 0.5
BYTES_PER_TOKEN = 128  # the longest tokens that vocabularies have
TEXT_BYTES_PER_TOKEN = 6  # more than any text has on average
BODY_BYTES_PER_TOKEN = 2048  # a token in an event of its own, with what stands around it
ENDS = 2
BODY_BYTES = 2**20  # whatever else a body holds


def estimate_tokens(text: str) -> int:
    """Estimate a token for every two bytes of UTF-8, about twice what English takes.

    Used where nobody has counted. It errs high, so that a spend cap holds.
    """
    return math.ceil(len(text.encode("utf-8", "replace")) * TOKENS_PER_BYTE)


def estimate_reply(text: str, most: int) -> int:
    """Estimate as :func:`estimate_tokens`, assuming that the reply keeps to its limit of ``most``
    tokens if it can."""
    found = estimate_tokens(text)
    within = len(text.encode("utf-8", "replace")) <= TEXT_BYTES_PER_TOKEN * most
    return min(found, most) if within else found


def most_bytes(sampling: Sampling) -> int:
    """Return more bytes than any body needs for a reply within its token limit."""
    return BODY_BYTES + BODY_BYTES_PER_TOKEN * sampling.max_new_tokens


@dataclass
class Throttle:
    """Limits requests at a time: halved after a 429, slowly raised without one.

    Additive increase, multiplicative decrease, as in TCP. A 429 to a request sent before the
    last halving says nothing new: one burst halves once.
    """

    most: int
    tell: Callable[[str], None]
    limit: float = field(init=False)
    _halved: float = field(default=-math.inf, init=False)
    _lowest_told: int = field(init=False)

    def __post_init__(self) -> None:
        self.limit = self.most
        self._lowest_told = self.most + 1

    def answered(self) -> None:
        self.limit = min(self.most, self.limit + 1 / self.limit)

    def limited(self, sent_at: float, retry_after: str | None) -> None:
        """Handle a 429 to a request that was sent at that ``time.monotonic``."""
        if sent_at > self._halved:
            self._halve(retry_after)

    def _halve(self, retry_after: str | None) -> None:
        self._halved = time.monotonic()
        self.limit = max(1.0, self.limit / 2)
        if int(self.limit) < self._lowest_told:  # each new low once, not every swing
            self._lowest_told = int(self.limit)
            wait = seconds_to_wait(retry_after)
            asks = f", asks to wait {duration(wait)}" if wait else ""
            self.tell(
                f"the server limits the rate (429{asks}): now at most {int(self.limit)} of "
                f"{self.most} requests at a time"
            )


@dataclass
class Budget:
    """Keeps to a spend cap: a request's highest cost is set aside before it is sent.

    ``spent``, ``possible`` (for replies that were cut, which the provider may bill) and
    ``reserved`` are in the card's currency.
    """

    endpoint: Endpoint
    sampling: Sampling
    spent: float
    possible: float = 0.0
    reserved: float = 0.0
    _tokens_per_byte: float = TOKENS_PER_BYTE
    _overrun: int = 0

    def most_tokens(self, prompt: str) -> tuple[int, int]:
        """Return the most tokens that a question can take, for its prompt and its answer."""
        prompt_tokens = math.ceil(len(prompt.encode("utf-8", "replace")) * self._tokens_per_byte)
        return prompt_tokens, self.sampling.max_new_tokens + self._overrun

    def worst(self, prompt: str) -> float:
        """Return the most that a question can cost."""
        return self.endpoint.price(*self.most_tokens(prompt))

    def affords(self, amount: float) -> bool:
        cap = self.endpoint.max_spend
        return cap is None or self.spent + self.possible + self.reserved + amount <= cap

    def reserve(self, prompt: str) -> float | None:
        """Set aside a question's highest cost; ``None`` when that would exceed the cap."""
        amount = self.worst(prompt)
        if not self.affords(amount):
            return None
        self.reserved += amount
        return amount

    def settle(
        self, amount: float, prompt: str, prompt_tokens: int, completion_tokens: int
    ) -> None:
        """Replace the amount set aside by the amount paid, and learn how many tokens prompts have
        per byte and by how much replies exceed their limit (a counted end mark)."""
        self.release(amount)
        self.spent += self.endpoint.price(prompt_tokens, completion_tokens)
        density = prompt_tokens / max(1, len(prompt.encode("utf-8", "replace")))
        self._tokens_per_byte = max(self._tokens_per_byte, density)
        self._overrun = max(self._overrun, completion_tokens - self.sampling.max_new_tokens)

    def keeps_to_its_limit(self, completion_tokens: int) -> bool:
        """Whether a reply is within its limit, allowing for an end mark or two."""
        return completion_tokens <= self.sampling.max_new_tokens + ENDS

    def release(self, amount: float) -> None:
        self.reserved -= amount
