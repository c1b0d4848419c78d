"""The line that text is typed into, everywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.widgets import Input

if TYPE_CHECKING:
    from textual import events


class TypedLine(Input):
    """A line to type into. What it holds already is not selected and the cursor stands at its
    end: typing goes on with it, and ``ctrl+u`` empties it."""

    def __init__(self, value: str = "", **options: Any) -> None:
        super().__init__(value, select_on_focus=False, **options)
        self.cursor_position = len(value)

    async def _on_key(self, event: events.Key) -> None:
        """Edit in the order of the keys. Textual would take a letter at once but ``ctrl+u`` only
        after a way through the screen: keys that come in a bunch would be emptied with the rest."""
        for binding in self._bindings.key_to_bindings.get(event.key, ()):
            if not event.is_printable:
                event.stop().prevent_default()
                await self.run_action(binding.action)
                return
