"""Send one question to an OpenAI-compatible HTTP endpoint, once, and return the outcome.

The SDK makes the request; it retries nothing, since what is worth a wait and what may be billed
is decided for all questions together. The key never leaves: every text that comes from the
server is scrubbed of it, headers included, and no exception of the SDK is kept.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote, urlsplit

import openai
from httpx2 import InvalidURL

from engine.generation.endpoint import faults
from engine.generation.endpoint.completion import (
    NoReply,
    decoded,
    parse_error,
    read_completion,
)
from engine.generation.endpoint.dialect import Dialect, sent_text
from engine.generation.endpoint.faults import Fault, objection
from engine.generation.endpoint.limits import (
    BYTES_PER_TOKEN,
    estimate_reply,
    estimate_tokens,
    most_bytes,
)
from engine.generation.endpoint.wire import CUT, BoundedClient, Broken
from engine.interfaces import Question, Reply
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from httpx2 import Response

    from engine.generation.endpoint.completion import Completion
    from engine.schema.cards import Endpoint, ModelCard

MESSAGE_LENGTH = 200
NO_KEY = "none"


def read_key(card: ModelCard, endpoint: Endpoint) -> str:
    """Read the key from the environment, or return a placeholder if the card names none."""
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


def _wrong_with(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        return "must start with http:// or https://"
    try:
        urlsplit(url).port  # noqa: B018
    except ValueError as error:
        return f"is no address: {error}"
    return ""


async def send(create: Callable[..., Awaitable[Any]], request: dict[str, Any]) -> Response | Fault:
    """Send a request; errors are returned, since a raised one would carry the key along."""
    try:
        raw = await create(**request)
    except Broken as broken:
        return broken.fault
    except openai.APIStatusError as error:
        return error.response
    except openai.APIError as error:
        return Fault("connection", f"no connection, or it was cut ({type(error).__name__})")
    return cast("Response", raw.http_response)


class Chat:
    """A connection to one model behind an endpoint."""

    def __init__(self, card: ModelCard, endpoint: Endpoint, tell: Callable[[str], None]) -> None:
        self._card = card
        self._endpoint = endpoint
        self._key = NO_KEY
        self._tell = tell
        self._dialect = Dialect(endpoint, card.sampling, tell)
        self._told: set[str] = set()

    def connect(self) -> openai.AsyncOpenAI:
        """Open a client for one event loop; close it there. ``UserError`` if the key is missing."""
        url, self._key = self._endpoint.base_url, read_key(self._card, self._endpoint)
        if problem := _wrong_with(url):
            raise UserError(f"card {self._card.name!r}, base_url: {url!r} {problem}")
        client = self._http_client()
        if isinstance(client, str):
            raise UserError(
                f"{url}: {client}; look at the environment: HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, "
                "SSL_CERT_FILE"
            )
        return openai.AsyncOpenAI(
            base_url=url, api_key=self._key, max_retries=0, http_client=client
        )

    def _http_client(self) -> BoundedClient | str:
        """Make the client, or say why the environment's proxy settings prevent it."""
        most = most_bytes(self._card.sampling)
        try:
            return BoundedClient(self._endpoint.connect_s, self._endpoint.timeout_s, most)
        except (ImportError, ValueError, OSError, InvalidURL) as error:
            return self._short(str(error))

    async def ask(self, client: openai.AsyncOpenAI, question: Question) -> Reply | Fault:
        """Ask once; ask again at once only if the server wants another form of request."""
        while True:
            request = self._dialect.request(question)
            found = await send(client.chat.completions.with_raw_response.create, request)
            if isinstance(found, Fault):
                return replace(found, words=self._short(found.words))
            text = self._scrub(decoded(found.content))
            if not found.is_success:
                said = objection(found.status_code, text, parse_error(text))
                if said.filtered:
                    return Reply("", "filtered", 0, 0)
                if self._dialect.learn(said, request):
                    continue
                return self._refusal(said, found)
            try:
                return self._reply(read_completion(text), question)
            except NoReply as problem:
                if found.extensions[CUT]:
                    words = f"no connection, or it was cut (after {len(found.content)} bytes)"
                    return Fault("connection", words, billed=True, usage=problem.usage)
                return self._no_reply(problem, found)

    def _refusal(self, said: faults.Objection, response: Response) -> Fault:
        words = said.message if said.message.strip() else response.reason_phrase
        words = f"{said.status}: {self._short(words)}"
        retry_after = response.headers.get("retry-after")
        retry_after = retry_after and self._short(retry_after)
        if said.no_money:
            return Fault("phase", f"no money is left ({words})", 402)
        return Fault(said.kind, words, said.status, retry_after)

    def _no_reply(self, problem: NoReply, response: Response) -> Reply | Fault:
        """Return a fault of the transport whatever its status, unless the account is empty."""
        words = self._short(problem.words)
        if problem.error is not None:
            status = faults.status_within(problem.error)
            said = objection(status, problem.words, problem.error)
            if said.filtered:
                return Reply("", "filtered", 0, 0)
            if said.no_money or (said.kind == "size" and not problem.begun):
                return self._refusal(said, response)
            words = f"an error under status {response.status_code}: {self._short(said.message)}"
        return Fault(
            "reply", words, response.status_code, billed=problem.begun, usage=problem.usage
        )

    def _reply(self, found: Completion, question: Question) -> Reply | Fault:
        text, thinking = self._scrub(found.text), self._scrub(found.thinking)
        most, used = self._card.sampling.max_new_tokens, found.usage
        size = len(found.text.encode())
        if size > BYTES_PER_TOKEN * most:
            words = f"a text of {size} bytes, more than {most} tokens can have"
            return Fault("phase", words, billed=True, usage=used)
        if used is None:
            used = self._estimate(found, question)
        why = (
            f"all of its {used[1]} tokens were spent on thinking" if found.spent_on_thinking else ""
        )
        if why:
            self._tell_once(
                f"{why}, so there is no answer; raise 'max_new_tokens' in the card", why
            )
        return Reply(text, found.finish, *used, thinking=thinking, why=why)

    def _estimate(self, found: Completion, question: Question) -> tuple[int, int]:
        assumed = "a token for every two bytes is assumed"
        if found.doubt:
            doubt = self._short(found.doubt)
            self._tell_once(f"token counts that can't be ({doubt}): {assumed}", "doubt")
        else:
            self._tell_once(f"replies without token counts: {assumed}", "usage")
        most = self._card.sampling.max_new_tokens
        said = estimate_reply(found.text + found.thinking, most)
        if found.finish == "length":
            said = max(said, most)
        return estimate_tokens(sent_text(question)), said

    def _tell_once(self, line: str, what: str) -> None:
        if what not in self._told:
            self._told.add(what)
            self._tell(line)

    def _short(self, text: str) -> str:
        """Shorten a text after removing the key, so that no half of the key remains."""
        line = " ".join(self._scrub(text).split())
        return line if len(line) <= MESSAGE_LENGTH else line[: MESSAGE_LENGTH - 1] + "…"

    def _scrub(self, text: str) -> str:
        if self._key == NO_KEY:
            return text
        return text.replace(self._key, "***").replace(quote(self._key, safe=""), "***")
