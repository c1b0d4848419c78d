"""A person's own keys: ``keys.yaml`` in the folder of settings.

A line gives an action of :mod:`sirt_tui.actions` another key, or several::

    delete: ctrl+d
    next: [n, ctrl+n]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.keys import Keys, _character_to_key, format_key

from engine.queries import own_file
from engine.schema.errors import UserError, nearest
from sirt_tui.actions import ACTIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MODIFIERS = frozenset({"ctrl", "shift", "alt", "super"})
ALIASES = {
    "esc": "escape",
    "del": "delete",
    "pgup": "pageup",
    "pgdn": "pagedown",
    "return": "enter",
}
NAMES = frozenset(key.value for key in Keys if "<" not in key.value and "+" not in key.value)


def file() -> Path:
    """Return where a person's keys are, ``~/.config/sirt/keys.yaml`` in most cases."""
    return own_file.place("keys.yaml")


@dataclass(frozen=True, slots=True)
class Wish:
    """The keys that a line asks for."""

    where: str
    name: str
    keys: tuple[str, ...]


def read(path: Path) -> tuple[dict[str, str], list[str]]:
    """Return keys by action's name, and a line for everything that can't be as it is written.

    Such actions keep the keys that they have; a missing file asks for nothing.
    """
    problems: list[str] = []
    wishes: dict[str, Wish] = {}
    try:
        for line, name, words in own_file.entries(path):
            where = f"{path}:{line}"
            if name not in ACTIONS:
                problems.append(f"{where}: no action {name!r}; {nearest(name, ACTIONS)}")
            elif name in wishes:
                problems.append(f"{where}: {name} is given twice; the first counts")
            elif not words:
                problems.append(f"{where}: {name}: expected a key or a list of keys")
            elif unknown := [word for word in words if not _key(word)]:
                hint = nearest(unknown[0].rpartition("+")[2], NAMES)
                problems.append(f"{where}: {name}: no key {unknown[0]!r}; {hint}")
            else:
                wishes[name] = Wish(where, name, tuple(map(_key, words)))
    except UserError as error:
        return {}, [f"{error}; all keys are as they were made"]
    while clash := next(_clashes(wishes), None):
        wish, key, other = clash
        del wishes[wish.name]
        problems.append(
            f"{wish.where}: {wish.name}: {format_key(key)} is the key of {other!r}"
            f" ({ACTIONS[other].words}); give that another one first"
        )
    return {name: ",".join(wish.keys) for name, wish in wishes.items()}, problems


def _key(word: str) -> str:
    """Return a key as Textual calls it; "" if there is none of that name."""
    if len(word) == 1:
        return _character_to_key(word)
    *modifiers, last = word.split("+")
    last = ALIASES.get(last, last)
    last = _character_to_key(last) if len(last) == 1 else last
    if not MODIFIERS.issuperset(modifiers) or not (
        last in NAMES or format_key(last) != last or len(last) == 1
    ):
        return ""
    return "+".join((*modifiers, last))


def _clashes(wishes: Mapping[str, Wish]) -> Iterator[tuple[Wish, str, str]]:
    """Yield wishes that can't be granted: a key that another action has or that an earlier line
    takes."""
    taken = {
        key: name
        for name, action in ACTIONS.items()
        if name not in wishes
        for key in action.keys.split(",")
    }
    for wish in wishes.values():
        for key in wish.keys:
            if taken.setdefault(key, wish.name) != wish.name:
                yield wish, key, taken[key]
