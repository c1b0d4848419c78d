"""Commands of the list of items, to be called in threads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from engine.queries.checking import check_source
from engine.queries.items import Reader
from engine.store import item_notes
from sirt_tui.screens.run_commands import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from engine.commands.curating import Curated
    from engine.queries.items import Item, Source
    from engine.schema.evaluation import Evaluation
    from engine.store.item_notes import Marks
    from engine.store.layout import RunsFolder

__all__ = [
    "check_source",
    "curated",
    "mark",
    "opened",
    "put_back",
    "refine_again",
    "toggle",
    "told",
]
SCREENFUL = 60


@dataclass(frozen=True, slots=True)
class Opened:
    """A source ready to show. ``at``: the number of the question that was under the cursor."""

    sources: Sequence[Source]
    number: int
    reader: Reader
    marks: Marks
    items: list[Item]
    at: int | None


def opened(
    read: Callable[[], Sequence[Source]],
    runs: RunsFolder,
    number: int,
    here: str | None,
    asked: Evaluation | None = None,
) -> Opened:
    """Open source ``number`` of those that ``read`` finds, or the one of the answers to ``asked``;
    ``here``: the id of a question to find in it."""
    found = read()
    if asked is not None:  # commitments are read beside the answers that they complete
        label = replace(asked, method="match").label if asked.method == "commit" else asked.label
        number = next((n for n, source in enumerate(found) if source.title == label), number)
    number = min(number, len(found) - 1)
    reader = Reader(found[number])
    marks = item_notes.read_marks(runs, found[number].phase_id)
    items = reader.read(range(min(SCREENFUL, reader.count)))
    at = reader.find({here}, range(reader.count)) if here is not None else None
    return Opened(found, number, reader, marks, items, at)


def mark(
    runs: RunsFolder,
    reader: Reader,
    numbers: Sequence[int],
    *,
    flagged: bool | None = None,
    excluded: bool | None = None,
    note: str | None = None,
) -> Marks:
    ids = reader.ids(numbers)
    phase_id = reader.source.phase_id
    return item_notes.mark(runs, phase_id, ids, flagged=flagged, excluded=excluded, note=note)


def toggle(runs: RunsFolder, reader: Reader, numbers: Sequence[int], name: str) -> Marks:
    """Switch ``flagged`` or ``excluded`` off if all items have it, else on."""
    ids = reader.ids(numbers)
    marks = item_notes.read_marks(runs, reader.source.phase_id)
    on = not all(getattr(marks.get(item, item_notes.NONE), name) for item in ids)
    flagged, excluded = (on if name == which else None for which in ("flagged", "excluded"))
    return item_notes.mark(runs, reader.source.phase_id, ids, flagged=flagged, excluded=excluded)


def put_back(runs: RunsFolder, phase_id: str, before: Mapping[str, bool]) -> Marks:
    """Leave items out, or take them in again, as they were before."""
    for out in (True, False):
        ids = [item for item, was in before.items() if was is out]
        marks = item_notes.mark(runs, phase_id, ids, excluded=out)
    return marks


def curated(runs: RunsFolder, run_id: str) -> Curated:
    from engine.commands import curating

    return curating.curated(runs, run_id)


def told(found: Curated) -> list[str]:
    """Say what refining again would do, a line each."""
    return [
        f"new: {kinds(found.new)}" if found.new else "new: no phase; that run is there already",
        f"shared: {kinds(found.shared)}" if found.shared else "shared: no phase",
        f"run: {found.spec.title}",
    ]


def refine_again(runs: RunsFolder, found: Curated) -> str:
    """Refine again and say in one line what became of it."""
    from engine.commands import curating
    from engine.commands.device_request import device_request

    launched = curating.refine_again(runs, found, device_request())
    return f"{found.run_id}: " + ("queued" if launched.queued else "finished before; reused")
