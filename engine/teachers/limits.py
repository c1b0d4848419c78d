"""How many requests at a time, and how much money: the two limits of a paid endpoint."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpx2 import Request, Response

    from engine.contract.cards import Endpoint, Sampling

TOKENS_PER_BYTE = 0.5


def estimate_tokens(text: str) -> int:
    """A token for every two bytes of UTF-8: about twice what English text takes.

    Used where nobody has counted. It errs high, so that a spend cap holds.
    """
    return math.ceil(len(text.encode("utf-8", "replace")) * TOKENS_PER_BYTE)


def money(amount: float, currency: str) -> str:
    """Cents where there are any, else two digits that count.

    >>> money(4.971, "USD"), money(0.00031, "USD")
    ('4.97 USD', '0.00031 USD')
    """
    return (
        f"{amount:.2f} {currency}" if amount >= 0.01 or amount <= 0 else f"{amount:.2g} {currency}"
    )


@dataclass
class Throttle:
    """Requests at a time: halved when the server says 429, slowly raised while it doesn't.

    Additive increase, multiplicative decrease, as in TCP. The SDK retries inside a call, so
    every single response is watched through hooks of its HTTP client. A 429 to a request sent
    before the last halving says nothing new: one burst halves once.
    """

    most: int
    tell: Callable[[str], None]
    limit: float = field(init=False)
    _halved: float = field(default=-math.inf, init=False)
    _lowest_told: int = field(init=False)

    def __post_init__(self) -> None:
        self.limit = self.most
        self._lowest_told = self.most + 1

    async def sent(self, request: Request) -> None:
        """Hook of the HTTP client."""
        request.extensions["sent_at"] = time.monotonic()

    async def answered(self, response: Response) -> None:
        """Hook of the HTTP client."""
        if response.status_code == 429:
            if response.request.extensions["sent_at"] > self._halved:
                self._halve(response.headers.get("retry-after"))
        elif response.is_success:
            self.limit = min(self.most, self.limit + 1 / self.limit)

    def _halve(self, retry_after: str | None) -> None:
        self._halved = time.monotonic()
        self.limit = max(1.0, self.limit / 2)
        if int(self.limit) < self._lowest_told:  # each new low once, not every swing
            self._lowest_told = int(self.limit)
            wait = f", asks to wait {retry_after} s" if retry_after else ""
            self.tell(
                f"the server limits the rate (429{wait}): now at most {int(self.limit)} of "
                f"{self.most} requests at a time"
            )


@dataclass
class Budget:
    """A cap that holds: what a request can cost at most is set aside before it is sent.

    ``spent`` and ``reserved`` are in the card's currency. A request that the SDK sent again
    after a timeout may be billed by the provider without ever being answered; that is the one
    thing that can't be seen from here.
    """

    endpoint: Endpoint
    sampling: Sampling
    spent: float
    reserved: float = 0.0
    _tokens_per_byte: float = TOKENS_PER_BYTE

    def worst(self, prompt: str) -> float:
        """What a question can cost at most: its prompt and an answer of full length."""
        prompt_tokens = math.ceil(len(prompt.encode("utf-8", "replace")) * self._tokens_per_byte)
        return self.endpoint.price(prompt_tokens, self.sampling.max_new_tokens)

    def reserve(self, prompt: str) -> float | None:
        """The amount set aside for a question; ``None`` when that could exceed the cap."""
        amount, cap = self.worst(prompt), self.endpoint.max_spend
        if cap is not None and self.spent + self.reserved + amount > cap:
            return None
        self.reserved += amount
        return amount

    def settle(
        self, amount: float, prompt: str, prompt_tokens: int, completion_tokens: int
    ) -> None:
        """Replace what was set aside by what was paid, and learn how dense prompts are here."""
        self.release(amount)
        self.spent += self.endpoint.price(prompt_tokens, completion_tokens)
        density = prompt_tokens / max(1, len(prompt.encode("utf-8", "replace")))
        self._tokens_per_byte = max(self._tokens_per_byte, density)

    def release(self, amount: float) -> None:
        self.reserved -= amount
