"""A teacher, or a student, that runs on this machine."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from engine.interfaces import Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from pathlib import Path

    from engine.interfaces import Batch, Question, Tell
    from engine.schema.cards import ModelCard
    from engine.schema.settings import GenerationSettings

LANDING_S: Final = 60.0


class LocalProvider(Provider):
    """Local weights, with an adapter or none, as someone who answers questions.

    The weights are loaded at the first question that is not ``done``, on every GPU this
    process sees, and let go when all are answered. It costs nothing, so ``spent`` is ignored.
    """

    def __init__(
        self,
        card: ModelCard,
        generation: GenerationSettings,
        tell: Tell,
        spent: float = 0.0,
        *,
        adapter: Path | None = None,
    ) -> None:
        self.card = card
        self.generation = generation
        self.adapter = adapter
        self.tell = tell
        self.doing: Callable[[str], None] = lambda _text: None
        self._land_by: float | None = None

    def watch(self, doing: Callable[[str], None]) -> None:
        self.doing = doing

    def land(self) -> bool:
        """The batch at hand may end: a retry would have to generate all of it again."""
        if self._land_by is None:
            self._land_by = time.monotonic() + LANDING_S
        return time.monotonic() < self._land_by

    def answer(self, questions: Sequence[Question], done: Container[str] = ()) -> Iterator[Batch]:
        """All questions of the phase, in batches planned for all; see ``generation.generate``."""
        if all(question.key in done for question in questions):
            return
        from engine.generation.generate import generate
        from engine.models.loading import load, release

        loaded = load(self.card, self.adapter, tell=self.tell, doing=self.doing)
        try:
            yield from generate(
                loaded,
                questions,
                self.card.sampling,
                self.generation,
                done=done,
                stop=lambda: self._land_by is not None,
                tell=self.tell,
                doing=self.doing,
            )
        finally:
            release(loaded)
