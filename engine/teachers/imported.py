"""Demonstrations that somebody has already made, read from a file and matched to questions.

JSON Lines or Parquet, one answer a row. The answer is in ``output`` (or ``text``, ``answer``,
``completion``, ``response``); what it answers is told by ``id`` (the item's), ``question``
(or ``prompt``), or Alpaca's ``instruction`` and ``input``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.contract.cards import ImportedAnswers
from engine.contract.errors import UserError, nearest
from engine.interfaces import Batch, Question, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from engine.contract.cards import ModelCard
    from engine.contract.settings import GenerationSettings

ANSWER_COLUMNS = ("output", "text", "answer", "completion", "response")
QUESTION_COLUMNS = ("question", "prompt", "input", "instruction")
BATCH = 256


@dataclass(frozen=True, slots=True)
class Row:
    """One ready answer: by an item's id, by its question's text (normalised), or by both."""

    id: str | None
    question: str | None
    answer: str


class ImportedTeacher:
    """Answers from a file; see :class:`engine.interfaces.Teacher`.

    A question that the file doesn't answer is not yielded. ``UserError`` when the file can't
    be read, lacks the columns, or answers no question at all.
    """

    def __init__(
        self,
        card: ModelCard,
        generation: GenerationSettings,
        tell: Callable[[str], None],
        spent: float = 0.0,
    ) -> None:
        if not isinstance(card.source, ImportedAnswers):
            raise TypeError(f"card {card.name!r} is not of imported answers")
        self._path = Path(card.source.path)
        self._tell = tell

    def answer(
        self, questions: Sequence[Question], done: Container[str] = frozenset()
    ) -> Iterator[Batch]:
        rows = [_row(raw, where) for where, raw in _read(self._path)]
        finder = _Finder(rows)
        found = [(q, finder.find(q)) for q in questions if q.key not in done]
        answered = [(q, _reply(row)) for q, row in found if row is not None]
        if found and not answered:
            raise UserError(self._nothing_matches(rows, found[0][0]))
        if len(answered) < len(found):
            self._tell(
                f"{self._path}: has answers to {len(answered)} of {len(found)} questions "
                f"({len(rows)} rows)"
            )
        for start in range(0, len(answered), BATCH):
            yield answered[start : start + BATCH]

    def _nothing_matches(self, rows: list[Row], question: Question) -> str:
        if not rows:
            return f"{self._path}: the file is empty"
        row = rows[0]
        theirs = f"id {row.id!r}" if row.id is not None else f"{(row.question or '')[:60]!r}"
        return (
            f"{self._path}: none of {len(rows)} rows answers a question of this task; the first "
            f"row is for {theirs}, the first question is {question.key!r}: is it the right task?"
        )


class _Finder:
    """Rows by id and by question. The first row wins where several answer the same."""

    def __init__(self, rows: list[Row]) -> None:
        self._by_id: dict[str, Row] = {}
        self._by_question: dict[str, Row] = {}
        for row in rows:
            if row.id is not None:
                self._by_id.setdefault(row.id, row)
            if row.question:
                self._by_question.setdefault(row.question, row)
        self._longest_first = sorted(self._by_question, key=len, reverse=True)

    def find(self, question: Question) -> Row | None:
        """By id, unless the row's own question says that it is another benchmark's; else by the
        whole prompt or one of its lines; else by the longest question that the prompt holds."""
        prompt = _normal(question.prompt)
        row = self._by_id.get(question.key)
        if row is not None and (row.question is None or row.question in prompt):
            return row
        lines = [_normal(line.partition("Question:")[2]) for line in question.prompt.splitlines()]
        for text in (prompt, *filter(None, lines)):
            if text in self._by_question:
                return self._by_question[text]
        held = next((text for text in self._longest_first if text in prompt), None)
        return None if held is None else self._by_question[held]


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


def _reply(row: Row) -> Reply:
    return Reply(row.answer, "stop" if row.answer.strip() else "empty", 0, 0)


def _row(raw: dict[str, Any], where: str) -> Row:
    answer = next((raw[name] for name in ANSWER_COLUMNS if raw.get(name) is not None), None)
    if answer is None:
        raise UserError(
            f"{where}: no answer in any of the columns {', '.join(ANSWER_COLUMNS)}; it has "
            f"{', '.join(raw) or 'none'}; {_hint(raw, ANSWER_COLUMNS)}"
        )
    question = _question(raw)
    key = raw.get("id")
    if key is None and not question:
        raise UserError(
            f"{where}: nothing says which question this answers (id, question, prompt, or "
            f"instruction and input); it has {', '.join(raw)}; {_hint(raw, QUESTION_COLUMNS)}"
        )
    text = str(answer).encode("utf-8", "replace").decode()  # half a surrogate pair is not text
    return Row(None if key is None else str(key), question, text)


def _question(raw: dict[str, Any]) -> str | None:
    """The question's text, normalised; Alpaca's input alone when there is one, since an
    instruction line is common to all questions of a task."""
    for name in QUESTION_COLUMNS:
        if isinstance(raw.get(name), str) and raw[name].strip():
            return _normal(raw[name])
    return None


def _hint(raw: dict[str, Any], wanted: Sequence[str]) -> str:
    """Which of the file's columns was probably meant."""
    hints = [nearest(name, wanted) for name in raw]
    close = [f"{name!r}: {hint}" for name, hint in zip(raw, hints, strict=True) if "mean" in hint]
    return close[0] if close else "rename one of them"


def _read(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows with where they are, for messages."""
    if not path.is_file():
        raise UserError(f"{path}: no such file; check 'path' in the teacher's card")
    yield from _read_parquet(path) if path.suffix == ".parquet" else _read_lines(path)


def _read_parquet(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path}: not a Parquet file ({str(error).splitlines()[0]})") from error
    for number, row in enumerate(rows, start=1):
        yield f"{path}, row {number}", row


def _read_lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                what = getattr(error, "msg", "not UTF-8")
                raise UserError(f"{path}:{number}: not valid JSON ({what})") from error
            if not isinstance(row, dict):
                raise UserError(f"{path}:{number}: not a JSON object; one object a line is wanted")
            yield f"{path}:{number}", row
