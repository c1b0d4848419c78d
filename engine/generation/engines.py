"""Choose the engine for a local model, by its card, the settings and the machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.generation.local import LocalProvider
from engine.generation.vllm import Unfit
from engine.machine import ranks
from engine.machine.vllm import find
from engine.planning.engines import engine_for, wanted_engine
from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from engine.generation.vllm.provider import VllmAnswers
    from engine.interfaces import Batch, Question


class LocalModel(LocalProvider):
    """Answers with the builtin engine, or with vLLM once :meth:`work_at` was called.

    Where nobody has asked for vLLM and it proves unfit before the first answer, the builtin
    engine takes its place, with a warning.
    """

    _served: VllmAnswers | None = None

    def land(self) -> bool:
        return self._served.land() if self._served is not None else super().land()

    @property
    def open(self) -> int:
        return self._served.open if self._served is not None else super().open

    def answer(self, questions: Sequence[Question], done: Container[str] = ()) -> Iterator[Batch]:
        """Answer all questions of the phase; see :class:`engine.interfaces.Provider`."""
        if all(question.key in done for question in questions):
            return
        self._served = self._vllm()
        if self._served is not None:
            try:
                yield from self._served.answer(ranks.mine(questions), done)
                return
            except Unfit as why:
                self._do_without(why)
        yield from super().answer(questions, done)

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
        return super().option_logprobs(prompts, letters, seen)

    def _vllm(self) -> VllmAnswers | None:
        """Return vLLM, or None for the builtin engine. ``UserError`` if vLLM was asked for and is
        not installed."""
        place, card = self.place, self.card
        if place is None:
            return None
        on_gpu = bool(place.devices.gpus)
        if engine_for(card, self.generation, on_gpu, installed=True) == "builtin":
            return None
        installed = find(place.runs)
        if installed is None and wanted_engine(card, self.generation) == "auto":
            return None
        if installed is None:
            raise UserError(
                f"card {card.name!r}: engine vllm: it is not installed; install it with "
                "sirt doctor --install vllm, name its executable in SIRT_VLLM, or use "
                "engine: builtin"
            )
        from engine.generation.vllm.provider import VllmAnswers

        return VllmAnswers(card, self.adapter, place, installed, self.tell, self.doing)

    def _do_without(self, why: Unfit) -> None:
        """Fall back to the builtin engine; ``UserError`` if vLLM was asked for by name."""
        if wanted_engine(self.card, self.generation) == "vllm":
            raise UserError(f"{why} (engine: builtin does without vLLM)") from None
        self._served = None
        self.tell(f"{why}; the builtin engine answers", "warning", "engine")
