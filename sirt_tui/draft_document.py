"""The draft on the screen: where it came from, whether it is saved, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from engine.commands import drafts

if TYPE_CHECKING:
    from engine.queries.settings_form import Draft
    from engine.store.layout import RunsFolder


@dataclass
class DraftDocument:
    """A draft with its files. ``saved``: the draft as in its source or file. ``file``: where it was
    last saved or read from; ``own``: whether it was saved from here, so that it may be overwritten.
    ``place``: where it is kept while unsaved; ``taken``: the kept draft that it continues,
    which said ``as_taken``; ``broken``: what was written in an editor and could not be read.
    """

    draft: Draft = field(default_factory=dict)
    saved: Draft = field(default_factory=dict)
    came: str = "from nothing"
    file: Path | None = None
    own: bool = False
    place: Path | None = None
    taken: Path | None = None
    as_taken: Draft = field(default_factory=dict)
    broken: Path | None = None

    @property
    def unsaved(self) -> bool:
        return self.draft != self.saved

    @property
    def offered(self) -> Path:
        """The file to offer for saving: where it is saved, or one of its name."""
        name = str(self.draft.get("name") or "experiment")
        if self.file is None:
            return Path(f"{name}.yaml")
        renamed = self.saved.get("name") != self.draft.get("name")
        return self.file.with_name(f"{name}.yaml") if renamed else self.file

    @property
    def said(self) -> str:
        """A description for the screen's header."""
        name = str(self.draft.get("name") or "no name yet")
        came = f"saved to {self.file}" if self.own else self.came
        return f"{name}, {came}{', changed' if self.unsaved else ''}"


def from_preset(name: str) -> DraftDocument:
    """Start from a shipped preset or a file; ``UserError`` when it can't be read."""
    draft = drafts.draft_of_preset(name)
    path = drafts.file_of(name)
    if path.exists():
        return DraftDocument(draft, draft, f"from {path}", file=path)
    return DraftDocument(draft, draft, f"from preset {name}")


def from_run(runs: RunsFolder, run_id: str) -> DraftDocument:
    draft = drafts.draft_of_run(runs, run_id)
    return DraftDocument(draft, draft, f"from run {run_id}")


def from_kept(path: Path) -> DraftDocument:
    """Start from a draft that was left unsaved, here or in another window."""
    draft = drafts.draft_of_preset(str(path))
    return DraftDocument(draft, {}, "from a kept draft", taken=path, as_taken=draft)


def keep(runs: RunsFolder, document: DraftDocument) -> None:
    """Write an unsaved draft to its own file; delete that file once the draft is saved."""
    if document.unsaved and document.taken and document.draft == document.as_taken:
        return  # looked at only: it keeps its file, and its time
    if document.unsaved and document.draft:
        before = document.place
        document.place = drafts.new_place(runs, document.draft, before)
        drafts.keep(document.draft, document.place)
        if before is not None and before != document.place:
            before.unlink(missing_ok=True)
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
