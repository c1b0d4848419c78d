"""The actions that work at present, each once, with all of its keys: for the help and palette."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import SystemCommand

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.dom import DOMNode
    from textual.screen import Screen

# Textual's own: lines are cut or folded, so nothing scrolls sideways
USELESS = {"scroll_left", "scroll_right", "page_left", "page_right"}


@dataclass(frozen=True, slots=True)
class Working:
    """An action that works, where it is bound, and its keys as people know them. ``name``: in the
    table of actions, or what Textual calls it."""

    name: str
    node: DOMNode
    action: str
    words: str
    keys: list[str]


def working(screen: Screen[object]) -> list[Working]:
    """List them, the focused panel's first; an action that a panel and its screen both have is
    the panel's."""
    found: dict[str, Working] = {}
    for node, binding, enabled, tip in screen.active_bindings.values():
        if not binding.description or not enabled or binding.system or binding.action in USELESS:
            continue
        name = binding.id or binding.action
        words = tip or binding.description
        one = found.setdefault(name, Working(name, node, binding.action, words, []))
        key = screen.app.get_key_display(binding)
        if key not in one.keys:
            one.keys.append(key)
    return list(found.values())


def commands(screen: Screen[object]) -> Iterator[SystemCommand]:
    """List them for the command palette, each action once."""
    app = screen.app
    for found in working(screen):

        def run(action: str = found.action, node: object = found.node) -> None:
            app.run_worker(app.run_action(action, default_namespace=node))  # type: ignore[arg-type]

        yield SystemCommand(found.words, f"key {' '.join(found.keys)}", run)
