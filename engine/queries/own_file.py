"""Reads a file of a person's own choices: words and lists of words, with their lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.planning import yaml_file
from engine.planning.own_folder import own_folder

if TYPE_CHECKING:
    from pathlib import Path


def place(name: str) -> Path:
    """Where a person's own file of this name is, ``~/.config/sirt/NAME`` in most cases."""
    return own_folder() / name


def entries(path: Path) -> list[tuple[int, str, list[str] | None]]:
    """Return line, key and words of each entry of a YAML file, in its order; none if there is no
    file. The words are None where a value is neither a word nor a list of words. ``UserError``
    when it can't be read."""
    return yaml_file.entries(path) if path.exists() else []
