"""Choose the engine for a local model, by its card, the settings and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.generation.local import LocalProvider
from engine.generation.vllm import Unfit
from engine.interfaces import Provider
from engine.machine.vllm import find
from engine.planning.engines import engine_for, wanted_engine
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence
    from pathlib import Path

    from engine.generation.vllm.provider import VllmAnswers
    from engine.interfaces import Batch, Question, Tell, Workplace
    from engine.schema.cards import ModelCard
    from engine.schema.settings import GenerationSettings


class LocalModel(Provider):
    """Answers with the builtin engine, or with vLLM once :meth:`work_at` was called.

    Where nobody has asked for vLLM and it proves unfit before the first answer, the builtin
    engine takes its place, with a warning.
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
        self._builtin = LocalProvider(card, generation, tell, spent, adapter=adapter)
        self._card = card
        self._generation = generation
        self._adapter = adapter
        self._tell = tell
        self._place: Workplace | None = None
        self._served: VllmAnswers | None = None

    def watch(self, doing: Callable[[str], None]) -> None:
        self._builtin.watch(doing)

    def work_at(self, place: Workplace) -> None:
        self._place = place
        self._builtin.work_at(place)

    def land(self) -> bool:
        return self._served.land() if self._served is not None else self._builtin.land()

    def answer(self, questions: Sequence[Question], done: Container[str] = ()) -> Iterator[Batch]:
        """Answer all questions of the phase; see :class:`engine.interfaces.Provider`."""
        if all(question.key in done for question in questions):
            return
        self._served = self._vllm()
        if self._served is not None:
            try:
                yield from self._served.answer(questions, done)
                return
            except Unfit as why:
                self._do_without(why)
        yield from self._builtin.answer(questions, done)

    def option_logprobs(
        self,
        prompts: Sequence[str],
        letters: Sequence[Sequence[str]],
        seen: Callable[[int, int], None],
    ) -> list[tuple[float, ...]]:
        """See :meth:`LocalProvider.option_logprobs`."""
        served = self._vllm()
        if served is not None:
            try:
                return served.letter_logprobs(prompts, letters, seen)
            except Unfit as why:
                self._do_without(why)
        return self._builtin.option_logprobs(prompts, letters, seen)

    def _vllm(self) -> VllmAnswers | None:
        """Return vLLM, or None for the builtin engine. ``UserError`` if vLLM was asked for and is
        not installed."""
        place = self._place
        if place is None:
            return None
        on_gpu = bool(place.devices.gpus)
        if engine_for(self._card, self._generation, on_gpu, installed=True) == "builtin":
            return None
        installed = find(place.runs)
        if installed is None and wanted_engine(self._card, self._generation) == "auto":
            return None
        if installed is None:
            raise UserError(
                f"card {self._card.name!r}: engine vllm: it is not installed; sirt doctor "
                "--install vllm, name its executable in SIRT_VLLM, or use engine: builtin"
            )
        from engine.generation.vllm.provider import VllmAnswers

        return VllmAnswers(
            self._card, self._adapter, place, installed, self._tell, self._builtin.doing
        )

    def _do_without(self, why: Unfit) -> None:
        """Fall back to the builtin engine; ``UserError`` if vLLM was asked for by name."""
        if wanted_engine(self._card, self._generation) == "vllm":
            raise UserError(f"{why} (engine: builtin does without vLLM)") from None
        self._served = None
        self._tell(f"{why}; the builtin engine answers", "warning", "engine")
