"""The settings of runs in a list: their names, short or full, and their values."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from engine.schema.varied import SHORT, short_name, short_texts, value_text

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

    from engine.store.run_row import RunRow, Value

WHOLE = "settings."  # what a full name may begin with
MOST = 3  # settings that tell runs of the same name apart


def names_of(rows: Iterable[RunRow]) -> tuple[str, ...]:
    """The full names of all settings that these runs have, such as ``instruct.learning_rate``."""
    groups = {id(group): group for row in rows for group in row.settings or ()}
    return tuple(dict.fromkeys(name for group in groups.values() for name in group))


def meant(word: str, names: Iterable[str]) -> tuple[str, ...]:
    """The settings that a word means: all whose name ends so. ``lr`` is short for
    ``learning_rate``, of instruct and of refine; ``refine.lr`` means only one."""
    parts = word.lower().removeprefix(WHOLE).split(".")
    parts[-1] = SHORT.get(parts[-1], parts[-1])
    return tuple(name for name in names if name.split(".")[-len(parts) :] == parts)


def words_for(names: Iterable[str]) -> list[str]:
    """All words by which these settings may be asked for, for a hint to the nearest one."""
    found = {
        name.split(".", depth)[depth] for name in names for depth in range(name.count(".") + 1)
    }
    shorter = {
        word.removesuffix(long) + short
        for short, long in SHORT.items()
        for word in found
        if word == long or word.endswith(f".{long}")
    }
    return sorted(found | shorter)


def told_apart(rows: Sequence[RunRow], brief: bool = False) -> dict[str, str]:
    """By run, the settings that differ from those of runs of the same name in its experiment:
    ``refine.lr=5e-6``, or if ``brief`` without the phase where that is clear: ``lr=5e-6``. Runs
    whose names are their own are left out."""
    named = Counter(row.name for row in rows)
    alike: dict[tuple[str, str], list[RunRow]] = {}
    for row in rows:
        if named[row.name] > 1:  # of thousands hardly any: a list for each is slow
            alike.setdefault((row.experiment, row.name), []).append(row)
    return {
        row.run_id: said
        for same in alike.values()
        if len(same) > 1
        for row, said in zip(same, _differences(same, brief), strict=True)
        if said
    }


def _differences(rows: Sequence[RunRow], brief: bool) -> Iterator[str]:
    for found in differing(rows):
        told = (f"{short_name(name)}={value_text(value)}" for name, value in found.items())
        yield " ".join(islice(short_texts(found) if brief else told, MOST))


def differing(rows: Sequence[RunRow]) -> list[dict[str, Value]]:
    """For each run, its values of the settings in which any two of these runs differ."""
    if all(row.settings == rows[0].settings for row in rows):
        return [{} for _ in rows]
    flat = [{name: g[name] for g in row.settings or () for name in g} for row in rows]
    names = dict.fromkeys(name for found in flat for name in found)
    differ = [n for n in names if len({str(found.get(n)) for found in flat}) > 1]
    return [{name: found[name] for name in differ if name in found} for found in flat]


def kept_apart(rows: Iterable[RunRow], alike: Callable[[RunRow], Hashable]) -> list[RunRow]:
    """Note as ``varied`` in which settings scored runs differ that are ``alike`` in what that
    returns, so that they are never averaged. Settings that a row doesn't know count as equal."""
    rows = list(rows)
    groups: dict[Hashable, list[RunRow]] = {}
    for row in rows:
        if row.accuracies and row.settings is not None:
            groups.setdefault(alike(row), []).append(row)
    more = {
        row.run_id: found
        for same in groups.values()
        for row, found in zip(same, differing(same), strict=True)
        if found
    }
    return [
        replace(row, varied=tuple((dict(row.varied) | more[row.run_id]).items()))
        if row.run_id in more
        else row
        for row in rows
    ]


def names_apart(rows: Sequence[RunRow], brief: bool = False) -> list[str]:
    """The runs' names, with the settings that tell those of the same name apart, as
    :func:`told_apart` writes them."""
    apart = told_apart(rows, brief)
    return [f"{row.name} {apart.get(row.run_id, '')}".rstrip() for row in rows]


def values_of(row: RunRow, names: Iterable[str]) -> list[Value]:
    """The values of those of these settings that the run has."""
    groups = row.settings or ()
    return [group[name] for name in names for group in groups if name in group]
