"""What was said in notices, kept to be read again: Textual forgets them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from engine.schema.sanitize import visible

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sirt_tui.shell import Severity

MOST = 500  # notices that are kept
KEPT = 5_000  # characters of a notice
STYLES: dict[Severity, str] = {"warning": "yellow", "error": "bold red"}


@dataclass(frozen=True, slots=True)
class Told:
    """What was said in a notice, and when."""

    when: datetime
    severity: Severity
    text: str


class Messages:
    """The notices of a session, the newest first. They may be kept from any thread."""

    def __init__(self) -> None:
        self._told: deque[Told] = deque(maxlen=MOST)

    def __iter__(self) -> Iterator[Told]:
        return iter(list(self._told))

    def keep(self, when: datetime, severity: Severity, text: str) -> None:
        self._told.appendleft(Told(when, severity, visible(text, KEPT)))

    def text(self) -> Text:
        """Write each notice with its local time, and what it is if it is more than news."""
        text = Text()
        for one in self:
            text.append(f"{one.when.astimezone():%H:%M:%S}  ", "bold")
            if one.severity in STYLES:
                text.append(f"{one.severity}: ", STYLES[one.severity])
            text.append(f"{one.text}\n")
        return text if text else Text("nothing was said yet", "dim")
