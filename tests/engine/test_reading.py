"""Items by number out of files of any shape: lines, joins by id, filters."""

from __future__ import annotations

import json

import pytest

from engine.queries import item_filter
from engine.queries import items as reading
from engine.queries.item_files import sources
from engine.queries.items import Reader, Source, id_of
from engine.queries.line_index import Lines
from engine.queries.nothing_found import why_none
from engine.schema.errors import UserError
from engine.store.item_notes import Mark
from tests.tui.conftest import copy_recorded, run_of

RIGHT = {"answer": "B", "tier": "statement", "correct": True}
WRONG = {"answer": "A", "tier": "text", "correct": False}
UNPARSED = {"answer": None, "tier": None, "correct": False}


def pair(number, **changes):
    base = {
        "id": f"q{number}",
        "question": f"question {number}?",
        "choices": ["x", "y"],
        "target": "B",
        "group": "B",
        "prompt": "plain",
        "prompt_plain": "plain",
        "prompt_cot": "plain, step by step",
        "chosen": f"so B {number}",
        "rejected": "A",
        "winner": "student",
        "chosen_verdict": RIGHT,
        "rejected_verdict": WRONG,
        "plain_has_steps": False,
    }
    return base | changes


def prediction(number, verdict=RIGHT):
    return {
        "id": f"q{number}",
        "question": "?",
        "target": "B",
        "prompt": "p",
        "output": "B",
        "finish": "length",
        "tokens": 7,
        "verdict": verdict,
    }


def write(path, records, end="\n"):
    path.write_text("\n".join(json.dumps(r, separators=(",", ":")) for r in records) + end)
    return path


def found_by(reader, words, marks=None):
    keep = item_filter.parse(words, marks or {})
    assert keep.problem == ""
    return [n for _, numbers in reader.sift(keep, lambda: False) for n in numbers]


# --- lines ---


@pytest.mark.parametrize("end", ["", "\n"])
def test_lines_by_number_as_they_are_in_the_file(tmp_path, end, monkeypatch):
    monkeypatch.setattr("engine.queries.line_index.CHUNK", 7)
    texts = ["first", "", "x" * 50, "ü–\u2028end"]
    path = tmp_path / "lines"
    path.write_bytes(("\n".join(texts) + end).encode())
    lines = Lines(path)
    assert lines.reach(1) == 1
    read = [line.decode().rstrip("\n") for line in lines.read([3, 0, 2, 1])]
    assert read == [texts[3], texts[0], texts[2], texts[1]]
    assert lines.all() == 4
    assert lines.read([9, -1]) == [b"", b""]
    assert [line.decode().rstrip("\n") for line in lines.scan()] == texts


