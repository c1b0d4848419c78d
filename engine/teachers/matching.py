"""Which ready answer belongs to a question: told by its id, or by its words, all of them.

A question is known by its own words alone, with its options in any of the usual layouts, or by
the prompt that asks it. A text that holds a question, or is held by one, is another question.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
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
    """One ready answer: by an item's id, by texts that its question may be known by, or both."""

    id: str | None
    questions: tuple[str, ...]
    answer: str


class Finder:
    """Rows by id and by question. The first row wins where several answer the same.

    ``questions``: all that will be asked. ``ambiguous``: how many were left without an answer,
    since the only text for them asks another question too, the same words with other options.
    """

    def __init__(self, rows: Sequence[Ready], questions: Sequence[Question]) -> None:
        self.ambiguous = 0
        self._by_id: dict[str, Ready] = {}
        self._by_question: dict[str, Ready] = {}
        for row in rows:
            if row.id is not None:
                self._by_id.setdefault(row.id, row)
            for text in row.questions:
                self._by_question.setdefault(_key(text), row)
        asked = {_normal(q.prompt): _key(_Asked.of(q.prompt).question) for q in questions}
        self._times = Counter(asked.values())

    def find(self, question: Question) -> Ready | None:
        """By id, unless the row's own question says that it is another benchmark's; else by its
        words."""
        asked = _Asked.of(question.prompt)
        row = self._by_id.get(question.key)
        if row is not None and (not row.questions or self._is_of(row, asked)):
            return row
        bare = _key(asked.question)
        if self._times[bare] < 2 and bare in self._by_question:
            return self._by_question[bare]
        for form in asked.forms():
            if form in self._by_question:
                return self._by_question[form]
        self.ambiguous += bare in self._by_question
        return None

    def _is_of(self, row: Ready, asked: _Asked) -> bool:
        said = set(map(_key, row.questions))
        return _key(asked.question) in said or any(form in said for form in asked.forms())


@dataclass(frozen=True, slots=True)
class _Asked:
    """A prompt in its parts; without any where it is not made as the tasks' prompts are."""

    prompt: str
    instruction: str
    question: str
    options: tuple[str, ...]

    @classmethod
    def of(cls, prompt: str) -> _Asked:
        instruction, _, rest = prompt.partition("\nQuestion: ")
        body = rest.rpartition("\nAnswer:")[0]
        question, _, listed = body.rpartition("\nChoices:\nA) ")
        if not question:
            return cls(prompt, instruction, body or prompt, ())
        return cls(prompt, instruction, question, tuple(_split(listed)))

    def forms(self) -> Iterator[str]:
        """All of it, in the layouts that others write it in."""
        yield _key(self.prompt)
        instruction = _normal(self.instruction)
        for body in self._bodies():
            yield _key(body)
            yield _key(f"{instruction} {body}")
            yield _key(f"{instruction} question: {body}")

    def _bodies(self) -> Iterator[str]:
        question = _normal(self.question)
        if not self.options:
            yield question
            return
        options = [_normal(option) for option in self.options]
        letters = LETTERS.casefold()
        for heading, label, separator in product(HEADINGS, LABELS, SEPARATORS):
            listed = map(label.format, letters, options)
            yield f"{question} {heading}{separator.join(listed)}"


def _split(listed: str) -> Iterator[str]:
    """Option texts of what follows the first label; an option may have several lines."""
    for letter in LETTERS[1:]:
        text, label, listed = listed.partition(f"\n{letter}) ")
        yield text
        if not label:
            return
    yield listed


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def _key(text: str) -> str:
    """What two texts of the same question share: case, blanks, and the words that ask don't
    count."""
    return _AFTER.sub("", _BEFORE.sub("", _normal(text)))
