"""Retry after temporary faults: a server that restarts or is busy is asked again, ever slower.

A question is tried again until ``http_retries`` more tries were made and ``patience_s`` is over.
One whose replies break while others come through is given up after those tries, since the question
is at fault then, not the server.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.generation.endpoint.faults import SHORT, seconds_to_wait
from engine.schema.durations import duration

if TYPE_CHECKING:
    from engine.generation.endpoint.faults import Fault
    from engine.schema.cards import Endpoint

FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 8.0
LONGEST_ASKED_S = 120.0
SILENCE_S, SILENCES = 10.0, 5.0  # a silence is told from here on, in seconds and in usual gaps


@dataclass
class Spell:
    """One question's faults: their number, and when the first failed request was sent."""

    tries: int = 0
    since: float = 0.0


@dataclass
class Patience:
    """All questions' faults: whether any replies come, and since when not."""

    endpoint: Endpoint
    _well_at: float = -math.inf
    _trouble: Fault | None = None
    _trouble_since: float = 0.0
    _next_try: float = 0.0
    _began_at: float = field(init=False)
    _replies: int = 0
    counts: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._began_at = time.monotonic()

    def well(self) -> None:
        """Note that a reply came."""
        self._well_at, self._trouble = time.monotonic(), None
        self._replies += 1

    def pause(self, fault: Fault, spell: Spell, sent_at: float) -> float | None:
        """Return the seconds until a question is sent again; None to give it up."""
        now = time.monotonic()
        spell.tries += 1
        spell.since = spell.since or sent_at
        self.counts[SHORT[fault.kind]] = self.counts.get(SHORT[fault.kind], 0) + 1
        asked = seconds_to_wait(fault.retry_after) or 0.0
        tried = spell.tries > self.endpoint.http_retries
        over = now - spell.since >= self.endpoint.patience_s
        one = fault.kind in ("reply", "server") and self.others_come(spell)
        if asked > max(LONGEST_ASKED_S, self.endpoint.patience_s) or (tried and (over or one)):
            return None
        backoff = FIRST_PAUSE_S * 2 ** min(spell.tries - 1, 10) * random.uniform(0.75, 1.0)
        seconds = asked or min(LONGEST_PAUSE_S, backoff)
        if self._well_at < sent_at:
            self._note(fault, sent_at, now + seconds)
        return seconds

    def others_come(self, spell: Spell) -> bool:
        """Whether replies have come since this question's first fault."""
        return self._well_at > spell.since

    def _note(self, fault: Fault, since: float, next_try: float) -> None:
        if self._trouble is None:
            self._trouble_since = since
            self._next_try = next_try
        now = time.monotonic()
        self._trouble = fault
        self._next_try = next_try if self._next_try < now else min(self._next_try, next_try)

    @property
    def waiting(self) -> str:
        """What is waited for, in words; empty while replies come."""
        now = time.monotonic()
        if self._trouble is None:
            return self._silence(now)
        left = max(0.0, self._next_try - now)
        again = f"tries again in {duration(left)}" if left >= 0.5 else "trying again"
        passed = now - self._trouble_since
        return (
            f"waiting for the server: {SHORT[self._trouble.kind]} for {duration(passed)}, {again}"
        )

    def _silence(self, now: float) -> str:
        """Report a long silence, since a server that hangs reports no fault itself."""
        quiet = now - self._well_at
        usual = (self._well_at - self._began_at) / max(1, self._replies)
        if not self._replies or quiet < max(SILENCE_S, SILENCES * usual):
            return ""
        return f"waiting for the server: no reply for {duration(quiet)}"
