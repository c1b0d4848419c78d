"""Read ready-made demonstrations from a file and match them to questions.

JSON Lines, JSON or Parquet, one answer a row. The answer is in ``output`` (or ``response``,
``completion``, ``text``; ``answer`` only where none of these is, since beside them it is the
benchmark's own); what it answers is told by ``id`` (the item's), by ``question`` (or ``prompt``,
with the options or without), or by Alpaca's ``instruction`` and ``input``. Chat ``messages``
hold both. Which of several columns is meant is asked, never guessed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from engine.generation.matching import Finder, Ready
from engine.interfaces import Batch, Provider, Question, Reply
from engine.schema.errors import UserError, nearest
from engine.tasks.checking import listed
from engine.tasks.row import RowError, number_text, shown
from engine.tasks.rows import read_lines, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from engine.schema.cards import ImportedAnswers, ModelCard
    from engine.schema.settings import GenerationSettings
    from engine.tasks.row import Row

MESSAGES = "messages"
ANSWER_COLUMNS = ("output", "response", "completion", MESSAGES, "text", "answer")
QUESTION_COLUMNS = ("question", "prompt", "input", "instruction", MESSAGES)
READ_AS_NAMED = {".json", ".parquet"}
BATCH = 256


class ImportedProvider(Provider):
    """Answers from a file; see :class:`engine.interfaces.Provider`.

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
        self._source = cast("ImportedAnswers", card.source)
        self._tell = tell

    def check(self) -> None:
        ready_answers(self._source)

    def answer(
        self, questions: Sequence[Question], done: Container[str] = frozenset()
    ) -> Iterator[Batch]:
        rows = ready_answers(self._source)
        finder = Finder(rows, questions)
        found = [(q, finder.find(q)) for q in questions if q.key not in done]
        answered = [(q, _reply(row)) for q, row in found if row is not None]
        if found and not answered:
            raise UserError(self._nothing_matches(rows, found[0][0]))
        if len(answered) < len(found):
            self._tell(
                f"{self._source.path}: has answers to {len(answered)} of {len(found)} questions "
                f"({len(rows)} rows)"
            )
        if finder.ambiguous:
            self._tell(
                f"{self._source.path}: {finder.ambiguous} questions are asked with other options "
                "too, and their rows have neither id nor options; these are not used"
            )
        for start in range(0, len(answered), BATCH):
            yield answered[start : start + BATCH]

    def _nothing_matches(self, rows: list[Ready], question: Question) -> str:
        row = rows[0]
        theirs = f"id {row.id!r}" if row.id is not None else shown(row.questions[0])
        return (
            f"{self._source.path}: none of {len(rows)} rows answers a question of this task; the "
            f"first row is for {theirs}, the first question is {question.key!r}: is it the right "
            "task? A question counts when it is the task's own, word for word"
        )


def ready_answers(source: ImportedAnswers) -> list[Ready]:
    """Read all answers of the file; ``UserError`` when it or one of its rows is unusable."""
    path = Path(source.path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; check 'path' in the teacher's card")
    rows = read_rows(path) if path.suffix.lower() in READ_AS_NAMED else read_lines(path)
    if not rows:
        raise UserError(f"{path}: the file is empty")
    column = source.answer_column or _answer_column(path, rows)
    asked = (source.question_column,) if source.question_column else QUESTION_COLUMNS
    found: list[Ready] = []
    faults: list[RowError] = []
    for row in rows:
        try:
            found.append(_ready(row, column, asked))
        except RowError as error:
            faults.append(error)
    if faults:
        raise UserError(f"{len(faults)} of {len(rows)} rows can't be used: {listed(faults)}")
    return found


def _answer_column(path: Path, rows: Sequence[Row]) -> str:
    """Find the one column that holds the answers."""
    used = [name for name in ANSWER_COLUMNS if any(r.values.get(name) is not None for r in rows)]
    candidates = [name for name in used if name != "answer"]
    if candidates == ["text"]:  # the question's or the answer's, where there is an answer too
        candidates = used
    if len(candidates) > 1:
        raise UserError(
            f"{path}: the answers could be in {' or '.join(candidates)}; name the column in the "
            f"teacher's card, as 'answer_column: {candidates[0]}'"
        )
    if used:
        return (candidates or used)[0]
    whole = next((row for row in rows if row.broken is None), None)
    if whole is None:
        raise rows[0].error(f"{rows[0].broken}; one object a line is wanted")
    raise whole.error(
        f"no answer in any of the columns {', '.join(ANSWER_COLUMNS)}; it has "
        f"{', '.join(map(shown, whole.values)) or 'none'}; {_hint(whole, ANSWER_COLUMNS)}, or name "
        "it in the teacher's card ('answer_column')"
    )


def _ready(row: Row, column: str, asked: Sequence[str]) -> Ready:
    answer = _said(row, column, "assistant")
    if answer is None:
        raise row.error(f"no answer in {column!r}")
    others = [name for name in asked if name != column or name == MESSAGES]
    texts = tuple(_asked(row, others))
    key = _id(row)
    if key is None and not texts:
        raise row.error(
            f"nothing says which question this answers (id, {', '.join(asked)}); it has "
            f"{', '.join(map(shown, row.values))}; {_hint(row, asked)}, or name it in the "
            "teacher's card ('question_column')"
        )
    return Ready(key, texts, answer)


def _asked(row: Row, columns: Sequence[str]) -> Iterator[str]:
    """Yield the texts by which a row's question may be recognised.

    A context in a column of its own, as in Social IQa, belongs to the question; and an
    instruction that has an input is no question by itself.
    """
    texts = {name: _said(row, name, "user") or "" for name in columns if name in row}
    if texts.get("input", "").strip() and "instruction" in texts:
        texts["instruction"] += f" {texts['input']}"
    context = row.values.get("context")
    for text in filter(str.strip, texts.values()):
        apart = isinstance(context, str) and context not in text
        yield f"{context} {text}" if apart else text


def _said(row: Row, column: str, role: str) -> str | None:
    """Return a column's text, or the message of ``role`` in a chat; None if it is empty."""
    value = row[column]
    if value is None:
        return None
    if role == "user" and isinstance(value, dict) and isinstance(value.get("stem"), str):
        value = value["stem"]  # as in CommonsenseQA's own rows
    if isinstance(value, list) and value and all(_is_message(part) for part in value):
        said = [part["content"] for part in value if part["role"] == role]
        if len(said) != 1 or not isinstance(said[0], str):
            raise row.error(f"column {column!r} has {len(said)} texts of the {role}, not one")
        value = said[0]
    text = value if isinstance(value, str) else number_text(value)
    if text is None:
        raise row.error(f"column {column!r} holds {shown(value)}, not text")
    return text.encode("utf-8", "replace").decode()  # half a surrogate pair is not text


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("role"), str) and "content" in value


def _id(row: Row) -> str | None:
    value = row.values.get("id")
    text = value.strip() if isinstance(value, str) else number_text(value)
    if text is None and value is not None:
        raise row.error(f"column 'id' holds {shown(value)}, not an id")
    return text or None


def _reply(row: Ready) -> Reply:
    return Reply(row.answer, "stop" if row.answer.strip() else "empty", 0, 0)


def _hint(row: Row, wanted: Sequence[str]) -> str:
    """Suggest which of the file's columns was probably meant."""
    hints = [(name, nearest(str(name), wanted)) for name in row.values]
    close = [f"{name!r}: {hint}" for name, hint in hints if "mean" in hint]
    return close[0] if close else "rename one of them"