def test_only_what_is_asked_for_is_looked_for(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(b"0123456789\n" * 1_000_000)
    lines = Lines(path)
    lines.read(range(50))
    assert len(lines._starts) < 200_000
    assert lines.all() == 1_000_000


def test_an_empty_file_and_one_that_is_not_there(tmp_path):
    (tmp_path / "empty").touch()
    assert Lines(tmp_path / "empty").all() == 0
    with pytest.raises(UserError, match="can't be read"):
        Lines(tmp_path / "none")


# --- items ---


def test_a_pair_has_both_prompts_the_used_one_first(tmp_path):
    file = write(tmp_path / "pairs", [pair(0), pair(1, prompt="plain, step by step")])
    first, second = Reader(Source("pairs", "", "", file)).read([0, 1])
    assert [name for name, _ in first.prompts] == ["plain", "cot"]
    assert [name for name, _ in second.prompts] == ["cot", "plain"]
    assert [(s.name, s.verdict) for s in first.sides] == [
        ("chosen", "right"),
        ("rejected", "wrong"),
    ]


def test_a_line_that_cannot_be_read_says_where_and_spoils_no_other(tmp_path):
    file = write(tmp_path / "pairs", [pair(0), {"id": "odd"}, pair(2)])
    file.write_text(file.read_text() + '{"id":"torn","ques')
    reader = Reader(Source("pairs", "", "", file))
    items = reader.read(range(reader.count))
    assert [bool(i.problem) for i in items] == [False, True, False, True]
    assert f"{file}:2: KeyError" in items[1].problem
    assert reader.ids(range(4)) == [i.id for i in items] == ["q0", "odd", "q2", "torn"]


def test_the_files_own_end_is_believed_where_it_is_near(tmp_path, monkeypatch):
    file = write(tmp_path / "pairs", [pair(n) for n in range(9)])
    assert Reader(Source("pairs", "", "", file, count=600)).count == 9
    monkeypatch.setattr(reading, "SURE", 5)
    assert Reader(Source("pairs", "", "", file, count=600)).count == 600
    assert Reader(Source("pairs", "", "", file)).count == 9


def test_refines_scores_are_joined_by_id_also_where_pairs_were_left_out(tmp_path):
    file = write(tmp_path / "pairs", [pair(n) for n in range(5)])
    scores = [
        {
            "id": f"q{n}",
            "held_out": False,
            "reference_chosen": -4.0,
            "reference_rejected": -2.0,
            "policy_chosen": -1.0,
            "policy_rejected": -2.5 - n,
        }
        for n in (0, 2, 4)
    ]
    joined = write(tmp_path / "scores", scores)
    items = Reader(Source("pairs", "", "", file, scores=joined)).read(range(5))
    assert [i.margin for i in items] == [3.5, None, 5.5, None, 7.5]
    assert items[2].sides[1].logps == (-2.0, -4.5)


def test_two_runs_answers_meet_by_question_whatever_their_order(tmp_path):
    mine = write(
        tmp_path / "a", [prediction(0), prediction(1, WRONG), prediction(2), prediction(3)]
    )
    theirs = write(tmp_path / "b", [prediction(2, WRONG), prediction(1), prediction(0)])
    reader = Reader(Source("predictions", "", "", mine, against=theirs))
    assert [i.label for i in reader.read(range(4))] == [
        "both right",
        "gained by B",
        "lost by B",
        "not asked",
    ]
    assert found_by(reader, "gained") == [1]
    assert found_by(reader, "lost") == [2]
    assert found_by(reader, "a:right b:wrong") == [2]
    assert reader.read([0])[0].sides[0].remark == "7 tokens, cut off"


def test_ids_are_found_without_parsing_and_with():
    assert id_of(b'{"id":"q1","x":1}') == "q1"
    assert id_of(b'{"x":1,"id":"q\\u0041"}') == "qA"
    assert id_of(b'{"id":"a\\"b"}') == 'a"b'
    assert id_of(b"[1]") == id_of(b"") == ""


# --- filters ---


@pytest.fixture
def reader(tmp_path):
    records = [
        pair(0, rejected="It must be A"),
        pair(1, winner="teacher", chosen_verdict=WRONG),
        pair(2, rejected_verdict=UNPARSED, chosen="long " * 80),
        pair(3, question="Which way, right or left?"),
    ]
    return Reader(Source("pairs", "", "", write(tmp_path / "pairs", records)))


@pytest.mark.parametrize(
    ("words", "numbers"),
    [
        ("", [0, 1, 2, 3]),
        ("winner:teacher", [1]),
        ("chosen:teacher", [1]),
        ("chosen:wrong", [1]),
        ("rejected:unparsed", [2]),
        ("chosen:right rejected:wrong", [0, 3]),
        ("len>200", [2]),
        ("-len>200 -winner:teacher", [0, 3]),
        ("right", [3]),
        ('"right or"', [3]),
        ("id:q2", [2]),
        ("flagged", [0, 3]),
        ("flagged -excluded", [0]),
        ("note:odd", [3]),
        ("margin<0", []),
        ("flagged -left-out", [0]),
        ("chosen>rejected", [1, 2, 3]),
        ("chosen:longer", [1, 2, 3]),
        ("-chosen:shorter -chosen=rejected", [1, 2, 3]),
        ("rejected<chosen", [1, 2, 3]),
        ("chosen:", [0, 1, 2, 3]),
    ],
)
def test_one_line_says_which_pairs(reader, words, numbers):
    marks = {"q0": Mark(flagged=True), "q3": Mark(flagged=True, excluded=True, note="Odd one")}
    assert found_by(reader, words, marks) == numbers


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("chosen:unparsed", "of 4 chosen 3 are right, 1 is wrong"),
        ("rejected:right", "of 4 rejected 3 are wrong, 1 is unparsed"),
        ("chosen:shorter rejected:longer -flagged note:x", "none has a note"),
        ("plain:right", "of these pairs no plain text is like that"),
        ("margin<0", "none has a margin: refine has not scored them"),
        ("len>9000", "the longest texts have 6 to 400 characters"),
        ("chosen=rejected", "none is chosen=rejected"),
        ("left-out", "none is left-out"),
        ("gained", "only answers and predictions are gained"),
        ("group:z", "no group has 'z'; there is B"),
        ("note:odd", "none has a note"),
        ("zebra", "no text has 'zebra'"),
        ("wrong", "no text has 'wrong', but rejected:wrong finds some"),
        ("outcome:lost", "no outcome has 'lost'; there is student"),
        ("-q", "all have 'q' in a text"),
        ("chosen:wrong chosen:student", "is all of this at once: 1 is chosen:wrong, 3 are"),
    ],
)
def test_nothing_found_says_why_for_each_kind_of_condition(reader, words, why):
    keep = item_filter.parse(words, {})
    assert not keep.problem
    assert found_by(reader, words) == []
    said = why_none(reader, keep, {})
    assert said.startswith("no pair")
    assert why in said


def test_an_unknown_word_names_the_nearest(reader):
    keep = item_filter.parse("wniner:teacher", {})
    assert keep.problem == "no field 'wniner': did you mean 'winner'?"
    keep = item_filter.parse("exclude:x", {})
    assert keep.problem == "no field 'exclude': valid: teacher, rejected, text, label and 13 more"


def test_going_through_a_file_tells_on_the_way_and_can_be_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BATCH_S", 0.0)
    file = write(tmp_path / "pairs", [pair(n) for n in range(20)])
    reader = Reader(Source("pairs", "", "", file))
    keep = item_filter.parse("id:q1 so", {})
    told = list(reader.sift(keep, lambda: False))
    assert told[-1][0] == 20
    assert [n for _, numbers in told for n in numbers] == [1, *range(10, 20)]
    stops = iter([False, False, True])
    assert [seen for seen, _ in reader.sift(keep, lambda: next(stops))] == [1, 2]


# --- a run's sources ---


def test_a_run_has_its_pairs_first_and_two_runs_the_questions_they_share(tmp_path):
    runs = copy_recorded(tmp_path / "runs")
    mine, theirs = run_of(runs, "both", "wren-3m"), run_of(runs, "instruct-only", "wren-3m")
    kinds = [source.what for source in sources(runs, mine)]
    assert kinds == ["pairs", "demonstrations", "answers", *["predictions"] * 6]
    for source in sources(runs, mine):
        reader = Reader(source)
        assert not [i.problem for i in reader.read(range(reader.count)) if i.problem]
    both = sources(runs, theirs, mine)
    assert len(both) == 6
    assert all(source.against for source in both)
    with pytest.raises(UserError, match="no finished evaluation of both"):
        sources(runs, mine, run_of(runs, "refine-only", "wren-3m"))
