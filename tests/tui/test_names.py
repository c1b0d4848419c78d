"""Names that are told apart where there is no room for all of them."""

from __future__ import annotations

import pytest

from sirt_tui.widgets.names import Ids, Names, middle_cut

SEEDS = [f"both wren-1m <wren-3m pocket-compass s{seed}" for seed in (0, 7, 8)]


def shortened(names, room):
    known = Names()
    known.note(names)
    return [known.short(name, room) for name in names]


@pytest.mark.parametrize("room", [8, 12, 20, 28, 33])
def test_what_differs_stays(room):
    shown = shortened(SEEDS, room)
    assert len(set(shown)) == 3
    assert [name[-2:] for name in shown] == ["s0", "s7", "s8"]
    assert max(map(len, shown)) <= room


def test_only_as_much_is_left_out_as_has_to_be():
    assert shortened(SEEDS, 42) == SEEDS
    assert shortened(SEEDS, 30)[0] == "both wren-1m <wren-3m … s0"
    mixed = ["instruct-only wren-1m <otter-3m pocket-compass s0", "baseline wren-1m s0"]
    assert shortened(mixed, 40) == ["instruct-only wren-1m <otter-3m … s0", mixed[1]]


def test_a_single_word_is_cut_in_its_middle():
    assert shortened(["pocket-refine-only-s0-bfe24686"], 15) == ["pocket-…fe24686"]
    assert middle_cut("train-000123", 9) == "trai…0123"
    assert middle_cut("short", 9) == "short"
    assert middle_cut("anything", 1) == "…"


def test_ids_lose_how_all_of_them_begin_up_to_a_sign():
    known = Ids()
    known.note(["train-0010", "train-0011"])
    assert (known.longest, known.telling) == (10, 5)
    assert [known.short("train-0010", room) for room in (10, 9, 5, 4)] == [
        "train-0010", "…0010", "…0010", "…010"
    ]  # fmt: skip
    known.note(["1afa02df02c908a5"])  # nothing is alike any more
    assert known.short("train-0010", 9) == "trai…0010"


def test_each_name_keeps_as_much_as_there_is_room_for():
    arms = ("both", "refine-only", "instruct-only")
    names = [f"{a} wren-1m <{t} pocket-compass s0" for a in arms for t in ("wren-3m", "otter-3m")]
    names += ["baseline wren-1m s0"]
    assert shortened(names, 30)[::2] == [
        "both wren-1m <wren-3m … s0",
        "refine-only … <wren-3m … s0",
        "instruct-only … <wren-3m … s0",
        "baseline wren-1m s0",  # nothing is gained by cutting it
    ]
    tight = shortened(names, 24)
    assert tight[1::2] == [
        "both … <otter-3m … s0",
        "refine-only…<otter-3m…s0",
        f"{arms[2]}…<otter-3m…",
    ]
    assert len(set(tight)) == len(names)


def test_what_two_names_alone_differ_in_stays():
    """Of two names, a word in one of them is in half of all."""
    pair = [f"both wren-1m <{t} pocket-compass s0" for t in ("wren-3m", "otter-3m")]
    assert shortened(pair, 21) == ["both … <wren-3m … s0", "both … <otter-3m … s0"]
