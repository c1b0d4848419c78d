"""The bottom line: the keys that matter where the person is, the focused panel's first."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text
from textual.widgets import Static

from sirt_tui.widgets.leaving import Leavable, Part

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from textual.binding import Binding
    from textual.dom import DOMNode
    from textual.screen import Screen

LAST = ("palette", "help", "quit")  # always there, at the end
ENLARGES = ("zoom", "enlarge")
MORE = "More keys"  # what help is called where some have no room
GAP = "  "
SAID_S = 4.0  # so long a word about a key stays


class KeyLine(Part, Static):
    """Shows as many keys as fit, and always the one for help; a click presses a key. For a moment
    it says why a key had no effect."""

    DEFAULT_CSS = """
    KeyLine { height: 1; background: $panel; color: $foreground; padding: 0 1;
        link-style: none; link-color: $foreground; link-background: transparent;
        link-style-hover: underline; link-color-hover: $foreground;
        link-background-hover: transparent; }
    KeyLine > .key-line--key { color: $accent; text-style: bold; }
    KeyLine:light > .key-line--key { color: $primary; }
    """
    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-line--key"}

    def __init__(self) -> None:
        super().__init__()
        self._said = ""

    def say(self, text: str) -> None:
        """Say this instead of the keys, for a moment."""
        self._said = text
        self._draw()
        self.set_timer(SAID_S, lambda: self._unsay(text))

    def _unsay(self, text: str) -> None:
        if self._said == text:
            self._said = ""
            self._draw()

    def on_mount(self) -> None:
        self.screen.bindings_updated_signal.subscribe(self, self._changed)
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        if self.is_mounted:
            self._draw()

    def _changed(self, screen: Screen[object]) -> None:
        if self.is_attached and screen is self.screen:
            self._said = ""
            self._draw()

    def _draw(self) -> None:
        said = Text(self._said, overflow="ellipsis", no_wrap=True)
        self.update(said if self._said else self._fitted(self.content_size.width))

    def _fitted(self, room: int) -> Text:
        """Join the keys in their order, those at the end first of all. Where some don't fit, the
        key for help says that there are more."""
        if not (parts := self._parts()).keys() - {"palette"}:  # a line is being typed
            return Text("enter to accept, esc to cancel")
        chosen = _fitting(parts, room)
        if len(chosen) < len(parts):
            parts = self._parts(MORE)
            chosen = _fitting(parts, room)
        order = [name for name in parts if name in chosen]
        order.sort(key=lambda name: LAST.index(name) if name in LAST else -1)
        return Text(GAP).join(parts[name] for name in order)

    def _parts(self, help_said: str = "") -> dict[str, Text]:
        """Return the text of each action that is shown, by its name; its first key stands for
        all. ``help_said``: what the key for help is called."""
        style = self.get_component_rich_style("key-line--key")
        parts: dict[str, Text] = {}
        for key, binding in self._shown():
            name = binding.id or binding.action
            if name in parts:
                continue
            text = Text(style=Style.from_meta({"@click": f"app.simulate_key({key!r})"}))
            text.append(self.app.get_key_display(binding), style)
            out = self.screen.way_out if isinstance(self.screen, Leavable) else ""
            if out and binding.action in ENLARGES:  # first: there is always room for it
                parts = {name: text.append(f" {out}"), **parts}
            else:
                said = help_said if name == "help" and help_said else binding.description
                parts[name] = text.append(f" {said}")
        return parts

    def _shown(self) -> Iterator[tuple[str, Binding]]:
        """Yield the keys to show, the focused widget's first, and each widget's in its own order:
        Textual puts those first that its base class has too."""
        found: dict[DOMNode, list[tuple[int, str, Binding]]] = {}
        for key, (node, binding, enabled, _) in self.screen.active_bindings.items():
            if binding.show and enabled:
                own = [getattr(one, "id", None) for one in type(node).BINDINGS]
                place = own.index(binding.id) if binding.id in own else len(own)
                found.setdefault(node, []).append((place, key, binding))
        for keys in found.values():
            yield from ((key, binding) for _, key, binding in sorted(keys, key=itemgetter(0)))


def _fitting(parts: Mapping[str, Text], room: int) -> list[str]:
    """Return the names of those that fit, beginning with those that must always be there."""
    chosen: list[str] = []
    for name in [*(n for n in LAST if n in parts), *(n for n in parts if n not in LAST)]:
        width = parts[name].cell_len + len(GAP)
        if room + len(GAP) < width:
            break
        room -= width
        chosen.append(name)
    return chosen
