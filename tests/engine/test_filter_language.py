"""What a line of conditions means, and what is said of one that can't be read."""

from __future__ import annotations

import pytest

from engine.queries.filter_language import Language

THINGS = {"loud": 98.3, "quiet": 27.26, "unknown": None}
LANGUAGE: Language[str] = Language(
    fields={"name": str, "kind": lambda name: "known" if THINGS[name] else "open"},
    figures={"share": THINGS.get, "lasts": lambda name: 60 * (THINGS[name] or 0)},
    searched=lambda name: (name, "share>9"),
    values={"kind": ("known", "open")},
    times=frozenset({"lasts"}),
)


def found(words: str) -> list[str]:
    keep = LANGUAGE.parse(words)
    assert not keep.problem, keep.problem
    return [name for name in THINGS if keep(name)]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("share>98", ["loud"]),
        ("share>=98.3", ["loud"]),
        ("share=27.3", ["quiet"]),  # as it is shown
        ("share<1e2", ["loud", "quiet"]),
        ("share > 98", ["loud"]),
        ("share >98", ["loud"]),
        ("share≥98.3", ["loud"]),
        ("share==27.3", ["quiet"]),
        ("share!=27.3", ["loud", "unknown"]),
        ("share!=", list(THINGS)),
        ("share>30%", ["loud"]),
        ("-share>30", ["quiet", "unknown"]),
        ("lasts>1h", ["loud"]),
        ("lasts<27min16s lasts>27m", ["quiet"]),
        ("kind:open", ["unknown"]),
        ("kind:op", ["unknown"]),
        ("share>", list(THINGS)),  # is being typed
        ('"share>9"', list(THINGS)),  # words that look like a condition
        ('-"share>9"', []),
    ],
)
def test_what_holds(words: str, names: list[str]) -> None:
    assert found(words) == names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("share>abc", "'abc' is no number: share>80, say"),
        ("share>1,5", "'1,5' is no number"),
        ("share>>5", "'>5' is no number"),
        (">80", "'>80': of what? share>80, say"),
        ("80<share", "'80<share': of what? share>80, say"),
        ("shar>5", "no figure 'shar': did you mean 'share'?"),
        ("lasts<2", "'2' is no time: lasts<2h, say"),
        ("lasts<2hours", "is no time"),
        ("kind:knwon", "no kind 'knwon': did you mean 'known'?"),
        ("-kind:shut", "no kind 'shut': valid: known, open"),
        ("lasts:5", "ask for lasts>2h"),
        ("colour:red", "no field 'colour'"),
    ],
)
def test_what_cannot_be_read_is_told_and_leaves_nothing_out(words: str, said: str) -> None:
    keep = LANGUAGE.parse(words)
    assert said in keep.problem
    assert all(map(keep, THINGS))
