"""The actions that work at present, each once, with all of its keys: for the help and palette."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from textual.app import SystemCommand

from sirt_tui.actions import ACTIONS

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

    @property
    def own(self) -> bool:
        """Whether it is in our table of actions; the others are Textual's."""
        return self.name in ACTIONS

    @property
    def said_keys(self) -> str:
        return f"key {' '.join(self.keys)}"

    def run(self) -> None:
        app = self.node.app
        app.run_worker(app.run_action(self.action, default_namespace=self.node))


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
    for found in working(screen):
        yield SystemCommand(found.words, found.said_keys, found.run)
