"""A teacher or student that runs on this machine with the builtin engine."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Final

from engine.interfaces import Provider
from engine.schema.events import Answering

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from pathlib import Path

    from engine.interfaces import Batch, Question, Tell, Workplace
    from engine.models.loading import Loaded
    from engine.schema.cards import ModelCard, Precision
    from engine.schema.settings import GenerationSettings

LANDING_S: Final = 60.0


def policy_words(precision: Precision, adapter: bool, dtype: str) -> str:
    """Describe in words which weights answer."""
    base = "NF4" if precision == "nf4" else precision
    return f"{base} base{' with its adapter' if adapter else ''}, computed in {dtype}"


class LocalProvider(Provider):
    """Answers with local weights, with or without an adapter.

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
        self._open = 0
        self.place: Workplace | None = None

    def work_at(self, place: Workplace) -> None:
        self.place = place

    def watch(self, doing: Callable[[str], None]) -> None:
        self.doing = doing

    def land(self) -> bool:
        """Let the present batch end, for a while: a retry would generate all of it again."""
        if self._land_by is None:
            self._land_by = time.monotonic() + LANDING_S
        return time.monotonic() < self._land_by

    @property
    def open(self) -> int:
        return self._open

    def _are_open(self, answers: int) -> None:
        self._open = answers

    def answer(self, questions: Sequence[Question], done: Container[str] = ()) -> Iterator[Batch]:
        """Answer all questions in batches planned together; see ``generation.generate``."""
        if all(question.key in done for question in questions):
            return
        from engine.generation.generate import generate

        with self._loaded() as loaded:
            yield from generate(
                loaded,
                questions,
                self.card.sampling,
                self.generation,
                done=done,
                stop=lambda: self._land_by is not None,
                tell=self.tell,
                doing=self.doing,
                are_open=self._are_open,
            )

    def option_logprobs(
        self,
        prompts: Sequence[str],
        letters: Sequence[Sequence[str]],
        seen: Callable[[int, int], None],
    ) -> list[tuple[float, ...]]:
        """Return option letters' log-probabilities as the answer's start."""
        from engine.generation.optionprobs import option_logprobs

        with self._loaded() as loaded:
            return option_logprobs(
                loaded, prompts, letters, self.generation, tell=self.tell, seen=seen
            )

    @contextlib.contextmanager
    def _loaded(self) -> Iterator[Loaded]:
        from engine.models.loading import load, release

        loaded = load(self.card, self.adapter, tell=self.tell, doing=self.doing)
        try:
            if self.place is not None:
                base = self.card.weights.precision
                dtype = str(loaded.model.dtype).removeprefix("torch.")
                words = policy_words(base, self.adapter is not None, dtype)
                self.place.told(Answering(engine="builtin", policy=words))
            yield loaded
        finally:
            release(loaded)
