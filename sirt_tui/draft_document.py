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
class DraftDocument:
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


def from_preset(name: str) -> DraftDocument:
    """A shipped preset, or a file; ``UserError`` when it can't be read."""
    draft = drafts.draft_of_preset(name)
    path = drafts.file_of(name)
    if path.exists():
        return DraftDocument(draft, draft, f"from {path}", file=path)
    return DraftDocument(draft, draft, f"from preset {name}")


def from_run(runs: RunsFolder, run_id: str) -> DraftDocument:
    draft = drafts.draft_of_run(runs, run_id)
    return DraftDocument(draft, draft, f"from run {run_id}")


def from_kept(path: Path) -> DraftDocument:
    """A draft that was left unsaved, here or in another window."""
    return DraftDocument(drafts.draft_of_preset(str(path)), {}, "from a kept draft", taken=path)


def keep(runs: RunsFolder, document: DraftDocument) -> None:
    """Write down what isn't saved, and forget what is; each window has a file of its own."""
    if document.unsaved and document.draft:
        document.place = document.place or drafts.new_place(runs, document.draft)
        drafts.keep(document.draft, document.place)
    elif document.place:
        document.place.unlink(missing_ok=True)
    if document.taken and (document.place or not document.unsaved):
        document.taken.unlink(missing_ok=True)
        document.taken = None


def save(runs: RunsFolder, document: DraftDocument, path: Path, overwrite: bool) -> None:
    draft = document.draft
    drafts.save(draft, path, overwrite)
    document.saved, document.file, document.own = draft, path, True
    keep(runs, document)
