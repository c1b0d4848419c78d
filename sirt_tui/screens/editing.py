"""Edit the draft's file in the person's own editor, and come back to what it says."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING

from engine.commands import drafts
from engine.schema.errors import UserError
from sirt_tui import failures, lending

if TYPE_CHECKING:
    from pathlib import Path

    from sirt_tui.draft_document import DraftDocument
    from sirt_tui.page import Page

NO_EDITOR = "no editor is set: say which in $VISUAL or $EDITOR, for example EDITOR=nano"


def command() -> list[str]:
    """Return the person's editor and its arguments; none if none is set."""
    said = os.environ.get("VISUAL") or os.environ.get("EDITOR") or ""
    try:
        return shlex.split(said)
    except ValueError:  # an open quote
        return [said]


async def edited(page: Page, document: DraftDocument) -> bool:
    """Open the draft's file in the editor; return whether the draft is another one now.

    A file of the person's own is edited where it is. A draft that is not saved there is edited in
    the file that keeps it. What can't be read is told with its line, and stays in the file: the
    same key opens it again.
    """
    if not (editor := command()):
        page.sirt.say(NO_EDITOR, "warning")
        return False
    path = None
    try:
        path = await page.ask(_file, page, document)
        if problem := lending.lend(page.app, [*editor, str(path)]):
            page.sirt.say(*problem)
            return False
        draft = await page.ask(drafts.draft_of_preset, str(path))
    except (UserError, OSError) as error:
        again = f"; {page.sirt.key('edit_file')} opens it again" if path is not None else ""
        page.sirt.say(f"{failures.said(error)}{again}", "error")
        document.broken = path
        if document.place == path:
            document.place = None  # what was written there stays there
        return False
    document.broken = None
    changed = draft != document.draft
    document.draft = draft
    if path == document.file:
        document.saved = draft
    else:
        document.place = path
    return changed


def _file(page: Page, document: DraftDocument) -> Path:
    """Return the file to edit, which says what the draft says, or what could not be read of it."""
    if document.broken is not None and document.broken.exists():
        return document.broken
    if document.file is not None and not document.unsaved:
        return document.file
    place = document.place or drafts.new_place(page.runs, document.draft)
    drafts.keep(document.draft, place)
    return place
