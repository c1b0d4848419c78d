"""Answer through vLLM: hundreds of questions at a time, on a server that phases share."""

from __future__ import annotations

import contextlib
import itertools
import re
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from engine.generation.endpoint.flight import Flight
from engine.generation.endpoint.limits import Budget, Throttle
from engine.generation.endpoint.patience import Patience
from engine.generation.optionprobs import letter_logprobs
from engine.generation.questions import prepared
from engine.generation.vllm import Unfit, adapters, parity
from engine.generation.vllm.command import AT_ONCE, MODEL, length_for
from engine.generation.vllm.completions import Completions
from engine.generation.vllm.faults import lacks
from engine.generation.vllm.folder import ServerDir, servers_of
from engine.generation.vllm.optionprobs import next_logprobs
from engine.generation.vllm.policy import merged, policy, without_adapters
from engine.generation.vllm.reading import Reading, read_model
from engine.generation.vllm.shared import leasing, run_out
from engine.generation.vllm.wire import Refused, call
from engine.schema.cards import Endpoint
from engine.schema.errors import UserError
from engine.schema.events import Answering
from engine.schema.rates import rate_text

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Generator, Iterator, Sequence
    from pathlib import Path

    from engine.generation.optionprobs import Table, Tokens
    from engine.generation.vllm.policy import Policy
    from engine.generation.vllm.shared import Lease
    from engine.interfaces import Batch, Question, Tell, Workplace
    from engine.machine.vllm import Executable
    from engine.schema.cards import ModelCard

RESTARTS: Final = 2
LOOK_S: Final = 2.0
METRICS_S: Final = 1.0
CHECKED: Final = "parity"
COUNTED: Final = re.compile(r"^vllm:(generation_tokens_total|num_requests_running)\S* (\S+)$", re.M)


@dataclass(frozen=True, slots=True)
class Served:
    """A policy on a server that is ready and was compared with the model. ``model``: its name in
    requests."""

    policy: Policy
    lease: Lease
    model: str


