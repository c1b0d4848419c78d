"""Read the model's reply from a body under status 200, or find that it holds none.

Only a whole chat completion is a reply: a message and an end that is known. Anything else (a
page, half a JSON, an error under status 200, a stream without an end) is :class:`NoReply`.
A server may send anything at all in any figure and any field.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.generation.endpoint.limits import BYTES_PER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.schema.records import Finish

DEEPEST = 64
MOST_TOKENS = 10_000_000
ENDS: dict[str | None, Finish] = {
    None: "stop",
    "stop": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_calls": "stop",
    "function_call": "stop",
    "length": "length",
    "max_tokens": "length",
    "max_length": "length",
    "content_filter": "filtered",
    "refusal": "filtered",
    "safety": "filtered",
    "sensitive": "filtered",
    "recitation": "filtered",
}
THINKING = ("thinking", "reasoning", "reasoning_content", "redacted_thinking")
TEXT = ("text", "output_text")
_SCANNED = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


class NoReply(Exception):
    """The body holds no reply of the model. ``begun``: a reply was under way. ``error``: the error
    body that came instead."""

    def __init__(
        self, words: str, body: Any = None, begun: bool = False, error: dict[str, Any] | None = None
    ) -> None:
        super().__init__(words)
        self.words = words
        self.begun = begun
        self.error = error
        self.usage = _figures(body)


@dataclass(frozen=True, slots=True)
class Completion:
    """A model's reply and the server's token counts.

    Attributes:
        text: what it says; ``thinking``: what it says to itself before, kept apart.
        finish: as in :class:`engine.interfaces.Reply`.
        spent_on_thinking: nothing but thinking came before the token limit.
        usage: prompt and completion tokens as the server counted them, where that can be
            believed; ``doubt`` says what can't, and is empty where nothing was counted.
    """

    text: str
    thinking: str
    finish: Finish
    spent_on_thinking: bool
    usage: tuple[int, int] | None
    doubt: str


def decoded(body: bytes) -> str:
    """Decode a body as text, whatever bytes it holds."""
    return body.decode(json.detect_encoding(body), "replace")


def read_completion(text: str) -> Completion:
    """Read the reply in a body, which is JSON or a stream of events."""
    found = _from_stream(text) if _is_stream(text) else _parsed(text)
    if not isinstance(found, dict):
        raise NoReply(_unlike(text))
    if found.get("error") or found.get("object") == "error":
        raise NoReply(_unlike(text), error=found)
    choice = _choice(found, text)
    if choice.get("error"):
        raise NoReply(_unlike(text), found, begun=True, error=choice)
    reason = choice.get("finish_reason")
    end = reason.lower() if isinstance(reason, str) else reason
    if not (end is None or isinstance(end, str)) or end not in ENDS:
        raise NoReply(f"an unknown finish_reason ({str(reason)[:40]})", found, begun=True)
    return _completion(choice["message"], ENDS[end], found)


def parse_error(text: str) -> Any:
    """Parse the JSON of an error's body; None when it is not JSON."""
    try:
        return _parsed(text)
    except NoReply:
        return None


def _choice(found: dict[str, Any], text: str) -> dict[str, Any]:
    first = _first(found.get("choices"))
    if first is None:
        raise NoReply(f"no choice in it ({_beginning(text)})", found)
    if not first.get("error") and not (isinstance(first.get("message"), dict) and first["message"]):
        raise NoReply(f"no message in it ({_beginning(text)})", found)
    return first


def _first(choices: Any) -> dict[str, Any] | None:
    """Return the first choice, which is the one asked for if a server sends several."""
    found = [c for c in choices if isinstance(c, dict)] if isinstance(choices, list) else []
    return next((c for c in found if c.get("index") in (0, None)), found[0] if found else None)


def _completion(message: dict[str, Any], end: Finish, body: dict[str, Any]) -> Completion:
    said, aside, refused = _parts(message.get("content"), body)
    aside += [_string(message.get(name)) for name in ("reasoning_content", "reasoning")]
    refusal = _string(message.get("refusal")) or "".join(refused)
    text, thinking = "".join(said) or refusal, "".join(aside)
    finish: Finish = "filtered" if refusal else end
    if finish == "stop" and not text.strip():
        finish = "empty"
    thought = bool(thinking) or _reasoning_tokens(body) > 0 or message.get("content") is None
    usage, doubt = _usage(body, text + thinking)
    spent = finish == "length" and not text.strip() and thought
    return Completion(text, thinking, finish, spent, usage, doubt)


def _parts(content: Any, body: dict[str, Any]) -> tuple[list[str], list[str], list[str]]:
    """Split a message's content, a text or a list of parts, into texts, thoughts and refusals."""
    if content is None:
        return [], [], []
    if isinstance(content, str):
        return [_string(content)], [], []
    parts = content if isinstance(content, list) else [content]
    said, aside, refused = [], [], []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in TEXT and isinstance(part.get("text"), str):
            said.append(_string(part["text"]))
        elif kind in THINKING:
            aside.append(_inner_text(part))
        elif kind == "refusal":
            refused.append(_string(part.get("refusal")))
    if parts and not (said or aside or refused):
        raise NoReply("content that is neither a text nor parts with one", body, begun=True)
    return said, aside, refused


