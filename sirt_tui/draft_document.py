"""The draft on the screen: where it came from, what is not saved yet, where it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.commands import drafts

if TYPE_CHECKING:
    from pathlib import Path

    from engine.queries.settings_form import Draft
    from engine.store.layout import RunsFolder


@dataclass
class Sheet:
    """``saved``: the draft as its source or its file has it. ``file``: where it was last saved, or
    the file it was read from; ``own``: saved there from here, so it may be written again.
    ``place``: where it is kept while it is not saved; ``taken``: the kept draft it goes on from.
    """

    draft: Draft = field(default_factory=dict)
    saved: Draft = field(default_factory=dict)
    came: str = "from nothing"
    file: Path | None = None
    own: bool = False
    place: Path | None = None
    taken: Path | None = None

    @property
    def unsaved(self) -> bool:
        return self.draft != self.saved

    @property
    def said(self) -> str:
        """For the head of the screen."""
        name = str(self.draft.get("name") or "no name yet")
        came = f"saved to {self.file}" if self.own else self.came
        return f"{name}, {came}{', changed' if self.unsaved else ''}"


def from_preset(name: str) -> Sheet:
    """A shipped preset, or a file; ``UserError`` when it can't be read."""
    draft = drafts.draft_of_preset(name)
    path = drafts.file_of(name)
    if path.exists():
        return Sheet(draft, draft, f"from {path}", file=path)
    return Sheet(draft, draft, f"from preset {name}")


def from_run(runs: RunsFolder, run_id: str) -> Sheet:
    draft = drafts.draft_of_run(runs, run_id)
    return Sheet(draft, draft, f"from run {run_id}")


def from_kept(path: Path) -> Sheet:
    """A draft that was left unsaved, here or in another window."""
    return Sheet(drafts.draft_of_preset(str(path)), {}, "from a kept draft", taken=path)


def keep(runs: RunsFolder, sheet: Sheet) -> None:
    """Write down what isn't saved, and forget what is; each window has a file of its own."""
    if sheet.unsaved and sheet.draft:
        sheet.place = sheet.place or drafts.new_place(runs, sheet.draft)
        drafts.keep(sheet.draft, sheet.place)
    elif sheet.place:
        sheet.place.unlink(missing_ok=True)
    if sheet.taken and (sheet.place or not sheet.unsaved):
        sheet.taken.unlink(missing_ok=True)
        sheet.taken = None


def save(runs: RunsFolder, sheet: Sheet, path: Path, overwrite: bool) -> None:
    draft = sheet.draft
    drafts.save(draft, path, overwrite)
    sheet.saved, sheet.file, sheet.own = draft, path, True
    keep(runs, sheet)