class VllmAnswers:
    """Answers the questions of one phase through a server."""

    def __init__(
        self,
        card: ModelCard,
        adapter: Path | None,
        place: Workplace,
        executable: Executable,
        tell: Tell,
        doing: Callable[[str], None],
    ) -> None:
        self._card = card
        self._adapter = adapter
        self._place = place
        self._executable = executable
        self._tell = tell
        self._doing = doing
        self._flight: Flight | None = None

    def land(self) -> bool:
        return self._flight is not None and self._flight.land()

    @property
    def open(self) -> int:
        return self._flight.under_way if self._flight is not None else 0

    def answer(self, questions: Sequence[Question], done: Container[str]) -> Iterator[Batch]:
        """Yield replies as they come. A server that dies is started again, and unanswered questions
        are asked again. :class:`Unfit` is raised only before the first."""
        reading = read_model(self._card, self._tell, self._doing)
        sampling = self._card.sampling
        prompts, limits = prepared(
            reading.tokenizer, reading.context, questions, sampling, self._tell
        )
        waiting = deque(q for q in questions if q.key not in done)
        length = max(map(sum, zip(map(len, prompts), limits, strict=True)))
        keys = [q.key for q in questions]
        for restarts in itertools.count():
            try:
                served = yield from self._serve(reading, length, prompts)
            except Unfit as why:
                if not restarts:
                    raise
                raise UserError(f"{why}; what came is kept, and a retry goes on") from None
            with self._seat(served):
                speaker = Completions(
                    served.lease.server, served.model, reading.tokenizer, reading.ends, sampling,
                    dict(zip(keys, prompts, strict=True)), dict(zip(keys, limits, strict=True)),
                )  # fmt: skip
                yield from self._fly(speaker, waiting)
                lives = served.lease.lives
            assert self._flight is not None
            if self._flight.landing or not (waiting or self._flight.lost):
                return
            if isinstance(self._flight.failure, Exception) and not isinstance(
                self._flight.failure, UserError
            ):
                raise self._flight.failure
            if lives or restarts == RESTARTS:
                raise UserError(self._failure(speaker, served, len(waiting), lives))
            waiting.extend(question for question, _, _ in self._flight.lost)
            self._tell(
                f"vLLM ended with {len(waiting)} questions to ask; it is started again", "warning",
                "engine",
            )  # fmt: skip

    def letter_logprobs(
        self,
        prompts: Sequence[str],
        letters: Sequence[Sequence[str]],
        seen: Callable[[int, int], None],
    ) -> list[tuple[float, ...]]:
        """See :func:`engine.generation.optionprobs.option_logprobs`."""
        reading = read_model(self._card, self._tell, self._doing)

        def look(contexts: Sequence[Tokens], wanted: list[int]) -> Table:
            length = max(map(len, contexts)) + 1
            served = run_out(self._serve(reading, length, contexts))
            with self._seat(served):
                server, model = served.lease.server, served.model
                return next_logprobs(server, model, contexts, wanted, seen)

        return letter_logprobs(reading.tokenizer, prompts, letters, look)

    def _serve(
        self, reading: Reading, length: int, prompts: Sequence[Sequence[int]]
    ) -> Generator[Batch, None, Served]:
        """Get a server with the policy loaded and compared with the model."""
        found, mine = yield from self._lease(reading, length)
        try:
            model = (yield from adapters.load(mine, found, self._doing)) if found.name else MODEL
            checked = self._check(mine, found, model, reading, prompts)
        except BaseException:
            mine.file.unlink(missing_ok=True)
            raise
        self._place.told(
            Answering(
                engine="vllm",
                version=self._executable.version,
                policy=found.words,
                startup_s=mine.waited_s,
                parity=checked,
            )
        )
        return Served(found, mine, model)

    def _lease(self, reading: Reading, length: int) -> Generator[Batch, None, tuple[Policy, Lease]]:
        """Lease a server for base and adapter, or for another form that this vLLM can serve."""
        found = policy(
            self._card, self._adapter, reading, self._executable, self._place.devices,
            length_for(length, reading.context),
        )  # fmt: skip
        other = merged(found) if found.adapter else without_adapters(found)
        for way in (found, other):
            if not self._lacks(way):  # else it has said so before
                merge = self._merge if way.merge else None
                runs, launch = self._place.runs, way.launch
                try:
                    return way, (yield from leasing(runs, launch, way.name, self._doing, merge))
                except UserError as error:
                    if not self._lacks(way):
                        raise Unfit(str(error)) from None
            if self._lacks(way) == "nf4" and not found.adapter:
                raise Unfit(
                    "this vLLM can't quantise to NF4; get one that can with sirt doctor --install "
                    "vllm, or use source.precision: bf16"
                )
        raise Unfit(f"this vLLM can't serve {self._card.name}; its log is {self._folder(way).log}")

    def _lacks(self, way: Policy) -> str:
        folder = self._folder(way)
        return lacks(folder.log) if folder.ended.exists() else ""

    def _merge(self, folder: Path) -> None:
        assert self._adapter is not None
        self._place.merge(self._card, self._adapter, folder)

    def _folder(self, way: Policy) -> ServerDir:
        return ServerDir(servers_of(self._place.runs) / way.launch.key)

    def _check(
        self,
        mine: Lease,
        found: Policy,
        model: str,
        reading: Reading,
        prompts: Sequence[Sequence[int]],
    ) -> float | None:
        kept = mine.folder.path / CHECKED / f"{model}.json"
        try:
            checked = parity.check(
                mine.server, model, self._card, self._adapter, prompts, reading.ends,
                found.launch.dtype, kept, self._doing,
            )  # fmt: skip
        except Refused as error:
            raise Unfit(f"vLLM does not answer: {error}; its log is {mine.folder.log}") from None
        if checked is None:
            self._tell(
                "the model itself does not fit beside vLLM, so its answers were not held against "
                "it",
                "warning",
                "engine",
            )
            return None
        if not checked.holds:
            raise Unfit(f"vLLM does not answer as the model does: {checked.told}")
        return checked.difference

    @contextlib.contextmanager
    def _seat(self, served: Served) -> Iterator[None]:
        try:
            with served.lease:
                yield
        finally:
            if served.policy.name:
                adapters.unload(served.lease, served.policy)

    def _fly(self, speaker: Completions, waiting: deque[Question]) -> Iterator[Batch]:
        endpoint = Endpoint(
            kind="openai_compatible",
            base_url=speaker.server.url,
            model=speaker.model,
            http_retries=2,
            patience_s=0.0,
            content_retries=0,
        )
        card = self._card.model_copy(update={"source": endpoint})
        rate = _Rate(speaker, self._doing)
        self._flight = Flight(
            card, speaker, Budget(endpoint, card.sampling, 0.0), Throttle(AT_ONCE, self._tell),
            Patience(endpoint), waiting, self._tell, answered=True,
        )  # fmt: skip
        with contextlib.closing(self._flight.batches()) as batches:
            for batch in batches:
                yield batch
                rate.tell()

    def _failure(self, speaker: Completions, served: Served, waiting: int, lives: bool) -> str:
        said = speaker.faults[-1].words if speaker.faults else "no reply"
        how = "" if lives else f" and has ended {RESTARTS + 1} times"
        assert self._flight is not None
        left = waiting + len(self._flight.lost)
        return (
            f"vLLM gave no answer to {left} questions{how}: {said}; what came is kept, and a retry "
            f"asks for these alone; its log is {served.lease.folder.log}"
        )


class _Rate:
    """Reports the server's speed every two seconds, by its own count."""

    def __init__(self, speaker: Completions, doing: Callable[[str], None]) -> None:
        self._speaker = speaker
        self._doing = doing
        self._looked = self._at = time.monotonic()
        self._tokens: float | None = None  # at ``_at``

    def tell(self) -> None:
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        with contextlib.suppress(Refused, ValueError):
            counted = _counts(call(self._speaker.server, "/metrics", timeout_s=METRICS_S))
            passed, self._at = now - self._at, now
            tokens = counted["generation_tokens_total"]
            written, self._tokens = tokens - (self._tokens or tokens), tokens
            rate = rate_text(written / passed, "tokens", alone=True) if written > 0 else "reading"
            self._doing(f"{rate}, {counted['num_requests_running']:.0f} answers under way")


def _counts(metrics: str) -> dict[str, float]:
    """Add up the counts of all engines."""
    found = {"generation_tokens_total": 0.0, "num_requests_running": 0.0}
    for name, value in COUNTED.findall(metrics):
        found[name] += float(value)
    return found
