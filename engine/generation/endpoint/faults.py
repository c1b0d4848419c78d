"""Faults, which kept a request from bringing a reply, sorted by what can be done about them.

A fault is never a reply: it is waited out, or it ends a question, or the phase. Nothing here
knows the key; the caller removes it from a fault's words before showing them.
"""

from __future__ import annotations

import email.utils
import math
import re
import time
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["connection", "timeout", "limit", "server", "reply", "size", "question", "phase"]
PASSING: frozenset[Kind] = frozenset({"connection", "timeout", "limit", "server", "reply"})
SHORT: dict[Kind, str] = {
    "connection": "no connection",
    "timeout": "no reply in time",
    "limit": "over its limit (429)",
    "server": "the server failed",
    "reply": "no chat completion came back",
    "size": "a question is too large",
    "question": "a question was rejected",
    "phase": "refused",
}
PASSING_STATUSES = frozenset({408, 409, 425, 429})
NO_MONEY = re.compile(
    r"insufficient_quota|billing_hard_limit|exceeded your current quota|insufficient[ _]"
    r"(balance|credit|fund)|no (more )?(credit|money)|out of credit|payment required",
    re.IGNORECASE,
)
TOO_LARGE = re.compile(
    r"too (large|long|many|big|high)|(so|as) long|long(er)? than|more than|less than|at most|"
    r"exceed|smaller than|greater than|between|out of range|larger|context|length|maximum|reduce|"
    r"limit\w* (is|of)|does(n't| not) fit|token",
    re.IGNORECASE,
)
FILTERED = re.compile(r"content_filter|content_policy|ResponsibleAIPolicy", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Fault:
    """One request that brought no reply.

    Attributes:
        kind: the passing ones are waited out; ``size`` is a question that the server can't take,
            ``question`` one that it rejects for another reason, ``phase`` is what no waiting and
            no other question mends.
        words: what was wrong, as it will be told.
        status: of the HTTP response, 0 where there was none.
        retry_after: the header of that name.
        billed: a reply was under way, so that the provider may charge for it.
        usage: prompt and completion tokens of such a reply, where they are known.
    """

    kind: Kind
    words: str
    status: int = 0
    retry_after: str | None = None
    billed: bool = False
    usage: tuple[int, int] | None = None

    @property
    def passing(self) -> bool:
        return self.kind in PASSING


@dataclass(frozen=True, slots=True)
class Objection:
    """A server's error message, in OpenAI's form or in whatever came instead."""

    status: int
    text: str
    message: str = ""
    code: str = ""
    param: str = ""

    @property
    def no_money(self) -> bool:
        return self.status == 402 or bool(NO_MONEY.search(f"{self.code} {self.message}"))

    @property
    def filtered(self) -> bool:
        """Whether the provider refused the prompt because of its content."""
        return bool(FILTERED.search(self.code))

    @property
    def kind(self) -> Kind:
        if self.no_money:
            return "phase"
        if self.status == 429:
            return "limit"
        if self.status in PASSING_STATUSES or self.status >= 500:
            return "server"
        if self.status == 413 or (self.status in (400, 422) and self.too_large):
            return "size"
        return "question" if self.status in (400, 422) else "phase"

    @property
    def too_large(self) -> bool:
        """Whether it says that the prompt or a parameter is too large."""
        said = f"{self.code} {self.message}"
        return bool(TOO_LARGE.search(re.sub(r"max_\w*tokens", "", said)))


def objection(status: int, text: str, body: Any) -> Objection:
    """Parse an error's body; ``body``: its JSON, or None."""
    found: Any = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(found, dict):
        return Objection(status, text, found if isinstance(found, str) else text)
    said = found.get("message") or found.get("detail")
    codes = [found.get(name) for name in ("code", "type")]
    inner = found.get("innererror")
    if isinstance(inner, dict):  # Azure keeps the reason there
        codes.append(inner.get("code"))
    return Objection(
        status,
        text,
        said if isinstance(said, str) else text,
        " ".join(code for code in codes if isinstance(code, str)),
        str(found.get("param") or ""),
    )


def status_within(body: dict[str, Any]) -> int:
    """Return the status that an error sent under status 200 names; 500 if it names none."""
    found = body.get("error", body)
    code = found.get("code", found.get("status")) if isinstance(found, dict) else None
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) == 3:
        code = int(code)
    is_status = isinstance(code, int) and 400 <= code < 600
    return code if is_status else 500  # type: ignore[return-value]


def seconds_to_wait(header: str | None) -> float | None:
    """Parse ``Retry-After``, a number or a date, as seconds from now; None if it is neither.

    >>> seconds_to_wait("20"), seconds_to_wait("-3"), seconds_to_wait("soon")
    (20.0, 0.0, None)
    """
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    return None if math.isnan(seconds) else max(0.0, seconds)
