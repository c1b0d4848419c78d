"""Benchmarks: formats, errors a user can cause, sampling, revisions."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from engine import catalog
from engine.interfaces import Item
from engine.schema.cards import TaskSource
from engine.schema.errors import UserError
from engine.tasks.prompts import ONLY_THE_LETTER, render
from engine.tasks.revision import resolve_revision
from engine.tasks.sampling import balanced, fraction, stratified_holdout

if TYPE_CHECKING:
    from pathlib import Path

CSQA = {
    "id": "q1",
    "answerKey": "B",
    "question": {
        "stem": " Where? ",
        "choices": [{"label": "A", "text": "bank"}, {"label": "B", "text": "mall "}],
    },
}
CSQA_FLAT = {
    "id": "q1",
    "question": "Where?",
    "choices": {"label": ["A", "B"], "text": ["bank", "mall"]},
    "answerKey": "B",
}


def jsonl(path: Path, *rows: dict) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def load(task: str, split: str = "train", **source: str) -> list[Item]:
    return catalog.task(task).load(TaskSource(**source), split)


def error(task: str, split: str = "train", **source: str) -> str:
    with pytest.raises(UserError) as caught:
        load(task, split, **source)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- rows become items ------------------------------------------------------------------------


@pytest.mark.parametrize("row", [CSQA, CSQA_FLAT], ids=["original", "hub shape"])
def test_csqa(tmp_path, row):
    items = load("csqa", train=jsonl(tmp_path / "f.jsonl", row))
    assert items == [Item("q1", "Where?", ("bank", "mall"), "B", "B")]


def test_labels_are_places_among_the_options(tmp_path):
    row = CSQA_FLAT | {"choices": {"label": ["1", "2"], "text": ["x", "y"]}, "answerKey": "2"}
    assert load("csqa", train=jsonl(tmp_path / "f.jsonl", row))[0].target == "B"


def test_repeated_ids_are_told_apart(tmp_path):
    items = load("csqa", train=jsonl(tmp_path / "f.jsonl", CSQA, CSQA, CSQA))
    assert [item.id for item in items] == ["q1", "q1#2", "q1#3"]


def test_obqa(tmp_path):
    flat = {"question_stem" if k == "question" else k: v for k, v in CSQA_FLAT.items()}
    for row in (CSQA, flat):
        assert load("obqa", train=jsonl(tmp_path / "f.jsonl", row))[0].question == "Where?"


@pytest.mark.parametrize("label", [1, "1"])
def test_piqa_hub_shape(tmp_path, label):
    row = {"goal": "g", "sol1": "a", "sol2": "b ", "label": label}
    items = load("piqa", train=jsonl(tmp_path / "f.jsonl", row))
    assert items == [Item("train-00000", "g", ("a", "b"), "B", "B")]


def test_piqa_labels_beside_the_rows(tmp_path):
    rows = jsonl(tmp_path / "f.jsonl", *[{"goal": g, "sol1": "a", "sol2": "b"} for g in "xy"])
    (tmp_path / "l.lst").write_text("1\n0\n")
    items = load("piqa", "test", test=rows, test_labels=str(tmp_path / "l.lst"))
    assert [item.target for item in items] == ["B", "A"]


def test_siqa_has_the_context_in_the_question_line(tmp_path):
    row = {"context": "It rains.", "question": "Why?", "label": "3"}
    row |= {"answerA": "x", "answerB": "y", "answerC": "z"}
    item = load("siqa", train=jsonl(tmp_path / "f.jsonl", row))[0]
    assert (item.question, item.target) == ("It rains. Why?", "C")
    task = catalog.task("siqa")
    assert render(task.instruction, item.question, item.choices).splitlines() == [
        "Choose the answer to the question only from options A, B, C.",
        "Question: It rains. Why?",
        "Choices:",
        "A) x",
        "B) y",
        "C) z",
        "Answer:",
    ]
    alone = render(task.instruction, item.question, item.choices, "answer_only").splitlines()
    assert alone[-2:] == [ONLY_THE_LETTER, "Answer:"]


def test_gsm8k_target(tmp_path):
    answers = ["2+3 = <<2+3=5>>5\n#### 5", "#### 1,234", "x #### 1\n#### -7", "#### 0.5"]
    rows = [{"question": "q", "answer": answer} for answer in answers]
    items = load("gsm8k", train=jsonl(tmp_path / "f.jsonl", *rows))
    assert [item.target for item in items] == ["5", "1234", "-7", "0.5"]
    assert {item.group for item in items} == {""}


def test_multiarith_split_never_shares_a_question(tmp_path):
    rows = [
        {"sQuestion": f" How many {i % 90}? ", "lSolutions": [float(i % 90)]} for i in range(100)
    ]
    path = tmp_path / "m.json"
    path.write_text(json.dumps(rows))
    train, test = (load("multiarith", s, train=str(path)) for s in ("train", "test"))
    assert (len(train), len(test)) == (70, 30)
    assert not {i.question for i in train} & {i.question for i in test}
    assert not {i.id.split("-")[1] for i in train} & {i.id.split("-")[1] for i in test}

    path.write_text(json.dumps(rows[::-1]))
    again = load("multiarith", "test", test=str(path))
    assert {i.question for i in again} == {i.question for i in test}, "not by the rows' order"
    assert again[0].target == again[0].question.split()[-1].rstrip("?")


def test_multiarith_two_files_stay_as_they_are(tmp_path):
    row = {"question": " q ", "final_ans": "3"}
    files = {s: jsonl(tmp_path / f"{s}.jsonl", row) for s in ("train", "test")}
    assert load("multiarith", "test", **files) == [Item("test-00000", "q", (), "3")]


def test_math_folder_tree_and_math_500(tmp_path):
    original = {"problem": "p", "type": "Algebra", "solution": r"so $\boxed{\frac{1}{2}}$."}
    for name in ("algebra", "geometry"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / "1.json").write_text(json.dumps(original))
    items = load("math", "test", test=str(tmp_path / "tree"))
    assert [(i.target, i.group) for i in items] == [(r"\frac{1}{2}", "Algebra")] * 2

    row = {"problem": "p", "subject": "Geometry", "solution": r"$\boxed{3}$", "answer": "3"}
    row["unique_id"] = "test/geometry/1.json"
    item = load("math", "test", test=jsonl(tmp_path / "f.jsonl", row))[0]
    assert (item.id, item.target, item.group) == (row["unique_id"], "3", "Geometry")


def test_mmlu_csv_is_text_with_newlines_in_fields(tmp_path):
    path = tmp_path / "world_religions_test.csv"
    path.write_text('"two\nlines",01,2.0,"a, b",NaN,D\nq,1,2,3,4,A\n', encoding="utf-8")
    items = load("mmlu", "test", test=str(tmp_path))
    assert items[0].question == "two\nlines"
    assert items[0].choices == ("01", "2.0", "a, b", "NaN")
    assert [(i.target, i.group) for i in items] == [(x, "world_religions") for x in "DA"]


@pytest.mark.parametrize(("answer", "letter"), [(0, "A"), (3, "D"), ("2", "C"), ("B", "B")])
def test_mmlu_hub_shape(tmp_path, answer, letter):
    row = {"question": "q", "subject": "s", "choices": list("wxyz"), "answer": answer}
    items = load("mmlu", "test", test=jsonl(tmp_path / "f.jsonl", row))
    assert items == [Item("test-00000", "q", tuple("wxyz"), letter, "s")]


# --- errors -----------------------------------------------------------------------------------


def test_bad_line_names_file_and_line(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps(CSQA) + "\n\n{oops\n")
    assert f"{path}:3: not JSON" in error("csqa", train=str(path))
    path.write_text("[1]\n")
    assert f"{path}:1: holds [1], not an object" in error("csqa", train=str(path))


def test_missing_column_names_the_nearest(tmp_path):
    row = {"goal": "g", "sol_1": "a", "sol2": "b", "label": 0}
    text = error("piqa", train=jsonl(tmp_path / "f.jsonl", row))
    assert "f.jsonl:1" in text
    assert "'sol1'" in text
    assert "did you mean 'sol_1'?" in text


@pytest.mark.parametrize("key", [{"answerKey": ""}, {}], ids=["empty", "absent"])
def test_unlabelled_split(tmp_path, key):
    row = {k: v for k, v in CSQA.items() if k != "answerKey"} | key
    assert "unlabelled" in error("csqa", "test", test=jsonl(tmp_path / "f.jsonl", row))


def test_unlabelled_hub_label(tmp_path):
    row = {"goal": "g", "sol1": "a", "sol2": "b", "label": -1}
    assert "unlabelled" in error("piqa", "test", test=jsonl(tmp_path / "f.jsonl", row))


def test_label_count(tmp_path):
    rows = jsonl(tmp_path / "f.jsonl", {"goal": "g", "sol1": "a", "sol2": "b"})
    (tmp_path / "l.lst").write_text("1\n0\n")
    text = error("piqa", train=rows, train_labels=str(tmp_path / "l.lst"))
    assert "l.lst: 2 labels for 1 rows" in text


def test_answer_outside_the_options(tmp_path):
    path = jsonl(tmp_path / "f.jsonl", CSQA | {"answerKey": "E"})
    assert "'E', but the options are A, B" in error("csqa", train=path)


def test_missing_and_unreadable_files(tmp_path):
    assert "no such file" in error("csqa", train=str(tmp_path / "none.jsonl"))
    assert "no file for the test split" in error("csqa", "test", train="x.jsonl")
    for name, content, expected in [
        ("f.txt", b"x", "can't read '.txt'"),
        ("f.jsonl", b"\n", "no rows"),
        ("g.jsonl", b"\xff\xfe", "not UTF-8"),
        ("f.parquet", b"PAR1", "not a Parquet file"),
        ("f.json", b"{", "not JSON"),
    ]:
        (tmp_path / name).write_bytes(content)
        assert expected in error("csqa", train=str(tmp_path / name))


def test_folders_without_the_benchmark(tmp_path):
    assert "no .csv file" in error("mmlu", "test", test=str(tmp_path))
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "x_test.csv").write_text("a,b\n")
    assert "did you mean 'test'?" in error("mmlu", "test", test=str(tmp_path))
    assert "x_test.csv:1: 2 fields" in error("mmlu", "test", test=str(tmp_path / "test"))
    assert "no .json file" in error("math", "test", test=str(tmp_path))


@pytest.mark.parametrize("task", ["math", "mmlu"])
def test_evaluation_only(task):
    assert "evaluation only" in error(task, "train")


def test_hub_out_of_reach(monkeypatch):
    import datasets

    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("Couldn't reach 'tau/commonsense_qa' on the Hub\nmore")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    text = error("csqa")
    assert text.startswith("tau/commonsense_qa: can't reach the hub")
    assert "'sources: csqa: train: <file>'" in text


def test_hub_is_asked_for_the_papers_splits(monkeypatch):
    import datasets

    asked = []

    def fake(hub, config, *, split, revision):
        asked.append((hub, config, split, revision))
        return [{"problem": "p", "type": "t", "solution": r"\boxed{1}"}] if "math" in hub else []

    monkeypatch.setattr(datasets, "load_dataset", fake)
    for task in ("csqa", "obqa", "piqa", "siqa", "gsm8k", "multiarith", "mmlu"):
        assert "no rows for the test split" in error(task, "test")
    assert [split for *_, split, _ in asked] == ["validation"] * 4 + ["test"] * 3
    assert ("cais/mmlu", "all", "test", "main") in asked
    asked.clear()
    assert len(load("math", "test")) == 7, "all seven configs"
    error("math", "test", hub="HuggingFaceH4/MATH-500")
    assert asked[-1][:2] == ("HuggingFaceH4/MATH-500", None)


# --- revisions --------------------------------------------------------------------------------


def test_local_revision_is_the_content(tmp_path):
    default = TaskSource(hub="a/b", config="c", revision="main")
    (tmp_path / "x").mkdir()
    jsonl(tmp_path / "x" / "t.jsonl", CSQA)
    jsonl(tmp_path / "moved.jsonl", CSQA)
    here = resolve_revision(TaskSource(train="t.jsonl"), default, tmp_path / "x")
    moved = resolve_revision(TaskSource(train="moved.jsonl"), default, tmp_path)
    assert here.train == str(tmp_path / "x" / "t.jsonl")
    assert here.hub is None
    assert here.revision == moved.revision
    assert len(here.revision or "") == 16
    as_test = resolve_revision(TaskSource(test="moved.jsonl"), default, tmp_path)
    assert as_test.revision != moved.revision
    jsonl(tmp_path / "moved.jsonl", CSQA, CSQA)
    assert resolve_revision(moved, default, tmp_path).revision != moved.revision


def test_folder_revision_sees_every_file(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "a_test.csv").write_text("1")
    source = TaskSource(test="d")
    before = resolve_revision(source, TaskSource(), tmp_path).revision
    (tmp_path / "d" / "a_test.csv").rename(tmp_path / "d" / "b_test.csv")
    assert resolve_revision(source, TaskSource(), tmp_path).revision != before


def test_missing_path_names_the_nearest_file(tmp_path):
    jsonl(tmp_path / "train.jsonl", CSQA)
    with pytest.raises(UserError, match=r"trian\.jsonl: no such file.*did you mean 'train\.jsonl'"):
        resolve_revision(TaskSource(train="trian.jsonl"), TaskSource(), tmp_path)


def test_hub_defaults(tmp_path):
    default = TaskSource(hub="a/b", config="c", revision="main")
    assert resolve_revision(TaskSource(), default, tmp_path) == default
    pinned = resolve_revision(TaskSource(revision="abc"), default, tmp_path)
    assert (pinned.config, pinned.revision) == ("c", "abc")
    other = resolve_revision(TaskSource(hub="x/y"), default, tmp_path)
    assert (other.hub, other.config) == ("x/y", None)
    assert resolve_revision(TaskSource(), TaskSource(), tmp_path) == TaskSource()


@pytest.mark.parametrize("name", sorted(catalog.TASKS))
def test_every_task_offers_the_protocol(name):
    task = catalog.task(name)
    assert task.name == name
    assert task.instruction.endswith(".")
    assert task.kind in ("choice", "number", "math")
    assert isinstance(task.default_source, TaskSource)


def test_importing_tasks_is_light():
    code = (
        "import sys\nfrom engine import catalog\n"
        "for name in catalog.TASKS: catalog.task(name)\n"
        "heavy = {'datasets', 'pyarrow', 'numpy', 'torch', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# --- sampling ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Example:
    id: str
    group: str


def examples(**sizes: int) -> list[Example]:
    return [Example(f"{group}{i:05d}", group) for group, n in sizes.items() for i in range(n)]


@pytest.mark.parametrize(
    ("sizes", "limit", "expected"),
    [
        ({"A": 2000, "B": 1900, "C": 1950, "D": 1990, "E": 1901}, 4000, [800] * 5),
        ({"A": 11000, "B": 11200, "C": 11210}, 4000, [1334, 1333, 1333]),
        ({"A": 100, "B": 3000, "C": 3000}, 4000, [100, 1950, 1950]),
        ({"A": 1, "B": 2, "C": 90}, 50, [1, 2, 47]),
    ],
)
def test_balanced(sizes, limit, expected):
    said: list[str] = []
    drawn = balanced(examples(**sizes), limit, 0, said.append)
    assert [Counter(e.group for e in drawn)[g] for g in sizes] == expected
    assert bool(said) == (min(sizes.values()) < limit // len(sizes))


def test_draws_do_not_depend_on_order_and_keep_it():
    given = examples(A=50, B=60)
    for draw in (lambda e: balanced(e, 40, 7), lambda e: fraction(e, 25, 7)):
        one, other = draw(given), draw(given[::-1])
        assert one == other[::-1]
        assert one == sorted(one, key=given.index)
    assert balanced(given, 40, 7) != balanced(given, 40, 8)
    assert balanced(given, None, 7) == balanced(given, 110, 7) == given


def test_fractions_are_nested():
    parts = [set(fraction(examples(A=2000, B=2000), part, 3)) for part in (25, 50, 75, 100)]
    assert [len(part) for part in parts] == [1000, 2000, 3000, 4000]
    assert all(small < large for small, large in itertools.pairwise(parts))


def test_holdout_is_stratified():
    pairs = [(e.id, e.group) for e in examples(A=100, B=50, C=7)]
    held = stratified_holdout(pairs, 0.1, 0)
    assert Counter(key[0] for key in held) == {"A": 10, "B": 5, "C": 1}
    assert held == stratified_holdout(dict(reversed(pairs)), 0.1, 0)
    assert held != stratified_holdout(pairs, 0.1, 1)


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_holdout_of_few(count, expected):
    pairs = [(str(i), "A") for i in range(count)]
    for share in (0.1, 0.49):
        assert len(stratified_holdout(pairs, share, 0)) == expected
