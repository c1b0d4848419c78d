"""The events that a phase's process logs while it works: one JSON object per line.

The writer is strict: it raises for unknown kinds and fields. The reader is tolerant: an unknown
kind becomes :class:`Unknown` and unknown fields are kept, so that older versions of the program can
show newer runs. JSON has no NaN: non-finite floats are written as ``"nan"``, ``"inf"`` and
``"-inf"`` and read back as floats where a float is expected.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from engine.schema.jsonfile import with_sum, without_sum
from engine.schema.kinds import EVENTS, one_of
from engine.schema.records import Score, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

VERSION = 1
_WORDS = {"nan": float("nan"), "inf": float("inf"), "-inf": float("-inf")}


def _decode_float(value: Any) -> Any:
    return _WORDS.get(value, value) if isinstance(value, str) else value


def _encode_float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


JsonFloat = Annotated[float, BeforeValidator(_decode_float), PlainSerializer(_encode_float)]


class Event(BaseModel):
    """Base of all events: schema version, gapless sequence number within an attempt, UTC time.

    A new kind may be defined beside the code that emits it; its phase's view keeps the last one
    (``latest``) and shows its :attr:`said`.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    v: int = VERSION
    seq: int = -1
    ts: AwareDatetime = Field(default_factory=lambda: datetime.now(UTC))
    kind: str

    @property
    def said(self) -> str:
        """A line for people; empty where it is shown otherwise."""
        return ""


class PhaseStarted(Event):
    """First event of each attempt. ``details``: resolved facts that are not in the spec
    (device name, package versions, the hub commit that a revision resolved to)."""

    kind: Literal["phase_started"] = "phase_started"
    phase: str
    attempt: int
    host: str
    pid: int
    devices: tuple[str, ...] = ()
    details: dict[str, Any] = {}


class Activity(Event):
    """The phase's current activity in a few words ("loading weights"). ``waiting``: it only waits
    for another process, so its rate so far means nothing."""

    kind: Literal["activity"] = "activity"
    text: str
    waiting: bool = False


class Progress(Event):
    """``done`` of ``total`` ``unit``; ``resumed`` of them come from earlier attempts. ``under_way``
    are being worked on at once, and those of them that end first are the short ones."""

    kind: Literal["progress"] = "progress"
    done: int
    total: int
    unit: str
    resumed: int = 0
    under_way: int = 0


class Metric(Event):
    """Named values at one optimiser step (in generation: batch number)."""

    kind: Literal["metric"] = "metric"
    step: int
    values: dict[str, JsonFloat]
    epoch: JsonFloat | None = None


class Sample(Event):
    """A generated answer to show, right or wrong. ``target``: the right answer, if known."""

    kind: Literal["sample"] = "sample"
    item: str
    prompt: str
    text: str
    verdict: Verdict | None = None
    label: str = ""
    target: str = ""


class Answering(Event):
    """Which engine generates the answers, and with which weights.

    ``engine``: ``builtin`` or ``vllm``; ``version`` of the latter. ``policy``: the weights that
    answer, in words. ``startup_s``: seconds waited for the server, 0 if it was ready. ``parity``:
    mean difference of log-probabilities, in nats per token, from the model as it was trained; None
    if not checked.
    """

    kind: Literal["answering"] = "answering"
    engine: str
    version: str = ""
    policy: str = ""
    startup_s: JsonFloat = 0.0
    parity: JsonFloat | None = None

    @property
    def text(self) -> str:
        """``answered by vllm 0.32.0: bf16 base with its adapter, …``, in a line."""
        known = "not checked" if self.parity is None else f"{self.parity:.4f} nats a token"
        named = f"{self.engine} {self.version}".strip()
        said = f"answered by {named}: {self.policy}"
        if self.engine == "builtin":
            return said
        waited = f"waited {self.startup_s:.0f} s for it" if self.startup_s >= 1 else "was running"
        return f"{said}; against the model itself: {known}; {waited}"


class Scored(Event):
    """A score of one model on one task with one prompt style."""

    kind: Literal["score"] = "score"
    task: str
    prompt: str
    method: str
    score: Score


class Resource(Event):
    """Memory in MiB, utilisation in 0..100, per device; ``rss`` of the process tree."""

    kind: Literal["resource"] = "resource"
    rss: JsonFloat
    cpu: JsonFloat
    gpus: tuple[dict[str, JsonFloat], ...] = ()


class Cost(Event):
    """Cost of this phase so far, over all attempts. ``possible``: the most that interrupted
    replies may have cost on top of ``spent``."""

    kind: Literal["cost"] = "cost"
    requests: int
    prompt_tokens: int
    completion_tokens: int
    spent: JsonFloat
    currency: str
    possible: JsonFloat = 0.0

    @property
    def text(self) -> str:
        """``1.2400 USD``, followed by ``possible`` unless it is 0."""
        on_top = f" (+{self.possible:.4f} possibly, for replies cut off)" if self.possible else ""
        return f"{self.spent:.4f} {self.currency}{on_top}"


class Artefact(Event):
    """A file that now exists, relative to the phase folder."""

    kind: Literal["artefact"] = "artefact"
    path: str
    what: str
    count: int | None = None


class Message(Event):
    """A message for the user. A ``code`` names a known condition, for panels to pin."""

    kind: Literal["message"] = "message"
    level: Literal["info", "warning", "error"]
    text: str
    code: str = ""


class CheckpointSaved(Event):
    """A checkpoint to resume from."""

    kind: Literal["checkpoint_saved"] = "checkpoint_saved"
    step: int
    path: str


class PhaseFinished(Event):
    """Last event. ``done`` is only written after the manifest exists."""

    kind: Literal["phase_finished"] = "phase_finished"
    outcome: Literal["done", "failed", "stopped"]
    error: str = ""
    figures: dict[str, Any] = {}


class Unknown(Event):
    """A kind that this version does not know, kept whole."""


class _Known:
    """Any event of the kinds in :data:`engine.schema.kinds.EVENTS`."""

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        return one_of(EVENTS, handler)


@cache
def _known() -> TypeAdapter[Any]:
    """Built at the first line read, when all kinds' classes can be imported."""
    return TypeAdapter(_Known)


def undeclared(event: Event) -> list[str]:
    """An event's parts that this version doesn't know: its kind, or fields at any depth."""
    if type(event) is Event or isinstance(event, Unknown):
        return [f"kind {event.kind!r}"]
    return list(_undeclared(event, ""))


def _undeclared(value: object, at: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from (f"field {at + name!r}" for name in value.model_extra or ())
        for name in type(value).model_fields:
            yield from _undeclared(getattr(value, name), f"{at}{name}.")


def encode(event: Event) -> bytes:
    """One line, newline included, with a checksum at its end."""
    return with_sum(event.model_dump_json().encode()) + b"\n"


def decode(line: bytes) -> Event | None:
    """The event of a line; ``None`` when the line is no JSON object with a kind, or was changed
    (lines of older versions have no checksum)."""
    whole = without_sum(line)
    if whole is None:
        return None
    try:
        return _known().validate_json(whole)  # type: ignore[no-any-return]
    except ValidationError:
        return _decode_unknown(whole)


def _decode_unknown(line: bytes) -> Event | None:
    try:
        return Unknown.model_validate(json.loads(line))
    except (ValueError, RecursionError):
        return None
