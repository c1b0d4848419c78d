"""How rows are read and checked: line ends, formats, targets, what is refused and left out."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from engine import catalog
from engine.schema.cards import TaskSource
from engine.schema.errors import UserError
from engine.schema.specs import TaskRef
from engine.scoring.boxed import last_boxed
from engine.tasks.prompts import render, with_letters

if TYPE_CHECKING:
    from pathlib import Path

    from engine.interfaces import Item

ODD_SIGNS = "a\u2028b\u2029c\x85d\x0ce\x0bf\x1cg"
PIQA = {"goal": "dry a cup", "sol1": "a towel", "sol2": "rain", "label": 0}


def load(task: str, split: str = "test", tell: Any = lambda _: None, **source: Any) -> list[Item]:
    return catalog.task(task).load(TaskSource(**source), split, tell)  # type: ignore[arg-type]


def refused(task: str, **source: Any) -> str:
    with pytest.raises(UserError) as caught:
        load(task, **source)
    return str(caught.value)


def lines(path: Path, *rows: Any, end: str = "\n") -> str:
    text = "".join(json.dumps(row, ensure_ascii=False) + end for row in rows)
    path.write_bytes(text.encode())
    return str(path)


# --- what ends a line ---------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
def test_only_a_line_feed_ends_a_line(tmp_path, end, mark):
    path = tmp_path / "f.jsonl"
    rows = [PIQA | {"goal": f"{n} {ODD_SIGNS} z"} for n in range(3)]
    lines(path, *[{k: v for k, v in row.items() if k != "label"} for row in rows], end=end)
    path.write_bytes(mark + path.read_bytes())
    labels = tmp_path / "l.lst"
    labels.write_bytes(mark + end.join("101").encode() + 2 * end.encode())
    items = load("piqa", test=str(path), test_labels=str(labels))
    assert [item.target for item in items] == ["B", "A", "B"]
    assert [item.question for item in items] == [row["goal"] for row in rows]

    path = tmp_path / "signs_test.csv"
    with path.open("w", encoding="utf-8-sig" if mark else "utf-8", newline="") as file:
        written = csv.writer(file, lineterminator=end)
        for row in rows:
            written.writerow([row["goal"], 'quo"ted', "x\ny", "with, comma", ODD_SIGNS, "C"])
        file.write(end)
    items = load("mmlu", test=str(path))
    assert [item.question for item in items] == [row["goal"] for row in rows]
    assert items[0].choices == ('quo"ted', "x\ny", "with, comma", ODD_SIGNS)


def test_json_lines_may_be_called_json(tmp_path):
    rows = [PIQA, PIQA | {"label": 1}]
    path = lines(tmp_path / "f.json", *rows)
    assert [item.target for item in load("piqa", test=path)] == ["A", "B"]
    (tmp_path / "f.json").write_text(json.dumps(rows, indent=1))
    assert [item.target for item in load("piqa", test=path)] == ["A", "B"]
    (tmp_path / "f.json").write_text(json.dumps(PIQA) + "\n{oops\n")
    assert "f.json:2: not JSON" in refused("piqa", test=path)
    (tmp_path / "f.json").write_text(json.dumps(rows, indent=1)[:-3])
    assert "f.json: not JSON" in refused("piqa", test=path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("q,1,2,3,4,A\nq,1,2,3,A\n", "_test.csv:2: 5 fields"),
        ("q,1,2,3,,A\n", "_test.csv:1: option D is empty"),
        ('q,1,2,3,4,A\n"q\nq",1,2,3,4,E\n', "_test.csv:2: the answer is 'E'"),
        ('q,1,2,3,4,A\nq,1,2,3,4,"A\nq,1,2,3,4,B\n', "_test.csv:2: a quote is opened"),
        ('q,1,2,3,4,"' + "x" * 200_000 + '"\n', "_test.csv:1: not CSV"),
        ("q,1\rq,2,3,4,A\n", "_test.csv:1: not CSV"),
    ],
)
def test_csv_that_can_not_be_used(tmp_path, text, words):
    path = tmp_path / "law_test.csv"
    path.write_bytes(text.encode())
    assert words in refused("mmlu", test=str(path))


# --- what is refused, counted, left out ---------------------------------------------------------


def test_all_bad_rows_are_counted_and_the_first_three_shown(tmp_path):
    bad = [PIQA | {"label": 2}, PIQA | {"sol2": ""}, PIQA | {"goal": None}, [], PIQA | {"label": 9}]
    path = lines(tmp_path / "f.jsonl", PIQA, *bad, PIQA | {"label": 1})
    text = refused("piqa", test=path)
    assert "piqa: 5 of 7 rows can't be used" in text
    assert "f.jsonl:2: the answer is '2', but the options are 0, 1" in text
    assert "f.jsonl:3: option B is empty" in text
    assert "f.jsonl:4: column 'goal' holds nothing, not text; and 2 more" in text
    assert "skip_bad_rows: true" in text

    told: list[str] = []
    kept = load("piqa", test=path, skip_bad_rows=True, tell=told.append)
    assert [(item.id, item.target) for item in kept] == [("test-00000", "A"), ("test-00006", "B")]
    assert told[0].startswith("piqa test: 5 of 7 rows are left out: ")
    assert load("piqa", test=lines(tmp_path / "g.jsonl", PIQA), skip_bad_rows=True) is not None
    assert len(told) == 1


def test_a_split_of_which_nothing_is_left_is_refused_all_the_same(tmp_path):
    path = lines(tmp_path / "f.jsonl", *[{k: v for k, v in PIQA.items() if k != "label"}] * 4)
    for skip in (False, True):
        text = refused("piqa", test=path, skip_bad_rows=skip)
        assert "none of its 4 rows can be used" in text
        assert "unlabelled" in text


def test_rows_of_the_hub_are_checked_too(monkeypatch):
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: [PIQA, PIQA | {"label": 5}])
    assert "row 1: the answer is '5'" in refused("piqa")
    assert len(load("piqa", skip_bad_rows=True)) == 1


def test_leaving_rows_out_counts_for_a_phases_identity_and_its_default_does_not():
    usual = TaskRef(name="piqa", source=TaskSource(hub="a/b", revision="1"))
    assert "skip_bad_rows" not in usual.identity()["source"]
    skipping = TaskRef(name="piqa", source=TaskSource(hub="a/b", revision="1", skip_bad_rows=True))
    assert skipping.identity()["source"]["skip_bad_rows"] is True


def test_an_id_that_looks_like_a_repeated_one_stays_unique(tmp_path):
    rows = [PIQA | {"id": key} for key in ("a", "a", "a#2", "a#2", 7, True, ["x"])]
    ids = [item.id for item in load("piqa", test=lines(tmp_path / "f.jsonl", *rows))]
    assert len(set(ids)) == len(ids)
    assert ids[:2] == ["a", "a#2"]
    assert ids[4:] == ["7", "test-00005", "test-00006"]


# --- targets ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "target"),
    [
        (5, "5"), (5.0, "5"), (-2.5, "-2.5"), (1e-7, "0.0000001"), ("5.0", "5.0"),
        ("1,234,567.5", "1234567.5"), ("-1,200", "-1200"), ("1/3", "1/3"), (" 12 ", "12"),
        ("12,34,567", "1234567"), (None, None), ("", None), ("None", None), ("NaN", None),
        (float("nan"), None), (float("inf"), None), (True, None), ("five", None), ("1, 2", None),
        ("1,2", None), ("1,0000", None), ("5 pens", None), ([5], None), ({}, None), ("--5", None),
        ("9" * 200, None), (1e300, None), ("٣", None),
    ],
)  # fmt: skip
def test_number_targets(tmp_path, value, target):
    path = lines(tmp_path / "f.jsonl", {"question": "q", "final_ans": value})
    other = lines(tmp_path / "other.jsonl", {"question": "q", "final_ans": "1"})
    worked = lines(tmp_path / "g.jsonl", {"question": "q", "answer": f"so\n#### {value}"})
    if target is None:
        assert "f.jsonl:1: " in refused("multiarith", train=other, test=path)
    else:
        assert load("multiarith", train=other, test=path)[0].target == target
    if isinstance(value, str) and target is None:
        assert "no number after '####'" in refused("gsm8k", test=worked)
    elif isinstance(value, str):
        assert load("gsm8k", test=worked)[0].target == target


@pytest.mark.parametrize("solutions", [[], [1.0, 2.0], [None], ["x"], 5.0, "5", None, [[5]]])
def test_multiarith_wants_one_solution(tmp_path, solutions):
    row = {"sQuestion": "q", "lSolutions": solutions}
    path = lines(
        tmp_path / "f.jsonl", row, *[{"sQuestion": f"q{n}", "lSolutions": [1]} for n in "ab"]
    )
    found = [
        refused("multiarith", train=path, split=split)
        for split in ("train", "test")
        if f"{path}:1" in _outcome(path, split)
    ]
    assert len(found) == 1, "it is in one of the two splits"
    assert "'lSolutions' holds" in found[0]


def _outcome(path: str, split: str) -> str:
    try:
        return str(load("multiarith", split, train=path))
    except UserError as error:
        return str(error)


def test_multiarith_tells_a_row_without_a_question_in_both_splits(tmp_path):
    rows = [{"sQuestion": f"How many {n}?", "lSolutions": [n]} for n in range(1, 10)]
    path = lines(tmp_path / "f.jsonl", *rows, {"sQuestion": None, "lSolutions": [1]})
    assert all("f.jsonl:10: " in _outcome(path, split) for split in ("train", "test"))


def test_math_targets(tmp_path):
    def target(**row: Any) -> str:
        path = lines(tmp_path / "f.jsonl", {"problem": "p", "type": "Algebra"} | row)
        return load("math", test=path)[0].target

    assert target(solution=r"So $\fbox{7}$.") == "7"
    assert target(solution=r"$\boxed{1}$, no: \fbox{\frac{1}{2}}") == r"\frac{1}{2}"
    assert target(solution="no box", answer="3") == "3"
    assert target(answer=3) == "3"
    for bad in (r"\boxed{}", r"\boxed{ }", r"\boxed{\text{}}", "none", r"\fboxed{3}"):
        path = lines(tmp_path / "f.jsonl", {"problem": "p", "type": "t", "solution": bad})
        assert "f.jsonl:1: " in refused("math", test=path)


def test_a_box_has_two_names():
    assert last_boxed(r"\fbox{3}") == "3"
    assert last_boxed(r"\fboxed{3}") is None


@pytest.mark.parametrize(
    ("choices", "answer", "letter"),
    [
        ("abc", 2, "C"), ("abc", "2", "C"), ("abc", "C", "C"), ("abcde", "E", "E"),
        ("abcdefghij", 9, "J"), ("abc", 3, None), ("abc", "D", None), ("abc", "AB", None),
        ("abc", -1, None), ("abc", 1.0, "B"), ("abc", 1.5, None), ("a", 0, None),
        ("abcdefghijk", 10, None), ("abcdefghijk", 0, None),
    ],
)  # fmt: skip
def test_mmlu_answers_are_among_the_rows_own_options(tmp_path, choices, answer, letter):
    row = {"question": "q", "choices": list(choices), "answer": answer, "subject": "s"}
    path = lines(tmp_path / "f.jsonl", row)
    if letter is None:
        assert "f.jsonl:1: " in refused("mmlu", test=path)
    else:
        assert load("mmlu", test=path)[0].target == letter


@pytest.mark.parametrize(
    ("labels", "texts", "key", "letter"),
    [
        ("ABC", "xyz", "B", "B"), ("123", "xyz", "2", "B"), ([1, 2], "xy", 2, "B"),
        ("pqr", "xyz", "r", "C"), ("AAB", "xyz", "A", None), ("AAB", "xyz", "B", "C"),
        ("ABC", "xy", "A", None), ("AB", "xyz", "A", None), ("ABC", "xyz", "D", None),
        ("", "", "A", None), ("A", "x", "A", None),
    ],
)  # fmt: skip
def test_labels_and_texts_belong_together(tmp_path, labels, texts, key, letter):
    row = {"question_stem": "q", "answerKey": key}
    row["choices"] = {"label": list(labels), "text": list(texts)}  # type: ignore[assignment]
    path = lines(tmp_path / "f.jsonl", row)
    if letter is None:
        assert "f.jsonl:1: " in refused("obqa", test=path)
    else:
        assert load("obqa", test=path)[0].target == letter


# --- prompts ------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", sorted(catalog.TASKS))
def test_the_instruction_names_the_rows_own_letters(task):
    line = catalog.task(task).instruction
    if catalog.task(task).kind != "choice":
        assert with_letters(line, ()) == line
        return
    for count, named in ((2, "A, B."), (3, "A, B, C."), (10, "A, B, C, D, E, F, G, H, I, J.")):
        prompt = render(line, "Which?", [str(n) for n in range(count)], "cot")
        assert prompt.splitlines()[0].endswith(f" {named}")
        assert prompt.splitlines()[0] == with_letters(line, "x" * count)
    usual = line.count(",") + 1
    assert with_letters(line, "x" * usual) == line
