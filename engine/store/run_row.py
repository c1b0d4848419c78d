"""A run as a list shows it: light enough to hold ten thousand, and read without pydantic."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from engine.schema.accuracy import Accuracy

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from engine.schema.specs import Arm, FollowUp
    from engine.store.phase_log import State

FIGURES = (  # of an accuracy, in the index; a later version may only append
    "task", "prompt", "method", "split", "accuracy", "low", "high", "correct", "total", "unparsed",
    "truncated", "mean_tokens", "with_steps", "legacy", "tiers",
)  # fmt: skip
WINDOW = -12  # bits of deflate's, without a header: small, so ten thousand are quickly made
USUAL = (  # what the ends of all documents say, the commonest last
    b'"refine-","elicit-","instruct-","annotate-"],"marks":[["logprob","train",0.0,0.0]]'
    b'","cot","match","test",0.","plain","match","test",0.,1.0,"phases":["evaluate-","evaluate-'
)


@dataclass(frozen=True, slots=True)
class RunRow:
    """What a list of runs shows, and what the registry keeps: scalars and accuracies only.

    ``state``, ``ladder`` and ``packed`` are as of the last look; for a run that isn't finished
    they are looked at again. ``ladder``: one state a kind of phase, None where the run has none.
    ``seconds``: what its finished phases took, shared ones too; ``working_since``: when the
    phase at work began. ``plain``, ``cot``: accuracy in 0..1 on ``scored_on``, the task it was
    trained on (the first evaluated one where it was trained on none). ``packed``: phases, what
    they need and accuracies as :func:`pack` made them, read when asked for. ``curated``: how many
    pairs a person has left out; such a run is no cell of its experiment's tables. ``written``:
    when the run's file, of which the row was made, was written (in ns, 0 in an older index).
    """

    run_id: str
    created: datetime
    name: str
    experiment: str
    arm: Arm | FollowUp
    teacher: str | None
    student: str | None
    in_family: bool | None
    task: str | None
    refine_task: str | None
    fraction: int
    seed: int
    finished: datetime | None
    seconds: float | None
    tags: tuple[str, ...]
    note: str
    state: State
    ladder: tuple[State | None, ...]
    scored_on: str | None
    plain: float | None
    cot: float | None
    packed: bytes
    working_since: datetime | None = None
    rounds: int = 1
    curated: int = 0
    written: int = 0

    @property
    def is_cell(self) -> bool:
        """Of its experiment's tables; a judgement or a merged student is none."""
        return self.arm not in ("judge", "merge")

    @property
    def phase_ids(self) -> tuple[str, ...]:
        return tuple(self._unpacked()["phases"])

    @property
    def needs(self) -> dict[str, tuple[str, ...]] | None:
        """Phase -> the phases that it needs, in their order; None where an older index, which
        didn't keep them, made the row."""
        told = self._unpacked()
        ids, inputs = told["phases"], told.get("needs")
        if inputs is None:
            return None
        pairs = zip(ids, inputs, strict=True)
        return {phase: tuple(ids[at] for at in places) for phase, places in pairs}

    @property
    def phases(self) -> tuple[tuple[str, str], ...]:
        return tuple((kind_of(phase_id), phase_id) for phase_id in self.phase_ids)

    @property
    def accuracies(self) -> tuple[Accuracy, ...]:
        """Of the finished evaluations."""
        found = self._unpacked()["marks"]
        return tuple(Accuracy.of(dict(zip(FIGURES, values, strict=False))) for values in found)

    @property
    def trained_on(self) -> str:
        """``A``, ``A > B`` for cross-task runs; empty where nothing was trained."""
        if self.refine_task in (None, self.task):
            return self.task or ""
        return f"{self.task} > {self.refine_task}"

    def _unpacked(self) -> dict[str, Any]:
        return cast("dict[str, Any]", json.loads(b"{%b}" % unpack(self.packed)))


def pack(
    phase_ids: Iterable[str],
    accuracies: Iterable[Accuracy],
    inputs: Iterable[Iterable[str]] | None = None,
) -> bytes:
    """``"phases": …, "marks": …, "needs": …``, the end of a registry's document, compressed: ten
    thousand of them are in memory. Shares to six decimals; ``inputs`` of each phase as places."""
    figures = [[_short(value) for value in one.figures().values()] for one in accuracies]
    value: dict[str, Any] = {"phases": list(phase_ids), "marks": figures}
    if inputs is not None:
        places = {phase: at for at, phase in enumerate(value["phases"])}
        value["needs"] = [[places[i] for i in needed if i in places] for needed in inputs]
    return squeeze(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()[1:-1])


def squeeze(text: bytes) -> bytes:
    """The end of a document as a row keeps it."""
    packer = zlib.compressobj(1, wbits=WINDOW, memLevel=5, zdict=USUAL)
    return packer.compress(text) + packer.flush()


def unpack(packed: bytes) -> bytes:
    """The end of a document as the registry's file has it."""
    return zlib.decompressobj(WINDOW, USUAL).decompress(packed)


def _short(value: object) -> object:
    return round(value, 6) if isinstance(value, float) else value


def kind_of(phase_id: str) -> str:
    return phase_id.partition("-")[0]
