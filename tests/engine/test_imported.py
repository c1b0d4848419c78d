"""Demonstrations that somebody has already made, from JSONL and Parquet."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from engine.generation.imported import ImportedProvider
from engine.interfaces import Question, Reply
from engine.schema.cards import ImportedAnswers, ModelCard
from engine.schema.settings import GenerationSettings
from engine.schema.specs import AnnotateSpec, EvaluateSpec, TaskRef
from engine.tasks.prompts import render
from tests.engine.annotating import BOXES
from tests.engine.test_teachers import answers, failure

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engine.annotating import TeacherLab


@pytest.fixture
def told() -> list[str]:
    return []


def imported(path: Path, told: list[str], **columns: str) -> ImportedProvider:
    source = ImportedAnswers(kind="imported", path=str(path), **columns)
    card = ModelCard(name="ready", family="gpt", source=source)
    return ImportedProvider(card, GenerationSettings(), told.append)


def choice_questions() -> list[Question]:
    rows = [("a1", "Where is  Venice?"), ("a2", "What is wet?"), ("a3", "Who barks?")]
    return [Question(k, render("Choose.", q, ("x", "y"), "cot"), 0) for k, q in rows]


def jsonl(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize(
    "row",
    [
        {"id": "a2", "output": "B"},
        {"id": 7, "question": "what is\nWET?", "text": "B"},
        {"question": "What is wet?", "answer": "B"},
        {"prompt": render("Choose.", "What is wet?", ("x", "y"), "cot"), "completion": "B"},
        {"prompt": "What is wet? Choices: A) x B) y", "response": "B"},
        {"instruction": "Choose.", "input": "What is wet?", "output": "B"},
        {"instruction": "What is wet?", "input": "", "output": "B"},
    ],
)
def test_imported_rows_find_their_question(
    tmp_path: Path, told: list[str], row: dict[str, Any]
) -> None:
    found = answers(imported(jsonl(tmp_path / "d.jsonl", row), told), choice_questions())
    assert found == {"a2": [Reply("B", "stop", 0, 0)]}
    assert "1 of 3 questions" in told[0]


def test_an_id_of_another_benchmark_does_not_count(tmp_path: Path, told: list[str]) -> None:
    rows = [
        {"id": "a1", "question": "Who barks?", "output": "a dog"},
        {"id": "a3", "question": "Something else", "output": "wrong"},
    ]
    found = answers(imported(jsonl(tmp_path / "d.jsonl", *rows), told), choice_questions())
    assert {key: replies[0].text for key, replies in found.items()} == {"a3": "a dog"}


def test_imported_parquet_and_done(tmp_path: Path, told: list[str]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    path = tmp_path / "d.parquet"
    parquet.write_table(pa.table({"id": ["a1", "a2", "a3"], "output": ["A", "", "B"]}), path)
    found = answers(imported(path, told), choice_questions(), done={"a1"})
    assert {k: (r[0].text, r[0].finish) for k, r in found.items()} == {
        "a2": ("", "empty"),
        "a3": ("B", "stop"),
    }
    assert told == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"id": "a1", "outptu": "x"}\n', "did you mean 'output'?"),
        ('{"qestion": "a1", "output": "x"}\n', "did you mean 'question'?"),
        ('{"id": "a1", "output": "x"}\n{"id": \n', "d.jsonl:2: not JSON"),
        ("[1]\n", "d.jsonl:1: holds [1], not an object"),
        ("", "the file is empty"),
        ('{"id": "zz", "output": "x"}\n', "none of 1 rows answers a question of this task"),
    ],
)
def test_imported_files_that_can_not_serve(
    tmp_path: Path, told: list[str], content: str, words: str
) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(content)
    _, problem = failure(imported(path, told), choice_questions())
    assert words in str(problem)
    assert str(path) in str(problem)


def test_imported_file_is_missing_or_damaged(tmp_path: Path, told: list[str]) -> None:
    _, problem = failure(imported(tmp_path / "no.jsonl", told), choice_questions())
    assert "no such file" in str(problem)
    (tmp_path / "d.parquet").write_bytes(b"PAR1 nothing")
    _, problem = failure(imported(tmp_path / "d.parquet", told), choice_questions())
    assert "not a Parquet file" in str(problem)


# --- which column, which question ---------------------------------------------------------------

NUMBERS = {
    "a": "How many pens has Tom?",
    "b": "Tom has 2 pens and buys 3.\nHow many pens has Tom?\nSay it.",
    "c": "Zoe has 9 cups. How many?",
}


def number_questions() -> list[Question]:
    return [
        Question(key, render("Solve it.", question, (), "cot"), 0)
        for key, question in NUMBERS.items()
    ]


def said(teacher: ImportedProvider, questions: list[Question]) -> dict[str, str]:
    return {key: replies[0].text for key, replies in answers(teacher, questions).items()}


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"answer": "9", "response": "it is 8"}, "it is 8"),
        ({"answer": "9", "completion": "it is 8"}, "it is 8"),
        ({"output": "it is 8", "answer": "9"}, "it is 8"),
        ({"answer": "9", "output": None, "response": "it is 8"}, "it is 8"),
        ({"answer": "it is 8"}, "it is 8"),
        ({"text": "it is 8"}, "it is 8"),
        ({"response": 8}, "8"),
        ({"response": 8.0}, "8"),
    ],
)
def test_the_teachers_words_come_before_the_benchmarks(tmp_path, told, row, text):
    path = jsonl(tmp_path / "d.jsonl", {"id": "c"} | row)
    assert said(imported(path, told), number_questions()) == {"c": text}


@pytest.mark.parametrize(
    ("columns", "named"),
    [
        (("output", "response", "answer"), "output or response"),
        (("completion", "text"), "completion or text"),
        (("text", "answer"), "text or answer"),
        (("response", "messages"), "response or messages"),
    ],
)
def test_several_possible_columns_are_asked_about(tmp_path, told, columns, named):
    chat = [{"role": "user", "content": NUMBERS["c"]}, {"role": "assistant", "content": "mine"}]
    rows = [{"id": key, column: column} for key, column in zip("abc", columns, strict=False)]
    path = jsonl(tmp_path / "d.jsonl", *rows)
    _, problem = failure(imported(path, told), number_questions())
    assert named in str(problem)
    assert f"answer_column: {named.split()[0]}" in str(problem)
    mine = chat if columns[1] == "messages" else "mine"
    whole = {"id": "c"} | dict.fromkeys(columns, "x") | {columns[1]: mine}
    teacher = imported(jsonl(path, whole), told, answer_column=columns[1])
    assert said(teacher, number_questions()) == {"c": "mine"}


def test_columns_of_any_name_can_be_given(tmp_path, told):
    row = {"problem": NUMBERS["c"], "rationale": "it is 9", "question": "something else"}
    path = jsonl(tmp_path / "d.jsonl", row)
    teacher = imported(path, told, answer_column="rationale", question_column="problem")
    assert said(teacher, number_questions()) == {"c": "it is 9"}
    _, problem = failure(imported(path, told, answer_column="rational"), number_questions())
    assert "did you mean 'rationale'?" in str(problem)


@pytest.mark.parametrize(
    "value",
    [["x"], [["x"]], {"a": 1}, float("nan"), float("inf"), True, [{"role": "user"}], [None], []],
)
@pytest.mark.parametrize("column", ["id", "question", "output"])
def test_what_is_no_text_is_refused_with_its_place(tmp_path, told, column, value):
    rows = [{"id": "a", "question": NUMBERS["a"], "output": "x"}, {"id": "c", "output": "x"}]
    path = jsonl(tmp_path / "d.jsonl", rows[0], *[rows[1] | {column: value}] * 5)
    _, problem = failure(imported(path, told), number_questions())
    start = "5 of 6 rows can't be used: "
    assert str(problem).startswith(f"{start}{path}:2: column {column!r} holds ")
    assert f"{path}:4; and 2 more" in str(problem)


def test_chat_messages_hold_question_and_answer(tmp_path, told):
    def turns(*said: tuple[str, Any]) -> list[dict[str, Any]]:
        return [{"role": role, "content": content} for role, content in said]

    chat = turns(("system", "Be kind."), ("user", NUMBERS["c"]), ("assistant", "it is 9"))
    path = jsonl(tmp_path / "d.jsonl", {"messages": chat})
    assert said(imported(path, told), number_questions()) == {"c": "it is 9"}
    parts = {"prompt": chat[:2], "completion": chat[2:]}
    assert said(imported(jsonl(path, parts), told), number_questions()) == {"c": "it is 9"}
    for odd in (chat[:2], chat + chat[1:], turns(("user", "q"), ("assistant", None))):
        _, problem = failure(imported(jsonl(path, {"messages": odd}), told), number_questions())
        assert f"{path}:1: column 'messages' has" in str(problem)


def test_a_question_answers_only_itself(tmp_path, told):
    """Neither one that holds it nor one that it holds, whatever tells the row."""
    path = jsonl(tmp_path / "d.jsonl", {"question": NUMBERS["a"], "output": "short"})
    assert said(imported(path, told), number_questions()) == {"a": "short"}
    path = jsonl(path, {"id": "b", "question": NUMBERS["a"], "output": "short"})
    assert said(imported(path, told), number_questions()) == {"a": "short"}
    path = jsonl(path, {"question": NUMBERS["b"].replace("\n", "  "), "output": "long"})
    assert said(imported(path, told), number_questions()) == {"b": "long"}
    path = jsonl(path, {"question": f"Joe has 1. {NUMBERS['a']}", "output": "longer"})
    _, problem = failure(imported(path, told), number_questions())
    assert "none of 1 rows" in str(problem)


@pytest.mark.parametrize(
    "text",
    [
        "{q}",
        "Question: {q}",
        "Q: {q}\nA:",
        "{q}\nLet's think step by step.",
        "Solve it.\n{q}",
        "Solve it.\nQuestion: {q}\nAnswer:",
    ],
)
def test_the_words_that_ask_do_not_count(tmp_path, told, text):
    row = {"prompt": text.format(q=NUMBERS["b"]), "completion": "x"}
    assert said(imported(jsonl(tmp_path / "d.jsonl", row), told), number_questions()) == {"b": "x"}


def with_options(**choices: tuple[str, ...]) -> list[Question]:
    return [
        Question(key, render("Choose.", "Where is ice?", texts, "cot"), 0)
        for key, texts in choices.items()
    ]


@pytest.mark.parametrize(
    "text",
    [
        "Where is ice?\nChoices:\nA) in a lake\nB) up\nor down\nC) c",
        "Question: Where is ice?\n(A) in a lake\n(B) up or down\n(C) c\nAnswer:",
        "Where is ice? Options: A. in a lake B. up or down C. c",
        "Choose.\nWhere is ice?\nAnswer choices: a: in a lake, b: up or down, c: c",
    ],
)
def test_options_may_stand_in_any_usual_layout(tmp_path, told, text):
    asked = with_options(a=("in a lake", "up"), b=("in a lake", "up\nor down", "c"))
    path = jsonl(tmp_path / "d.jsonl", {"question": text, "output": "x"})
    assert said(imported(path, told), asked) == {"b": "x"}


def test_the_same_words_with_other_options_are_another_question(tmp_path, told):
    asked = with_options(a=("lake", "sun"), b=("sun", "lake"))
    path = jsonl(tmp_path / "d.jsonl", {"question": "Where is ice?", "output": "A"})
    failure(imported(path, told), asked)
    alone = {"prompt": "Choose.\nQuestion: Where is ice?\nAnswer:", "output": "A"}
    assert said(imported(jsonl(path, alone), told), asked[:1]) == {"a": "A"}
    failure(imported(path, told), asked)
    rows = [{"question": "Where is ice?", "output": "A"}, {"id": "b", "output": "B"}]
    assert said(imported(jsonl(path, *rows), told), asked) == {"b": "B"}
    assert any("with other options" in line for line in told)
    rows = [{"id": "a", "question": "Where is ice?", "output": "A"}]
    assert said(imported(jsonl(path, *rows), told), asked) == {"a": "A"}
    twice = [*with_options(a=("lake", "sun")), *with_options(b=("lake", "sun"))]
    path = jsonl(path, {"question": "Where is ice?", "output": "A"})
    assert said(imported(path, told), twice) == {"a": "A", "b": "A"}


def test_a_context_in_a_column_of_its_own_belongs_to_the_question(tmp_path, told):
    asked = [Question("s", render("Choose.", "Kim fell. What next?", ("x", "y"), "cot"), 0)]
    row = {"context": "Kim fell.", "question": "What next?", "output": "A"}
    assert said(imported(jsonl(tmp_path / "d.jsonl", row), told), asked) == {"s": "A"}
    path = jsonl(tmp_path / "d.jsonl", row | {"context": "Kim sang."})
    failure(imported(path, told), asked)


def test_an_instruction_with_an_input_is_no_question_by_itself(tmp_path, told):
    row = {"instruction": NUMBERS["a"], "input": "Tom has 2 pens.", "output": "x"}
    path = jsonl(tmp_path / "d.jsonl", row)
    failure(imported(path, told), number_questions())
    path = jsonl(path, {"instruction": "Zoe has 9 cups.", "input": "How many?", "output": "x"})
    assert said(imported(path, told), number_questions()) == {"c": "x"}


def test_a_benchmarks_own_row_with_an_answer_added(tmp_path, told):
    asked = with_options(a=("lake", "sun"))
    row = {"id": "a", "answerKey": "A", "question": {"stem": "Where is ice?", "choices": []}}
    path = jsonl(tmp_path / "d.jsonl", row | {"response": "it is A"})
    assert said(imported(path, told), asked) == {"a": "it is A"}


def test_a_json_list_and_signs_inside_a_line_are_read(tmp_path, told):
    row = {"question": "Zoe has 9 cups. How\u2028many?", "output": "it\x85is\x0c9"}
    text = json.dumps([row], ensure_ascii=False)
    (tmp_path / "d.json").write_text(text, encoding="utf-8-sig")
    assert said(imported(tmp_path / "d.json", told), number_questions()) == {"c": row["output"]}
    (tmp_path / "d.txt").write_text(text[1:-1] + "\n", encoding="utf-8-sig")
    assert said(imported(tmp_path / "d.txt", told), number_questions()) == {"c": row["output"]}


@pytest.mark.parametrize("name", ["d.jsonl", "d.json", "d.parquet", "d"])
@pytest.mark.parametrize("content", [b"\xff\x00", b"[" * 99_999, b"{}\n", b"\n", b"[1]", b"nul"])
def test_files_that_hold_something_else(tmp_path, told, name, content):
    (tmp_path / name).write_bytes(content)
    _, problem = failure(imported(tmp_path / name, told), number_questions())
    assert str(tmp_path / name) in str(problem)


def test_the_columns_count_for_identity_where_they_are_given(tmp_path):
    def fingerprint(**source: str) -> str:
        origin = ImportedAnswers(kind="imported", path=str(tmp_path / "x"), revision="1", **source)
        teacher = ModelCard(name="ready", family="gpt", source=origin)
        return AnnotateSpec(teacher=teacher, task=TaskRef(name="gsm8k")).fingerprint

    assert (
        len({fingerprint(), fingerprint(answer_column="x"), fingerprint(question_column="x")}) == 3
    )


def test_an_accuracy_of_some_questions_says_of_how_many(lab: TeacherLab, tmp_path: Path) -> None:
    task = TaskRef(name="pocket-boxes", source=BOXES.default_source)
    items = BOXES.load(task.source, "test")
    rows = ({"id": item.id, "output": f"It is {item.target}."} for item in items[:4])
    source = ImportedAnswers(kind="imported", path=str(jsonl(tmp_path / "d.jsonl", *rows)))
    model = ModelCard(name="ready", family="gpt", source=source)
    lab.attempt(EvaluateSpec(model=model, task=task, prompt="cot"))
    (said,) = (one.text for one in lab.views[-1].warnings if one.code == "unanswered")
    missing = f"{len(items) - 4} of {len(items)} questions have no answer"
    assert said == f"{missing}: the accuracy is of the other 4"