def _inner_text(part: dict[str, Any]) -> str:
    """Return a thinking part's text, from a field of its own or from nested parts."""
    for name in (*THINKING, "text", "content", "summary"):
        value = part.get(name)
        if isinstance(value, str):
            return _string(value)
        if isinstance(value, list):
            return "".join(_string(p.get("text")) for p in value if isinstance(p, dict))
    return ""


def _string(value: Any) -> str:
    """Return a valid text; empty for anything that is no string."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _usage(body: dict[str, Any], text: str) -> tuple[tuple[int, int] | None, str]:
    usage = _figures(body)
    if usage is None:
        counted = body.get("usage")
        named = counted if isinstance(counted, dict) else {}
        sent, said = named.get("prompt_tokens"), named.get("completion_tokens")
        return None, "" if sent is None and said is None else f"{sent!r:.40}, {said!r:.40}"
    if usage[1] * BYTES_PER_TOKEN < len(text.encode()):
        return None, f"{usage[1]} for {len(text)} characters"
    return usage, ""


def _figures(body: Any) -> tuple[int, int] | None:
    """Return the prompt and completion tokens, if both are plausible numbers."""
    usage = body.get("usage") if isinstance(body, dict) else None
    if not isinstance(usage, dict):
        return None
    sent, said = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    return None if not sent or said is None else (sent, said)


def _count(value: Any) -> int | None:
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        value = int(value)
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and 0 <= value <= MOST_TOKENS else None


def _reasoning_tokens(body: dict[str, Any]) -> int:
    usage = body.get("usage")
    details = usage.get("completion_tokens_details") if isinstance(usage, dict) else None
    return _count(details.get("reasoning_tokens")) or 0 if isinstance(details, dict) else 0


def _is_stream(text: str) -> bool:
    return text.lstrip("\ufeff\r\n ").startswith(("data:", "event:", "id:", "retry:", ":"))


def _from_stream(text: str) -> dict[str, Any]:
    """Join server-sent events into one completion; ``NoReply`` if the end is missing."""
    content: list[Any] = []
    aside: list[str] = []
    refusal, reason, usage, ended = "", None, None, False
    for chunk in _chunks(text):
        if chunk is None:
            ended = True
            break
        if chunk.get("error"):
            raise NoReply(_unlike(json.dumps(chunk)), begun=bool(content or aside), error=chunk)
        usage = chunk.get("usage") or usage
        choice = _first(chunk.get("choices"))
        if choice is None or choice.get("index") not in (0, None):
            continue
        reason = choice.get("finish_reason") or reason
        delta = choice.get("delta") or choice.get("message")
        if isinstance(delta, dict):
            said = delta.get("content")
            content += said if isinstance(said, list) else [] if said is None else [said]
            aside += [_string(delta.get(name)) for name in ("reasoning_content", "reasoning")]
            refusal += _string(delta.get("refusal"))
    if reason is None and not ended:
        raise NoReply("a stream that was cut", begun=bool(content or aside))
    texts = [{"type": "text", "text": one} if isinstance(one, str) else one for one in content]
    message = {
        "role": "assistant",
        "content": texts or None,
        "reasoning_content": "".join(aside),
        "refusal": refusal,
    }
    return {"choices": [{"message": message, "finish_reason": reason}], "usage": usage}


def _chunks(text: str) -> Iterator[dict[str, Any] | None]:
    """Yield the events' JSON objects, and None for the end mark."""
    for line in re.split(r"\r\n|\n|\r", text):
        name, _, data = line.partition(":")
        if name.strip("\ufeff ") != "data":
            continue
        if data.strip() == "[DONE]":
            yield None
            continue
        try:
            chunk = _parsed(data)
        except NoReply:  # a line that was cut: whether the end came tells
            continue
        if isinstance(chunk, dict):
            yield chunk


def _parsed(text: str) -> Any:
    try:
        return json.loads(_shallow(text), parse_int=_int)
    except ValueError:  # half an object may be half a reply
        raise NoReply(_unlike(text), begun=text.lstrip("\ufeff \r\n").startswith("{")) from None


def _int(digits: str) -> int | float:
    """Parse an integer, as a float if it is huge: int() refuses thousands of digits."""
    return int(digits) if len(digits) < 30 else float(digits)


def _shallow(text: str) -> str:
    """Replace JSON that is nested too deep for a parser by null."""
    if text.count("[") + text.count("{") <= DEEPEST:
        return text
    depth, kept, copied, cut_at = 0, [], 0, -1
    for found in _SCANNED.finditer(text):
        mark = found.group()
        if mark in "[{":
            depth += 1
            if depth == DEEPEST + 1:
                cut_at = found.start()
        elif mark in "]}":
            if depth == DEEPEST + 1 and cut_at >= 0:
                kept += [text[copied:cut_at], "null"]
                copied, cut_at = found.end(), -1
            depth -= 1
    end = text[copied:] if cut_at < 0 else ""  # never closed: no parser takes what is left
    return text if not kept and end == text else "".join([*kept, end])


def _unlike(text: str) -> str:
    return f"it is no chat completion ({_beginning(text)})"


def _beginning(text: str) -> str:
    return text[:400] if text.strip() else "nothing in it"
