"""Whatever a file holds, it becomes right items or one error with its place."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from engine import catalog
from engine.schema.cards import TaskSource
from engine.schema.errors import UserError
from engine.tasks.checking import fault
from engine.tasks.prompts import LETTERS, render

if TYPE_CHECKING:
    from pathlib import Path

    from engine.interfaces import Item, Split

GOOD: dict[str, list[dict[str, Any]]] = {
    "csqa": [
        {
            "id": "a",
            "question": "Where do ships rest?",
            "choices": {"label": ["A", "B", "C"], "text": ["port", "hill", "desert"]},
            "answerKey": "A",
        },
        {
            "id": "b",
            "answerKey": "B",
            "question": {
                "stem": "Where does bread rise?",
                "choices": [{"label": "A", "text": "lake"}, {"label": "B", "text": "oven"}],
            },
        },
    ],
    "obqa": [
        {
            "id": "a",
            "question_stem": "What melts?",
            "choices": {"label": ["A", "B"], "text": ["ice", "stone"]},
            "answerKey": "A",
        }
    ],
    "piqa": [{"id": "a", "goal": "dry a cup", "sol1": "a towel", "sol2": "rain", "label": 0}],
    "siqa": [
        {
            "context": "Kim fell.",
            "question": "What next?",
            "answerA": "gets up",
            "answerB": "flies",
            "answerC": "sings",
            "label": "1",
        }
    ],
    "gsm8k": [{"question": "What is 2 + 3?", "answer": "2 + 3 = 5\n#### 5"}],
    "multiarith": [
        {"sQuestion": "What is 2 + 3?", "lSolutions": [5.0]},
        {"question": "What is 2 + 3?", "final_ans": "5"},
    ],
    "math": [{"problem": "2 + 3?", "solution": "It is $\\boxed{5}$.", "type": "Algebra"}],
    "mmlu": [
        {"question": "Which is even?", "choices": ["1", "2", "3", "5"], "answer": 1, "subject": "n"}
    ],
}
DEEP: Any = "x"
for _ in range(80):
    DEEP = [DEEP]
HOSTILE: tuple[Any, ...] = (
    None, True, False, 0, -1, 7, 10**40, 10**400, 0.5, 1e308, float("nan"), float("inf"), "", "  ",
    "None", "nan", "A", "Z", "AB", "²", "1", "-1", "1e999", "1,2", "x" * 5000, "\ud800", "\x00",
    "a\u2028b\x85c\x0cd", "#### ", "#### nan", "\\boxed{", "\\boxed{}", "}{", [], [[]], ["a"],
    [None, "b"], ["a", "a"], ["x"] * 30, [1.0, 2.0], ["1", "2"], {}, {"label": [], "text": []},
    {"label": ["A"], "text": "A"}, {"label": ["A", "A"], "text": ["x", "y"]},
    {"label": [None, 1], "text": ["x", "y"]}, {"label": "AB", "text": "xy"}, {"stem": 1},
    {"stem": "s", "choices": 5}, {"stem": "s", "choices": [3]}, {"stem": "s", "choices": [{}]},
    {"stem": "s", "choices": [{"label": ["A"], "text": {}}]}, DEEP,
)  # fmt: skip
CASES = [(task, shape) for task, rows in GOOD.items() for shape in range(len(rows))]


def spoilt(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The row with each column of it, and of what it holds, spoilt in each way or left out."""
    found = [row | {column: value} for column, value in itertools.product(row, HOSTILE)]
    found += [{k: v for k, v in row.items() if k != column} for column in row]
    for column, value in row.items():
        if isinstance(value, dict):
            found += [row | {column: inner} for inner in spoilt(value)]
        if isinstance(value, list):
            for place, other in itertools.product(range(len(value)), HOSTILE):
                found.append(row | {column: [*value[:place], other, *value[place + 1 :]]})
    return found


def load(task: str, path: Path, **more: Any) -> list[Item]:
    split: Split = "train" if catalog.task(task).trains and task != "multiarith" else "test"
    other = {"train": str(path.with_name("other.jsonl"))} if task == "multiarith" else {}
    return catalog.task(task).load(TaskSource(**{split: str(path)}, **other, **more), split)


def outcome(task: str, path: Path) -> tuple[list[Item], str | None]:
    try:
        return load(task, path), None
    except UserError as error:
        return [], str(error)


@pytest.mark.parametrize(("task", "shape"), CASES)
def test_spoilt_rows_are_told_with_their_place_or_become_right_items(tmp_path, task, shape):
    good = GOOD[task][shape]
    rows = spoilt(good)
    path = tmp_path / "f.jsonl"
    kind = catalog.task(task).kind
    refused = 0
    for row in rows:
        path.write_text("\n" + json.dumps(row) + "\n")
        items, problem = outcome(task, path)
        if problem is None:
            (item,) = items
            assert fault(item, kind) is None, row
            prompt = render(catalog.task(task).instruction, item.question, item.choices)
            assert prompt.encode(), "can be written to a file"
            assert item.target in (LETTERS if kind == "choice" else json.dumps(row)), row
        else:
            refused += 1
            assert f"{path}:2: " in problem, row
            assert len(problem.splitlines()) == 1, row
            assert len(problem) < 1200, row
    assert refused > len(rows) // 3

    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, good]))
    kept = load(task, path, skip_bad_rows=True)
    assert len(kept) == len(rows) - refused + 1
    assert len({item.id for item in kept}) == len(kept)


@pytest.mark.parametrize("task", GOOD)
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n",
        b"\xef\xbb\xbf",
        b"\x00\x01\x02\xff",
        b"[" * 100_000,
        b'{"a": ' * 50_000,
        b'{"question": ' + b"9" * 10_000 + b"}\n",
        b"null\n",
        b"[]\n",
        b'[{"question": 1}, 3]',
        b'"text"\n{}\n',
        b"PAR1",
        b'a,"b\n',
        b"<html></html>",
    ],
)
@pytest.mark.parametrize("name", ["f.jsonl", "f.json", "f.parquet", "f_test.csv", "f.txt"])
def test_files_that_hold_something_else(tmp_path, task, content, name):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError) as caught:
        load(task, tmp_path / name)
    assert str(tmp_path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("task", GOOD)
@pytest.mark.parametrize("name", ["d", "d.jsonl", "d.json", "d.parquet", "d.csv"])
def test_a_folder_in_place_of_a_file(tmp_path, task, name):
    (tmp_path / name).mkdir()
    with pytest.raises(UserError, match=str(tmp_path)):
        load(task, tmp_path / name)


@pytest.mark.parametrize("task", ["piqa", "siqa"])
@pytest.mark.parametrize("labels", [b"", b"\xff", b"9\n", b"1 0\n", b"\n", "0\u20281\n".encode()])
def test_label_files_that_hold_something_else(tmp_path, task, labels):
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps({k: v for k, v in GOOD[task][0].items() if k != "label"}) + "\n")
    (tmp_path / "l.lst").write_bytes(labels)
    with pytest.raises(UserError, match=r"l\.lst"):
        load(task, path, train_labels=str(tmp_path / "l.lst"))
