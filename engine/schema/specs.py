"""Run and phase specifications: a run is a path through phases.

A phase is a pure function of its :attr:`fingerprint`: its kind, the settings and revisions that
determine its outcome, and the fingerprints of its inputs. Names, prices and batching are not
part of it, nor is the device or the source code; :data:`ALGORITHM` is raised by hand when a
phase's meaning changes.
"""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, TypeAdapter

from engine.schema.cards import (
    Endpoint,
    Frozen,
    ImportedAnswers,
    LocalWeights,
    ModelCard,
    TaskSource,
)
from engine.schema.identity import identity_of
from engine.schema.settings import (
    AnnotateSettings,
    ElicitSettings,
    GenerationSettings,
    InstructSettings,
    Positive,
    PromptStyle,
    RefineSettings,
    Split,
    setting,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Arm = Literal["baseline", "teacher", "instruct-only", "refine-only", "both"]
JudgeMethod = Literal["compare", "answer"]
Kind = Literal["annotate", "instruct", "elicit", "refine", "evaluate"]
KINDS: tuple[Kind, ...] = ("annotate", "instruct", "elicit", "refine", "evaluate")
ALGORITHM: dict[Kind, int] = dict.fromkeys(KINDS, 1)


_encoder = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _digest(value: Any) -> str:
    return hashlib.sha256(_encoder.encode(value).encode()).hexdigest()[:16]


def _identity_of_model(card: ModelCard) -> dict[str, Any]:
    """What determines a model's answers; a local folder is its content, not its place."""
    source = card.source
    match source:
        case LocalWeights():
            hidden = {"path"} if source.path else set()
            hidden.add("chat_template" if source.template_revision else "template_revision")
            origin: dict[str, Any] = identity_of(source, exclude=hidden)
        case Endpoint():
            origin = source.model_dump(include={"kind", "base_url", "model"})
        case ImportedAnswers():
            origin = identity_of(source, exclude={"path"})
    return {"source": origin, "sampling": identity_of(card.sampling)}


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


class _Phase(Frozen):
    """What all phase specs share; each adds its inputs and its identity."""

    seed: int = 0
    generation: GenerationSettings = GenerationSettings()

    @property
    def inputs(self) -> tuple[str, ...]:
        """Ids of the phases whose outputs this one reads."""
        return ()

    def _identity(self) -> dict[str, Any]:
        raise NotImplementedError

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over everything that determines the outcome."""
        kind: Kind = self.kind  # type: ignore[attr-defined]
        return _digest([kind, ALGORITHM[kind], self.seed, self._identity()])

    @cached_property
    def id(self) -> str:
        """Name of the phase's folder."""
        return f"{self.kind}-{self.fingerprint}"  # type: ignore[attr-defined]

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A changed copy has a fingerprint of its own; pydantic would copy the kept one too."""
        copy = super().model_copy(update=update, deep=deep)
        copy.__dict__.pop("fingerprint", None)
        copy.__dict__.pop("id", None)
        return copy

    @property
    def generation_key(self) -> str | None:
        """Same for phases whose *generations* are the same, whatever is made of them after.

        A phase may take finished generations from another with the same key.
        """
        return None


class AnnotateSpec(_Phase):
    """Teacher x task -> demonstrations."""

    kind: Literal["annotate"] = "annotate"
    teacher: ModelCard
    task: TaskRef
    settings: AnnotateSettings = AnnotateSettings()

    def _generation(self) -> dict[str, Any]:
        return {
            "teacher": _identity_of_model(self.teacher),
            "task": self.task.identity(),
            "settings": identity_of(self.settings, exclude={"keep", "thinking"}),
        }

    def _identity(self) -> dict[str, Any]:
        later = {} if self.settings.thinking == "drop" else {"thinking": self.settings.thinking}
        return self._generation() | {"keep": self.settings.keep} | later

    @property
    def generation_key(self) -> str:
        return _digest(["annotate", ALGORITHM["annotate"], self.seed, self._generation()])


class InstructSpec(_Phase):
    """Student x demonstrations -> adapter. ``fraction``: percent of the kept demonstrations."""

    kind: Literal["instruct"] = "instruct"
    student: ModelCard
    demonstrations: str
    fraction: Annotated[int, Field(ge=1, le=100)] = 100
    data_seed: int = 0
    settings: InstructSettings = InstructSettings()
    tracking: Tracking = Tracking()

    @property
    def inputs(self) -> tuple[str, ...]:
        return (self.demonstrations,)

    def _identity(self) -> dict[str, Any]:
        return {
            "student": _identity_of_model(self.student),
            "targets": self.student.lora_targets,
            "demonstrations": self.demonstrations,
            "fraction": [self.fraction, self.data_seed],
            "settings": identity_of(self.settings, exclude={"checkpoint_every"}),
        }


class ElicitSpec(_Phase):
    """Student (bare when ``adapter`` is None) x the demonstrations' questions -> pairs.

    ``adapter``: of an instruct phase, or in a later round of a refine phase. ``round`` is for
    people: what it stands for follows from the adapter.
    """

    kind: Literal["elicit"] = "elicit"
    student: ModelCard
    adapter: str | None
    demonstrations: str
    fraction: Annotated[int, Field(ge=1, le=100)] = 100
    data_seed: int = 0
    round: Positive = 1
    settings: ElicitSettings = ElicitSettings()

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(i for i in (self.adapter, self.demonstrations) if i)

    def _generation(self) -> dict[str, Any]:
        return {
            "student": _identity_of_model(self.student),
            "adapter": self.adapter,
            "demonstrations": self.demonstrations,
            "fraction": [self.fraction, self.data_seed],
        }

    def _identity(self) -> dict[str, Any]:
        return self._generation() | {"settings": identity_of(self.settings)}

    @property
    def generation_key(self) -> str:
        return _digest(["elicit", ALGORITHM["elicit"], self.seed, self._generation()])


class RefineSpec(_Phase):
    """Student (bare when ``adapter`` is None) x pairs -> adapter; the student that made the pairs
    is the start and the reference, in each round."""

    kind: Literal["refine"] = "refine"
    student: ModelCard
    adapter: str | None
    pairs: str
    round: Positive = 1
    settings: RefineSettings = RefineSettings()
    tracking: Tracking = Tracking()

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(i for i in (self.adapter, self.pairs) if i)

    def _identity(self) -> dict[str, Any]:
        settings = identity_of(self.settings, exclude={"exclude"})
        return {
            "student": _identity_of_model(self.student),
            "targets": self.student.lora_targets,
            "adapter": self.adapter,
            "pairs": self.pairs,
            "settings": settings | {"exclude": sorted(self.settings.exclude)},
        }


class EvaluateSpec(_Phase):
    """Model (card, and an adapter or none) x task x one prompt style -> predictions, score.

    ``limit`` questions are drawn by ``data_seed``. ``answers``: an annotate phase that has asked
    the same model the same questions; what it was told is scored, nothing is asked again.
    ``commit``: answers that state nothing clearly are asked to be finished.
    """

    kind: Literal["evaluate"] = "evaluate"
    model: ModelCard
    adapter: str | None = None
    task: TaskRef
    prompt: PromptStyle
    split: Split = "test"
    limit: int | None = None
    data_seed: int = 0
    method: Literal["match", "logprob"] = "match"
    answers: str | None = None
    commit: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        return tuple(i for i in (self.adapter, self.answers) if i)

    @property
    def twin(self) -> str:
        """The phase that asks the same questions and differs in :attr:`commit` alone."""
        return self.model_copy(update={"commit": not self.commit}).id

    def _identity(self) -> dict[str, Any]:
        later = {"data_seed": self.data_seed, "answers": self.answers, "commit": self.commit}
        return {
            "model": _identity_of_model(self.model),
            "adapter": self.adapter,
            "task": self.task.identity(),
            "what": [self.prompt, self.split, self.limit, self.method],
        } | {name: value for name, value in later.items() if value}


PhaseSpec = Annotated[
    AnnotateSpec | InstructSpec | ElicitSpec | RefineSpec | EvaluateSpec,
    Field(discriminator="kind"),
]
phase_adapter: TypeAdapter[PhaseSpec] = TypeAdapter(PhaseSpec)


class JudgementSpec(Frozen):
    """Two evaluate phases' answers to the same questions, as a judge sees them.

    ``phases`` are in the order of their names, so that A against B and B against A are one.
    ``method``: the judge compares both answers, or it answers the question itself and the answer
    that agrees is preferred.
    """

    phases: tuple[str, str]
    judge: ModelCard
    method: JudgeMethod = "compare"
    prompt_version: int
    seed: int = 0

    @property
    def fingerprint(self) -> str:
        """16 hex digits over all that determines the replies; how many are asked does not."""
        judge = _identity_of_model(self.judge)
        return _digest(["judge", self.phases, judge, self.method, self.prompt_version, self.seed])


class RunSpec(Frozen):
    """One cell of the experiment, with all its phases resolved.

    ``phases`` are in an order in which each comes after its inputs. ``curated``: ids of the pairs
    that a person has left out besides those that the experiment leaves out.
    """

    experiment: str
    arm: Arm
    teacher: str | None
    student: str | None
    teacher_family: str | None = None
    student_family: str | None = None
    task: str | None
    refine_task: str | None = None
    fraction: int = 100
    rounds: int = 1
    seed: int = 0
    phases: tuple[PhaseSpec, ...]
    curated: tuple[str, ...] = ()

    @property
    def in_family(self) -> bool | None:
        """None where there is no pair of teacher and student."""
        if self.teacher_family is None or self.student_family is None:
            return None
        return self.teacher_family == self.student_family

    @property
    def fingerprint(self) -> str:
        return _digest([self.arm, sorted(p.id for p in self.phases)])

    @property
    def title(self) -> str:
        """What the cell is, in a few words."""
        task = self.task or ""
        if self.refine_task and self.refine_task != self.task:
            task = f"{task}>{self.refine_task}"
        parts = [self.arm, self.student, self.teacher and f"<{self.teacher}", task]
        if self.fraction != 100:
            parts.append(f"{self.fraction}%")
        if self.rounds != 1:
            parts.append(f"{self.rounds} rounds")
        if self.curated:
            parts.append(f"curated -{len(self.curated)}")
        return " ".join(p for p in [*parts, f"s{self.seed}"] if p)
