"""Adapt requests to the parameters that a server accepts.

A parameter is renamed or left out only when the server says that it doesn't know it, or that its
value can't be chosen. A value that is too large is not changed here: the question or the card
must be.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.generation.endpoint.faults import Objection
    from engine.interfaces import Question
    from engine.schema.cards import Endpoint, Sampling

LIMIT, NEWER_LIMIT = "max_tokens", "max_completion_tokens"
UNKNOWN = re.compile(
    r"unsupported[ _]?(parameter|field|argument|param\b)|unknown|unrecogni[sz]ed|unexpected|"
    r"not (a )?(supported|permitted|recogni[sz]ed|known|valid (parameter|field|argument))|"
    r"(extra|additional)[ _](inputs?|fields?|properties|forbidden)|extra_forbidden|"
    r"does(n't| not) (support|take|know|accept|recogni[sz]e)|deprecated|invalid[ _]parameter",
    re.IGNORECASE,
)
FIXED = re.compile(
    r"unsupported[ _]value|only the default|only (1|one|1\.0)\b|"
    r"can(no|')?t be (set|changed|chosen|specified)|can not be (set|changed)|"
    r"leave (it )?out|is fixed|must be (the default|omitted|unset)|omit",
    re.IGNORECASE,
)
STREAMS_ONLY = re.compile(
    r"only (support\w* |answer\w* |work\w* )?(with |in )?(stream|sse)|"
    r"stream\W+(must|needs? to|has to|should) be|stream['\"]?\s*[:=]\s*['\"]?true|"
    r"(non-?|not )stream|stream\w* (is )?(only|required|mode only)|(must|please) .*stream|"
    r"requires? .*stream",
    re.IGNORECASE,
)


@dataclass
class Dialect:
    """Makes requests in the form that this server accepts, and reports once what it learns."""

    endpoint: Endpoint
    sampling: Sampling
    tell: Callable[[str], None]
    _dropped: set[str] = field(default_factory=set)
    _streams: bool = False

    def request(self, question: Question) -> dict[str, Any]:
        sampling, limit = self.sampling, NEWER_LIMIT if LIMIT in self._dropped else LIMIT
        full: dict[str, Any] = {
            "model": self.endpoint.model,
            "messages": turns(question),
            "temperature": sampling.temperature,
            limit: sampling.max_new_tokens,
            "seed": question.seed ^ question.tries,  # the same seed would fail the same
        }
        if sampling.top_p < 1:
            full["top_p"] = sampling.top_p
        if self._streams:
            full |= {"stream": True, "stream_options": {"include_usage": True}}
        return {name: value for name, value in full.items() if name not in self._dropped}

    def learn(self, said: Objection, request: dict[str, Any]) -> bool:
        """Learn from a refused request; return whether to send it again in another form."""
        if said.status not in (400, 422):
            return False
        words = f"{said.code} {said.param} {said.message} {said.text}"
        for name in (LIMIT, "seed", "temperature", "top_p", "stream_options"):
            if name not in request or not _names(name, said):
                continue
            if name in self._dropped:  # another request has found out meanwhile
                return True
            if self._is_unknown(name, words, said.too_large):
                self._drop(name)
                return True
        return self._learn_to_stream(words, request)

    @staticmethod
    def _is_unknown(name: str, words: str, too_large: bool) -> bool:
        if name != LIMIT and FIXED.search(words):
            return True
        renamed = name == LIMIT and re.search(rf"\b(use|instead)\b.*{NEWER_LIMIT}", words)
        return bool(renamed or UNKNOWN.search(words)) and not too_large

    def _drop(self, name: str) -> None:
        self._dropped.add(name)
        how = f"sent {NEWER_LIMIT}" if name == LIMIT else "left it out"
        self.tell(f"{self.endpoint.model} does not take {name}; {how} instead")

    def _learn_to_stream(self, words: str, request: dict[str, Any]) -> bool:
        if "stream" in request or not STREAMS_ONLY.search(words):
            return False
        if not self._streams:
            self._streams = True
            self.tell(f"{self.endpoint.model} answers in streams only; its replies are read so")
        return True


def turns(question: Question) -> list[dict[str, str]]:
    """Return the question as messages, with a begun answer and the cue to finish it, if any."""
    turns = [{"role": "user", "content": question.prompt}]
    if question.begun is not None:
        turns.append({"role": "assistant", "content": question.begun.text})
        turns.append({"role": "user", "content": question.begun.cue})
    return turns


def sent_text(question: Question) -> str:
    """Return all that is sent as one text, for counting its tokens."""
    return "\n".join(turn["content"] for turn in turns(question))


def _names(name: str, said: Objection) -> bool:
    """Whether an objection is about this parameter, by its field or in its words."""
    if said.param:
        return said.param.rpartition(".")[2] == name
    return bool(re.search(rf"\b{name}\b", f"{said.message} {said.text}"))
