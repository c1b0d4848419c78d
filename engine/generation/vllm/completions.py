"""Send questions to our vLLM server as token ids, and read its tokens as replies.

The prompt is rendered and its answer read by this program, as for its own loop, so that both
engines answer the same question; only the tokens between come from the server.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import openai

from engine.generation.endpoint.chat import send
from engine.generation.endpoint.faults import Fault
from engine.generation.endpoint.limits import most_bytes
from engine.generation.endpoint.wire import BoundedClient
from engine.generation.questions import read_reply
from engine.generation.vllm.wire import error_message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from httpx2 import Response

    from engine.generation.endpoint.faults import Kind
    from engine.generation.vllm.folder import Server
    from engine.interfaces import Question, Reply
    from engine.schema.cards import Sampling

CONNECT_S: Final = 10.0
TIMEOUT_S: Final = 3600.0  # a request waits behind hundreds; a server that died is noticed at once


@dataclass
class Completions:
    """Sends questions to a server; see :class:`engine.generation.endpoint.flight.Speaker`.

    ``prompts`` and ``limits``: token ids and most new tokens of each question, by its key.
    ``faults``: what kept requests from bringing a reply, newest last.
    """

    server: Server
    model: str
    tokenizer: Any
    ends: tuple[int, ...]
    sampling: Sampling
    prompts: Mapping[str, Sequence[int]]
    limits: Mapping[str, int]
    faults: list[Fault] = field(default_factory=list)

    def connect(self) -> openai.AsyncOpenAI:
        most = most_bytes(self.sampling)
        return openai.AsyncOpenAI(
            base_url=f"{self.server.url}/v1",
            api_key=self.server.key,
            max_retries=0,
            http_client=BoundedClient(CONNECT_S, TIMEOUT_S, most, proxies=False),
        )

    async def ask(self, client: openai.AsyncOpenAI, question: Question) -> Reply | Fault:
        request = self._request(question)
        sent = await send(client.completions.with_raw_response.create, request)
        found = sent if isinstance(sent, Fault) else self._read(sent, question)
        if isinstance(found, Fault):
            self.faults.append(found)
        return found

    def _request(self, question: Question) -> dict[str, Any]:
        return {
            "model": self.model,
            "prompt": list(self.prompts[question.key]),
            "max_tokens": self.limits[question.key],
            "temperature": self.sampling.temperature,
            "top_p": self.sampling.top_p,
            "seed": question.seed ^ question.tries,
            "extra_body": {"stop_token_ids": self.ends, "return_token_ids": True},
        }

    def _read(self, sent: Response, question: Question) -> Reply | Fault:
        status, said = sent.status_code, sent.content.decode("utf-8", "replace")
        if status != 200:
            kind: Kind = "server" if status >= 500 else "question"
            return Fault(kind, f"{status}: {error_message(said)}", status)
        try:
            tokens = tokens_of(json.loads(said))
        except (ValueError, LookupError, TypeError):
            return Fault("reply", f"no completion with token ids ({said[:100]})", status)
        if not tokens:
            return Fault("reply", "a completion without a token", status)
        prompt = len(self.prompts[question.key])
        return read_reply(self.tokenizer, prompt, tokens, self.ends)


def tokens_of(completion: dict[str, Any]) -> list[int]:
    """Return the generated token ids, including the one that ended the text."""
    return [int(token) for token in completion["choices"][0]["token_ids"]]
