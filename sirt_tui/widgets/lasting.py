"""A notice that stays as long as the work that it tells of."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from textual.notifications import Notification

from engine.schema.sanitize import visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.app import App

FOREVER_S = timedelta(days=1).total_seconds()


@contextmanager
def lasting(app: App[object], text: str) -> Iterator[None]:
    """Show a notice until the work is done. Textual's own ones can't be taken back."""
    notice = Notification(visible(text, 500), timeout=FOREVER_S, markup=False)
    app._notifications.add(notice)
    app._refresh_notifications()
    try:
        yield
    finally:
        if notice in app._notifications:  # a click has not taken it away
            app._unnotify(notice)
