"""The base class of all phase specifications: fingerprint, folder name, inputs and sizes.

A phase is a pure function of its :attr:`~PhaseSpec.fingerprint`: its kind, the settings and
revisions that determine its outcome, and the fingerprints of its inputs. Names, prices and batching
are not part of it, nor is the device or the source code; a kind's ``algorithm`` is raised by hand
when its meaning changes.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Self

from engine.schema.cards import Frozen, ModelCard, TaskSource
from engine.schema.identity import algorithm, identity_of
from engine.schema.kinds import PHASES, one_of
from engine.schema.setting import setting
from engine.schema.settings import (
    GenerationSettings,
    Positive,
    Split,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digest(value: Any) -> str:
    return hashlib.sha256(_encoder.encode(value).encode()).hexdigest()[:16]


def identity_of_model(card: ModelCard) -> dict[str, Any]:
    """The fields that determine a model's answers."""
    return {"source": card.source.identity(), "sampling": identity_of(card.sampling)}


class TaskRef(Frozen):
    """A benchmark with its source resolved to a revision."""

    name: str
    source: TaskSource = TaskSource()
    prompt_version: Positive = setting(
        1, "ours", "which of the task's instruction lines is asked with", since="0.2"
    )

    def identity(self) -> dict[str, Any]:
        """A local file counts by its content (``revision``), not by its place."""
        hidden = {"train", "test", "train_labels", "test_labels"} if self.source.is_local else set()
        source = identity_of(self.source, exclude=hidden)
        return identity_of(self, exclude={"source"}) | {"source": source}


class Tracking(Frozen):
    """Which trackers a training reports to beside its own log, and the project's name there.

    No part of a fingerprint: it changes what is watched, not what comes out.
    """

    report_to: tuple[str, ...] = ()
    project: str = "sirt"


class PhaseSpec(Frozen):
    """A phase's specification; each kind of phase has a subclass.

    ``recipe``: the function that does the work, ``(context, spec) -> figures``.
    ``told``: the figures that are shown first. ``unpacks``: a 16-bit copy of its model is held
    beside the 4-bit one. ``spreads``: it can work in several processes, on several GPUs or nodes.
    ``algorithm``: raised in a kind's class when its recipe changes its
    results with the same settings; a stored phase keeps the number it was planned with.
    """

    recipe: ClassVar[str]
    told: ClassVar[tuple[str, ...]] = ()
    unpacks: ClassVar[bool] = False
    spreads: ClassVar[bool] = False

    kind: str
    algorithm: Positive = algorithm(1)
    seed: int = 0
    generation: GenerationSettings = GenerationSettings()

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        """Pydantic reads any phase with the class named by its kind."""
        return one_of(PHASES, handler) if cls is PhaseSpec else handler(source)

    @property
    def outdated(self) -> bool:
        """Whether it was planned for an older algorithm: it can be read but not run."""
        return bool(self.algorithm != type(self).model_fields["algorithm"].default)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Ids of the phases whose outputs this one reads."""
        return ()

    @property
    def card(self) -> ModelCard | None:
        """The model that it uses, if any."""
        return None

    @property
    def step(self) -> tuple[int, int] | None:
        """The most sequences in one training step, and tokens in each; None where it doesn't
        train."""
        return None

    @property
    def batch_size(self) -> int | None:
        """The examples in one training step; None where it doesn't train."""
        return None

    @property
    def trains(self) -> bool:
        """Whether it trains an adapter."""
        return self.step is not None

    @property
    def reads(self) -> tuple[TaskRef, Split] | None:
        """The benchmark whose rows it reads itself, and which split of it."""
        return None

    @property
    def detail(self) -> str:
        """A few words that set it apart from others of its kind and model: task, prompt, round."""
        return ""

    @property
    def title(self) -> str:
        """``evaluate pocket-boxes cot``, ``annotate gsm8k``, ``instruct``, ``refine round 2``."""
        return f"{self.kind} {self.detail}".rstrip()

    @property
    def what(self) -> str:
        """What it works on, in a few words, for a run's ancestry."""
        return " ".join(word for word in (self.card.name if self.card else "", self.detail) if word)

    def summary(self, figures: Mapping[str, Any]) -> str:
        """A finished phase's main result in words; "" for none."""
        return ""

    @property
    def size(self) -> object:
        """A key for its size: phases of equal kind, model and size take about as long."""
        return None

    @property
    def nature(self) -> object:
        """A key for what it does: phases of equal kind, model and nature do it about as fast."""
        return None

    def questions(self, rows: Callable[[TaskRef, Split], int], of: Mapping[str, int]) -> int:
        """The most questions or pairs it works on. ``rows``: number in a benchmark's split;
        ``of``: the same figure of earlier phases, by their ids."""
        return max((of.get(name, 0) for name in self.inputs), default=0)

    @property
    def prompt_tokens(self) -> int:
        """A guess of a question's tokens, if not counted."""
        return 150

    def passes(self, questions: int) -> float:
        """Its floating-point operations, divided by parameters and by tokens of a question: 2 to
        read or write a token, 6 to train on it."""
        return 2.0 * questions

    def looks(self, questions: int) -> int:
        """How many answers it gives while it trains; see :mod:`engine.training.looks`."""
        return 0

    def _identity(self) -> dict[str, Any]:
        raise NotImplementedError

    def identity(self) -> dict[str, Any]:
        """The values that the fingerprint is of, besides kind, seed and algorithm."""
        return self._identity()

    def _digest(self, identity: dict[str, Any]) -> str:
        return digest([self.kind, self.algorithm, self.seed, identity])

    @cached_property
    def fingerprint(self) -> str:
        """A hash (16 hex digits) of all that determines the outcome."""
        return self._digest(self._identity())

    @cached_property
    def id(self) -> str:
        """Name of the phase's folder."""
        return f"{self.kind}-{self.fingerprint}"

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A changed copy gets its own fingerprint; pydantic would copy the cached one."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("fingerprint", None)
        copy.__dict__.pop("id", None)
        return copy

    @property
    def generation_key(self) -> str | None:
        """A key that is equal for phases with the same *generations*, whatever is made of them.

        A phase may reuse generations from another with this key.
        """
        return None
