"""One question over an OpenAI-compatible HTTP endpoint, and what can go wrong with it, in words.

The SDK retries connection errors, timeouts, 408, 409, 429 and 5xx by itself and honours
``Retry-After`` up to two minutes, so nothing here retries those. A server's objection to a
parameter is met once by putting it otherwise. The key never leaves: every text that comes back
is scrubbed of it, and errors are raised without the SDK's exception behind them.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING, Any, cast

import openai

from engine.contract.errors import UserError
from engine.interfaces import Question, Reply
from engine.teachers.limits import estimate_tokens

if TYPE_CHECKING:
    from collections.abc import Callable

    from httpx2 import Response

    from engine.contract.cards import Endpoint, ModelCard
    from engine.contract.records import Finish
    from engine.teachers.limits import Throttle

CONNECT_TIMEOUT_S = 10.0
MESSAGE_LENGTH = 200
NO_KEY = "none"


def read_key(card: ModelCard, endpoint: Endpoint) -> str:
    """The key from the environment; a placeholder where the card names no variable."""
    name = endpoint.api_key_env
    if name is None:
        return NO_KEY
    key = os.environ.get(name, "").strip()
    where = f"card {card.name!r}, api_key_env: the environment variable {name}"
    if not key:
        raise UserError(f"{where} is not set; export it with the key of {endpoint.base_url}")
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise UserError(f"{where} holds characters that no key has; export it again")
    return key


class Chat:
    """A connection to one model behind an endpoint."""

    def __init__(
        self, card: ModelCard, endpoint: Endpoint, throttle: Throttle, tell: Callable[[str], None]
    ) -> None:
        self._card = card
        self._endpoint = endpoint
        self._key = NO_KEY
        self._throttle = throttle
        self._tell = tell
        self._refused: set[str] = set()
        self._told_usage = False
        self._told_shape = False

    def connect(self) -> openai.AsyncOpenAI:
        """A client for one event loop; close it there. ``UserError`` when the key is missing."""
        url, self._key = self._endpoint.base_url, read_key(self._card, self._endpoint)
        if not url.startswith(("http://", "https://")):
            raise UserError(
                f"card {self._card.name!r}, base_url: {url!r} must start with http:// or https://"
            )
        hooks: dict[str, list[Callable[..., Any]]] = {
            "request": [self._throttle.sent],
            "response": [self._throttle.answered],
        }
        timeout = self._endpoint.timeout_s
        return openai.AsyncOpenAI(
            base_url=url,
            api_key=self._key,
            timeout=openai.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT_S)),
            max_retries=self._endpoint.http_retries,
            http_client=openai.DefaultAsyncHttpxClient(event_hooks=hooks),
        )

    async def ask(self, client: openai.AsyncOpenAI, question: Question) -> Reply:
        """The reply, whatever is in it; ``UserError`` when the server can't or won't answer."""
        while True:
            request = self._request(question)
            answer = await self._send(client, request)
            if not isinstance(answer, openai.APIError):
                return self._read(answer, question)
            if answer.code == "content_filter":  # the provider refused the prompt itself
                return Reply("", "filtered", 0, 0)
            if not self._adapt(answer, request):
                raise UserError(self._explain(answer))

    def _request(self, question: Question) -> dict[str, Any]:
        sampling = self._card.sampling
        request: dict[str, Any] = {
            "model": self._endpoint.model,
            "messages": _turns(question),
            "temperature": sampling.temperature,
        }
        if sampling.top_p < 1:
            request["top_p"] = sampling.top_p
        newer = "max_tokens" in self._refused
        request["max_completion_tokens" if newer else "max_tokens"] = sampling.max_new_tokens
        if "seed" not in self._refused:
            request["seed"] = question.seed ^ question.tries  # the same seed would fail the same
        return request

    @staticmethod
    async def _send(
        client: openai.AsyncOpenAI, request: dict[str, Any]
    ) -> Response | openai.APIError:
        """An error is returned, not raised: a chained exception would carry the key along."""
        try:
            raw = await client.chat.completions.with_raw_response.create(**request)
        except openai.APIError as error:
            return error
        return cast("Response", raw.http_response)

    def _adapt(self, error: openai.APIError, request: dict[str, Any]) -> bool:
        """Whether the server objects to a parameter that can be put otherwise or left out."""
        if not isinstance(error, openai.BadRequestError | openai.UnprocessableEntityError):
            return False
        objection = f"{error.param or ''} {error.response.text}"
        for name in ("max_tokens", "seed"):
            if name not in request:
                continue
            if name in self._refused:  # another request has found out meanwhile
                return True
            if re.search(rf"\b{name}\b", objection):
                self._refused.add(name)
                how = "sent max_completion_tokens" if name == "max_tokens" else "left it out"
                self._tell(f"{self._endpoint.model} does not take {name}; {how} instead")
                return True
        return False

    def _read(self, response: Response, question: Question) -> Reply:
        """A reply from whatever JSON came back; what can't be read counts as empty."""
        body, message, reason = None, {}, None
        with contextlib.suppress(ValueError, LookupError, TypeError, AttributeError):
            body = response.json()
            choice = body["choices"][0]
            message, reason = choice.get("message"), choice.get("finish_reason")
        if not isinstance(message, dict) or not message:
            self._tell_shape(response)
        content, refusal = (_text_of(message, name) for name in ("content", "refusal"))
        text = self._scrub(content or refusal)
        finish: Finish = "stop"
        if reason == "content_filter" or refusal:
            finish = "filtered"
        elif reason == "length":
            finish = "length"
        elif not text.strip():
            finish = "empty"
        prompt_tokens, completion_tokens = self._usage(body, question.prompt, text)
        return Reply(text, finish, prompt_tokens, completion_tokens)

    def _tell_shape(self, response: Response) -> None:
        if not self._told_shape:
            self._told_shape = True
            self._tell(
                f"{self._endpoint.base_url}: a reply is no chat completion and counts as empty "
                f"({self._short(response.text) or 'nothing in it'}); does 'base_url' end in /v1?"
            )

    def _usage(self, body: Any, prompt: str, text: str) -> tuple[int, int]:
        """Tokens as the server counted them; an estimate where it didn't."""
        usage = body.get("usage") if isinstance(body, dict) else None
        counts = usage if isinstance(usage, dict) else {}
        sent, said = counts.get("prompt_tokens"), counts.get("completion_tokens")
        if isinstance(sent, int) and isinstance(said, int) and sent > 0:
            return sent, said
        if not self._told_usage:
            self._told_usage = True
            self._tell("replies without token counts: a token for every two bytes is assumed")
        return estimate_tokens(prompt), estimate_tokens(text)

    def _explain(self, error: openai.APIError) -> str:
        """One line: what is wrong, where, what to do; without the key."""
        endpoint, card = self._endpoint, f"card {self._card.name!r}"
        tries = f"{endpoint.http_retries + 1} tries"
        if isinstance(error, openai.APITimeoutError):
            return (
                f"{endpoint.base_url}: no reply within {endpoint.timeout_s:g} s ({tries}); lower "
                f"'concurrency' or raise 'timeout_s' in {card}, then retry"
            )
        if not isinstance(error, openai.APIStatusError):
            reason = error.__cause__ or error
            cause = self._short(str(reason)) or type(reason).__name__
            return (
                f"{endpoint.base_url}: no connection, or it was cut ({cause}; {tries}); check that "
                f"the server runs and 'base_url' in {card}, then retry"
            )
        said = f"{error.status_code}: {self._message(error)}"
        match error.status_code:
            case 401 | 403:
                key = endpoint.api_key_env
                advice = (
                    f"check the key in {key}" if key else f"name its key: 'api_key_env' in {card}"
                )
                return f"{endpoint.base_url}: access refused ({said}); {advice}, then retry"
            case 404:
                return (
                    f"{endpoint.base_url}: no model {endpoint.model!r} there ({said}); check "
                    f"'model' and 'base_url' (it often ends in /v1) in {card}"
                )
            case 429:
                wait = error.response.headers.get("retry-after")
                later = f" after {wait} s" if wait else " later"
                return (
                    f"{endpoint.base_url}: over the server's limit ({said}; {tries}); lower "
                    f"'concurrency' in {card}, or retry{later}"
                )
        if error.status_code >= 500:
            return (
                f"{endpoint.base_url}: the server failed ({said}; {tries}); retry when it is well"
            )
        return f"{endpoint.base_url}: the server rejects the request ({said}); check {card}"

    def _message(self, error: openai.APIStatusError) -> str:
        body = error.body
        said = body.get("message") if isinstance(body, dict) else None
        return self._short(str(said or error.response.text or error.response.reason_phrase))

    def _short(self, text: str) -> str:
        """Scrubbed before it is cut, so that no half of a key remains."""
        line = " ".join(self._scrub(text).split())
        return line if len(line) <= MESSAGE_LENGTH else line[: MESSAGE_LENGTH - 1] + "…"

    def _scrub(self, text: str) -> str:
        return text if self._key == NO_KEY else text.replace(self._key, "***")


def _turns(question: Question) -> list[dict[str, str]]:
    """The question; for an answer that is to be finished, the answer so far and the cue too."""
    turns = [{"role": "user", "content": question.prompt}]
    if question.begun is not None:
        turns.append({"role": "assistant", "content": question.begun.text})
        turns.append({"role": "user", "content": question.begun.cue})
    return turns


def _text_of(message: Any, name: str) -> str:
    """A field's text; empty where there is none. Half a surrogate pair is not text."""
    value = message.get(name) if isinstance(message, dict) else None
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""
