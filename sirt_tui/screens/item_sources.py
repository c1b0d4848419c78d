"""Which of a run's files of items is shown, and which is being opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.queries.item_files import sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engine.queries.items import Source
    from engine.store.layout import RunsFolder


class ItemSources:
    """The files of items of a run, or of two runs that are called by ``names``. ``chosen``: the
    number of the one that is shown; ``going``: of the one that is being opened, the same while none
    is."""

    def __init__(self, run_id: str, against: str | None, names: tuple[str, str]) -> None:
        self._of = (run_id, against, names)
        self.all: Sequence[Source] = ()
        self.chosen = 0
        self.going = 0

    @property
    def subject(self) -> str:
        """The run's id, or both with what they are called."""
        run_id, against, (first, second) = self._of
        return f"{first} {run_id}   {second} {against}" if against else run_id

    def read(self, runs: RunsFolder) -> Sequence[Source]:
        """Find the files that are there now. It reads the disk: call it in a thread."""
        return sources(runs, *self._of)

    @property
    def one(self) -> Source:
        """The file that is shown; there must be one."""
        return self.all[self.chosen]

    @property
    def scored(self) -> bool:
        """Whether refine's margins are known for its pairs."""
        return bool(self.all) and self.one.scores is not None

    def take(self, sources: Sequence[Source], number: int) -> None:
        self.all, self.chosen = sources, number

    def changed(self, found: Sequence[Source]) -> bool:
        """Whether the files are others than before; if so, go to the one that is shown, unless
        another is being opened."""
        if found == self.all or self.going != self.chosen:
            return False
        shown = self.one.file if self.all else None
        self.going = next((n for n, source in enumerate(found) if source.file == shown), 0)
        return True

    def beside(self, step: int) -> int:
        """Return the number ``step`` places on; the first follows the last."""
        return (self.going + step) % max(1, len(self.all))
