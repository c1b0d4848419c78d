"""A line of names, one of them chosen; a click chooses another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def tabs(names: Sequence[str], chosen: int, action: str, first: int = 0) -> Text:
    """Draw the names from ``first`` on; a click calls ``action`` with the name's number."""
    text = Text()
    for number, name in enumerate(names[first:], start=first):
        click = Style.from_meta({"@click": f"{action}({number})"})
        text.append(f" {name} ", Style(reverse=True) + click if number == chosen else click)
    return text


def keys_text(words: Mapping[str, str]) -> Text:
    """Write keys as the footer does, each before its own word: ``] next  [ previous``."""
    text = Text()
    for key, word in words.items():
        text.append(f"  {key}", "bold").append(f" {word}", "dim")
    return text
