"""An application that asks a person questions, and says things in a line, which it keeps."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textual.app import App
from textual.notifications import Notification

from engine.schema.pasted import naming
from engine.schema.sanitize import visible
from sirt_tui import failures
from sirt_tui.actions import ACTIONS, shown
from sirt_tui.messages import Messages

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterator, Mapping, Sequence
    from datetime import datetime

    from engine.schema.errors import UserError
    from engine.store.layout import RunsFolder
    from sirt_tui.shell import Severity
    from sirt_tui.widgets.dialogs import Offer


FOREVER_S = timedelta(days=1).total_seconds()
SHOWN = 500  # characters of a notice


class AskingApp(App[None]):
    """Asks in dialogs over the present screen. Questions are asked from a worker: they wait.

    ``told``: all notices of the session.
    """

    runs: RunsFolder
    clock: Callable[[], datetime]

    def __init__(self) -> None:
        super().__init__()
        self.told = Messages()

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

    async def ask_text(
        self,
        title: str,
        value: str = "",
        hint: str = "",
        wrong: Callable[[str], str] | None = None,
    ) -> str | None:
        """Ask for a line of text; None if the person leaves. ``wrong``: says what is wrong with a
        text, which then can be corrected; "" if nothing is."""
        from sirt_tui.widgets.dialogs import AskText

        return await self.push_screen_wait(AskText(title, value, hint, wrong))

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
        self.notify(text, severity=severity, markup=False)

    def say_error(self, error: UserError | OSError) -> None:
        self.say(failures.said(error), "error")

    def notify(
        self, message: str, *, severity: Severity = "information", markup: bool = True, **how: Any
    ) -> None:
        """Show a notice for some seconds and keep it: all notices come by here, or :meth:`lasting`.
        It may be called from any thread."""
        self._keep(message, severity)
        super().notify(visible(message, SHOWN), severity=severity, markup=markup, **how)

    @contextmanager
    def lasting(self, text: str) -> Iterator[None]:
        """Show a notice until the work is done. Textual's own ones can't be taken back."""
        self._keep(text)
        notice = Notification(visible(text, SHOWN), timeout=FOREVER_S, markup=False)
        self._notifications.add(notice)
        self._refresh_notifications()
        try:
            yield
        finally:
            if notice in self._notifications:  # a click has not taken it away
                self._unnotify(notice)

    def _keep(self, text: str, severity: Severity = "information") -> None:
        self.told.keep(self.clock(), severity, text)

    def action_messages(self) -> None:
        """Show what was said in this session."""
        from sirt_tui.widgets.reading import Reading

        title = "Messages of this session, the newest first"
        self.push_screen(Reading(title, self.told.text()))
