"""A teacher behind the misbehaving server, and what came of asking it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from engine.generation.endpoint.openai_compatible import EndpointProvider
from engine.interfaces import Question, Reply
from engine.schema.cards import Endpoint, ModelCard, Sampling
from engine.schema.errors import UserError
from engine.schema.settings import GenerationSettings

if TYPE_CHECKING:
    from collections.abc import Container

    from engine.interfaces import BrokenOff
    from tests.engine.misbehaving_server import MisbehavingServer

KEY = "sk-planted-0123456789"


@dataclass
class Asked:
    """``replies``: by question key, in order. ``problem``: the error's line, or empty."""

    told: list[str] = field(default_factory=list)
    replies: dict[str, list[Reply]] = field(default_factory=dict)
    broken: list[BrokenOff] = field(default_factory=list)
    problem: str = ""

    @property
    def final(self) -> dict[str, str]:
        last = {key: replies[-1] for key, replies in self.replies.items()}
        return {key: reply.text for key, reply in last.items() if reply.final}

    @property
    def words(self) -> str:
        return "\n".join([self.problem, *self.told])


def questions(count: int) -> list[Question]:
    return [Question(f"q{i}", f"question {i}", seed=1000 + i) for i in range(count)]


def teacher(
    server: MisbehavingServer, told: list[str], spent: float = 0.0, **fields: Any
) -> EndpointProvider:
    """One question at a time, and no patience, unless ``fields`` say otherwise."""
    source = {"concurrency": 1, "timeout_s": 5.0, "http_retries": 1, "patience_s": 0.0} | fields
    sampling = source.pop("sampling", Sampling(temperature=0.7, max_new_tokens=20))
    url = source.pop("base_url", server.url)
    endpoint = Endpoint(kind="openai_compatible", base_url=url, model="m", **source)
    card = ModelCard(name="gpt", family="gpt", source=endpoint, sampling=sampling)
    return EndpointProvider(card, GenerationSettings(), told.append, spent)


def ask(
    server: MisbehavingServer,
    asked: int | list[Question] = 1,
    done: Container[str] = frozenset(),
    **fields: Any,
) -> Asked:
    """All that came back, to the end or to the error."""
    found = Asked()
    one = teacher(server, found.told, **fields)
    try:
        for batch in one.answer(questions(asked) if isinstance(asked, int) else asked, done):
            for question, reply in batch:
                found.replies.setdefault(question.key, []).append(reply)
            found.broken += one.broken_off()
    except UserError as error:
        bare = error.__cause__ is None and error.__context__ is None
        found.problem = str(error) if bare else f"raised with {error.__context__!r} behind it"
    found.broken += one.broken_off()
    return found
