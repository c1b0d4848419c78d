"""Replies on file: what a killed writer, a damaged disk and a donor leave behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from engine.interfaces import BrokenOff, Question, Reply
from engine.phases.replies import ReplyStore
from engine.schema.cards import Endpoint, ModelCard
from engine.schema.jsonfile import with_sum, without_sum

if TYPE_CHECKING:
    from pathlib import Path


def asked(key: str) -> Question:
    return Question(key, f"prompt of {key}", 0)


def test_comes_back_as_it_was_filed(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path / "replies.jsonl")
    odd = Reply('line\nbreak "quote" \x1b[31m 東 \u2028 end', "length", 3, 4)
    store.append([(asked("a"), Reply("", "empty", 10, 0, final=False)), (asked("b"), odd)])
    assert "a" not in store
    assert store.tries("a") == 1
    store.append([(asked("a"), Reply("yes", "stop", 10, 1))])

    again = ReplyStore(tmp_path / "replies.jsonl")
    assert again["b"] == odd
    assert again.get("a") == Reply("yes", "stop", 10, 1)
    assert again.get("c") is None
    assert (again.requests, again.prompt_tokens, again.completion_tokens) == (3, 23, 5)
    assert len(again) == 2


def test_a_torn_tail_is_cut_off_and_the_next_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    store = ReplyStore(path)
    store.append([(asked("a"), Reply("yes", "stop", 1, 1))])
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"key":"b","text":"ha')

    again = ReplyStore(path)
    assert path.read_bytes() == whole
    again.append([(asked("b"), Reply("half", "stop", 1, 1))])
    assert len(ReplyStore(path)) == 2


def test_a_damaged_line_costs_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    ReplyStore(path).append([(asked(k), Reply(k, "stop", 1, 1)) for k in "abc"])
    first, _, last = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"\0\0\0\n[1]\n" + b'{"key":"d"}\n' + last)
    size = path.stat().st_size

    again = ReplyStore(path)
    assert [k for k in "abcd" if k in again] == ["a", "c"]
    assert path.stat().st_size == size


def test_what_is_taken_from_another_phase_is_not_paid_here(tmp_path: Path) -> None:
    donor, own = ReplyStore(tmp_path / "donor.jsonl"), ReplyStore(tmp_path / "own.jsonl")
    donor.append(
        [
            (asked("a"), Reply("", "empty", 10, 0, final=False)),
            (asked("a"), Reply("A", "stop", 10, 1)),
            (asked("b"), Reply("B", "stop", 10, 1)),
            (asked("c"), Reply("", "empty", 10, 0, final=False)),
        ]
    )
    own.append([(asked("b"), Reply("mine", "stop", 10, 1))])
    assert own.take(donor) == 1
    assert own.take(donor) == 0
    for store in (own, ReplyStore(own.path)):
        assert store["a"].text == "A"
        assert store["b"].text == "mine"
        assert "c" not in store
        assert (store.requests, store.prompt_tokens) == (1, 10)


def test_anothers_file_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    """Its writer may be in the middle of a line."""
    path = tmp_path / "donor.jsonl"
    ReplyStore(path).append([(asked("a"), Reply("A", "stop", 10, 1))])
    with path.open("ab") as file:
        file.write(b'{"key":"b","te')
    before = path.read_bytes()
    assert len(ReplyStore(path, own=False)) == 1
    assert path.read_bytes() == before


def test_what_broke_off_is_counted_apart_and_is_nobodys_answer(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    store = ReplyStore(path)
    store.append_broken([BrokenOff("a", 100, 50, "cut"), BrokenOff("a", 100, 50, "cut")])
    source = Endpoint(kind="openai_compatible", base_url="http://x", model="m", price_out=10_000)
    card = ModelCard(name="x", family="x", source=source)
    for one in (store, ReplyStore(path)):
        assert (len(one), one.tries("a"), one.requests) == (0, 0, 0)
        assert one.broken == (200, 100)
        assert (one.spent(card), one.possibly_spent(card), one.most_spent(card)) == (0, 1, 1)


@pytest.mark.parametrize(
    "row",
    [
        b'{"key":"b","text":5,"finish":"stop","prompt_tokens":1,"completion_tokens":1}',
        b'{"key":"b","text":"","finish":"odd","prompt_tokens":1,"completion_tokens":1}',
        b'{"key":"b","text":"","finish":"stop","prompt_tokens":-1,"completion_tokens":1}',
        b'{"key":"b","text":"","finish":"stop","prompt_tokens":1,"completion_tokens":true}',
        b'{"key":"b","text":"","finish":"stop","prompt_tokens":1e9,"completion_tokens":1}',
        b'{"key":"b","broke_off":[1]}',
        b'{"key":"b","broke_off":"many"}',
        b'{"key":' + b"[" * 100_000,
    ],
)
def test_a_row_that_no_reply_looks_like_is_passed_over(tmp_path: Path, row: bytes) -> None:
    path = tmp_path / "replies.jsonl"
    ReplyStore(path).append([(asked("a"), Reply("A", "stop", 10, 1))])
    path.write_bytes(row + b"\n" + path.read_bytes())
    store = ReplyStore(path)
    assert (len(store), store.requests, store.broken) == (1, 1, (0, 0))


def test_thinking_and_reasons_come_back_and_later_fields_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "replies.jsonl"
    ReplyStore(path).append([(asked("a"), Reply("", "length", 1, 9, thinking="hm", why="spent"))])
    line = without_sum(path.read_bytes()) or b""
    later = line.replace(b'"key":"a"', b'"key":"a","mood":"good"')
    path.write_bytes(with_sum(later) + b"\n")
    assert ReplyStore(path)["a"] == Reply("", "length", 1, 9, thinking="hm", why="spent")


def test_spent_is_by_the_cards_prices(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path / "replies.jsonl")
    store.append([(asked("a"), Reply("A", "stop", 1_000_000, 500_000))])
    source = Endpoint(
        kind="openai_compatible", base_url="http://x", model="m", price_in=0.5, price_out=2.0
    )
    assert store.spent(ModelCard(name="x", family="x", source=source)) == 1.5


def test_only_replies_that_are_all_without_a_word_are_asked_for_again(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path / "replies.jsonl")
    store.append([(asked(key), Reply(" ", "empty", 10, 0)) for key in "ab"])
    store.ask_again()
    assert len(store) == 0
    assert (store.tries("a"), store.requests) == (1, 2)
    store.append([(asked("a"), Reply("A", "stop", 10, 1))])
    store.ask_again()
    again = ReplyStore(store.path)
    again.ask_again()
    assert ("a" in again, "b" in again) == (True, True)


def test_a_reply_that_was_changed_on_file_is_asked_for_again(tmp_path: Path) -> None:
    store = ReplyStore(tmp_path / "replies.jsonl")
    store.append(
        [(asked("a"), Reply("seven", "stop", 1, 1)), (asked("b"), Reply("eight", "stop", 1, 1))]
    )
    raw = store.path.read_bytes()
    store.path.write_bytes(raw.replace(b"seven", b"eleven", 1))
    again = ReplyStore(store.path)
    assert "a" not in again
    assert again["b"].text == "eight"
    assert again.damaged == 1
    older = b"".join(line[:-18] + b"}\n" for line in raw.splitlines())
    store.path.write_bytes(older)
    assert len(ReplyStore(store.path)) == 2
