"""An application that asks a person questions, and says things in a line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual.app import App

from engine.schema.pasted import naming
from engine.schema.sanitize import visible
from sirt_tui import failures
from sirt_tui.actions import ACTIONS, shown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Mapping, Sequence

    from engine.schema.errors import UserError
    from engine.store.layout import RunsFolder
    from sirt_tui.shell import Severity
    from sirt_tui.widgets.dialogs import Offer


class AskingApp(App[None]):
    """Asks in dialogs over the present screen. Questions are asked from a worker: they wait."""

    runs: RunsFolder

    def key(self, name: str) -> str:
        """Return the key of an action as people know it."""
        return shown(self._keymap.get(name, ACTIONS[name].keys))

    async def confirm(
        self,
        question: str,
        lost: Sequence[str] = (),
        agree: str = "Delete",
        refuse: str = "Keep it",
    ) -> bool:
        """Ask for a confirmation."""
        from sirt_tui.widgets.dialogs import Confirm

        agreed = await self.push_screen_wait(Confirm(question, lost, agree, refuse))
        return bool(agreed)

    async def ask_text(self, title: str, value: str = "", hint: str = "") -> str | None:
        """Ask for a line of text; None if the person leaves."""
        from sirt_tui.widgets.dialogs import AskText

        return await self.push_screen_wait(AskText(title, value, hint))

    async def choose(
        self,
        title: str,
        offers: Sequence[Offer],
        present: str | None = None,
        droppable: Container[str] = (),
        drop: Callable[[str], Awaitable[bool]] | None = None,
        instead: Mapping[str, str] | None = None,
    ) -> str | None:
        """Ask to choose one of several; None if the person leaves. ``drop`` deletes one of the
        ``droppable``; ``instead``: keys that answer at once, and what."""
        from sirt_tui.widgets.dialogs import Choose

        key = self.key("delete")
        return await self.push_screen_wait(
            Choose(title, offers, present, droppable, drop, key, instead)
        )

    def say(self, text: str, severity: Severity = "information") -> None:
        if self.runs.root != Path("runs").absolute():
            text = naming(text, str(self.runs.root))
        self.notify(visible(text, 500), severity=severity, markup=False)

    def say_error(self, error: UserError | OSError) -> None:
        self.say(failures.said(error), "error")
