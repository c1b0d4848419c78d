"""Match ready answers to questions, by the item's id or by the question's exact words.

A question is known by its own words alone, with its options in any of the usual layouts, or by
the prompt that asks it. A text that holds a question, or is held by one, is another question.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import TYPE_CHECKING, Final

from engine.tasks.prompts import LETTERS, TRIGGER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from engine.interfaces import Question

HEADINGS: Final = ("choices: ", "", "options: ", "answer choices: ")
LABELS: Final = ("{}) {}", "({}) {}", "{}. {}", "{}: {}")
SEPARATORS: Final = (" ", ", ")
_BEFORE: Final = re.compile(r"^(?:question|q):\s*")
_AFTER: Final = re.compile(rf"(?:\s(?:answer|a):)?(?:\s{TRIGGER.casefold()}\.?)?$")


@dataclass(frozen=True, slots=True)
class Ready:
    """One ready answer, known by an item's id, by texts of its question, or by both."""

    id: str | None
    questions: tuple[str, ...]
    answer: str


class Finder:
    """Finds rows by id or by question; the first of several matching rows wins.

    ``questions``: all that will be asked. ``ambiguous``: how many were left without an answer,
    since the only text for them asks another question too, the same words with other options.
    """

    def __init__(self, rows: Sequence[Ready], questions: Sequence[Question]) -> None:
        self.ambiguous = 0
        self._by_id: dict[str, Ready] = {}
        self._by_text: dict[str, Ready] = {}
        for row in rows:
            if row.id is not None:
                self._by_id.setdefault(row.id, row)
            for text in row.questions:
                self._by_text.setdefault(_key(text), row)
        self._texts = sorted(self._by_text)
        asked = {_normal(q.prompt): _Asked.of(q.prompt).bare for q in questions}
        self._times = Counter(asked.values())

    def find(self, question: Question) -> Ready | None:
        """Find the row by id, unless its question shows that it is another benchmark's; else by the
        question's words."""
        asked = _Asked.of(question.prompt)
        row = self._by_id.get(question.key)
        if row is not None and (not row.questions or _is_of(row, asked)):
            return row
        for head in asked.heads():
            for text in _beginning_with(head, self._texts):
                if text[len(head) :] in asked.tails:
                    return self._by_text[text]
        bare = next((self._by_text[t] for t in asked.heads() if t in self._by_text), None)
        if bare is not None and self._times[asked.bare] > 1:
            self.ambiguous += 1
            return None
        return bare


def _is_of(row: Ready, asked: _Asked) -> bool:
    texts = sorted(map(_key, row.questions))
    return any(
        text == head or text[len(head) :] in asked.tails
        for head in asked.heads()
        for text in _beginning_with(head, texts)
    )


def _beginning_with(head: str, texts: Sequence[str]) -> Iterator[str]:
    """Yield those of some sorted texts that begin with ``head``."""
    for place in range(bisect_left(texts, head), len(texts)):
        if not texts[place].startswith(head):
            return
        yield texts[place]


@dataclass(frozen=True)
class _Asked:
    """A prompt in its parts; one that is not in the tasks' form is all question."""

    instruction: str
    question: str
    options: tuple[str, ...]

    @classmethod
    def of(cls, prompt: str) -> _Asked:
        instruction, _, rest = prompt.partition("\nQuestion: ")
        body = rest.rpartition("\nAnswer:")[0]
        question, _, listed = body.rpartition("\nChoices:\nA) ")
        if not question:
            return cls(instruction if body else "", body or prompt, ())
        return cls(instruction, question, tuple(_split(listed)))

    @cached_property
    def bare(self) -> str:
        """The question without its options."""
        return _key(self.question)

    def heads(self) -> Iterator[str]:
        """Yield the forms in which a text of the question can begin."""
        instruction = _normal(self.instruction)
        yield self.bare
        if instruction:
            yield f"{instruction} {self.bare}"
            yield f"{instruction} question: {self.bare}"

    @cached_property
    def tails(self) -> frozenset[str]:
        """The forms in which it can end: with the options, in the usual layouts."""
        if not self.options:
            return frozenset({""})
        options = [_normal(option) for option in self.options]
        letters = LETTERS.casefold()
        return frozenset(
            f" {heading}{separator.join(map(label.format, letters, options))}".rstrip()
            for heading, label, separator in product(HEADINGS, LABELS, SEPARATORS)
        )


def _split(listed: str) -> Iterator[str]:
    """Split the text after the first label into options, which may have several lines."""
    for letter in LETTERS[1:]:
        text, label, listed = listed.partition(f"\n{letter}) ")
        yield text
        if not label:
            return
    yield listed


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def _key(text: str) -> str:
    """Normalise a question's text: case, spacing and the words around it don't count."""
    return _AFTER.sub("", _BEFORE.sub("", _normal(text)))
