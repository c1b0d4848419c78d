"""The extension surface on one page: what a new task, teacher or launcher must offer.

Nothing here imports torch or any training library; implementations are named in
:mod:`engine.catalog` and imported when they are used.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping, Sequence
    from pathlib import Path

    from engine.schema.cards import ModelCard, TaskSource
    from engine.schema.events import Answering
    from engine.schema.records import Finish
    from engine.schema.settings import GenerationSettings
    from engine.store.layout import AttemptDir, PhaseDir
    from engine.store.phase_log import Probe

Split = Literal["train", "test"]
AnswerKind = Literal["choice", "number", "math"]
PromptStyle = Literal["plain", "cot"]
Slot = Literal["gpu", "cpu", "api"]


@dataclass(frozen=True, slots=True)
class Item:
    """One question of a benchmark, in the form every phase works on.

    Attributes:
        id: unique within task and split; stable across loads of the same source.
        question: the text after ``Question:``, without the choices.
        choices: option texts in the order of their letters; empty for numeric tasks.
        target: the gold letter (``"C"``), the gold number as plain decimal text
            (``"-1200"``), or, for ``math``, the LaTeX inside ``\\boxed{}``.
        group: what class-balanced sampling balances: the letter, a subject, or "".
    """

    id: str
    question: str
    choices: tuple[str, ...]
    target: str
    group: str = ""


class Task(Protocol):
    """A benchmark: where its rows come from and how a row becomes an :class:`Item`.

    ``former_instructions``: the lines that ``instruction`` has replaced, oldest first. They stay,
    since a run that was begun with one goes on with it; see ``engine.tasks.prompts``. ``sizes``:
    how many questions its train and test split have, about.
    """

    name: str
    instruction: str
    former_instructions: tuple[str, ...]
    kind: AnswerKind
    default_source: TaskSource
    sizes: tuple[int, int]

    @property
    def trains(self) -> bool:
        """False for a benchmark without a train split, which is for evaluation only."""
        ...

    def load(
        self, source: TaskSource, split: Split, tell: Callable[[str], None] = ...
    ) -> list[Item]:
        """All items of a split, in the source's order; ``UserError`` when it can't be read, or
        when a row of it can't be asked or scored. A source may have such rows left out
        (``skip_bad_rows``): then ``tell`` gets a line about them."""
        ...


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that the model is to finish: what it has said, and the words to go on from."""

    text: str
    cue: str


@dataclass(frozen=True, slots=True)
class Question:
    """One prompt for a model.

    Attributes:
        key: what its reply is filed under; unique among the questions of a phase.
        prompt: the user message, before the chat template.
        seed: of the item's own random stream; the same whatever batch it lands in.
        tries: replies with a content fault that are already on file for this key.
        begun: the answer so far, where it is to be finished. Local models write on behind the
            cue; an endpoint is sent both as turns, since few servers let a turn be continued.
    """

    key: str
    prompt: str
    seed: int
    tries: int = 0
    begun: Begun | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer to one question.

    Attributes:
        text: the raw text, untouched.
        finish: why it ended: ``stop`` (end of text), ``length`` (cut off by the token limit),
            ``filtered`` (refused by the provider), ``empty``, ``refused`` (the server won't take
            this question).
        prompt_tokens, completion_tokens: as counted by whoever generated it.
        final: False for a paid reply with a content fault that will be asked again; it is
            yielded all the same, since it was paid for.
        thinking: what a reasoning model said to itself, where the server keeps it apart.
        why: in words, why there is no text.
    """

    text: str
    finish: Finish
    prompt_tokens: int
    completion_tokens: int
    final: bool = True
    thinking: str = ""
    why: str = ""


Batch = list[tuple[Question, Reply]]


@dataclass(frozen=True, slots=True)
class BrokenOff:
    """A reply that broke off under way: nobody's answer, but its provider may bill it.

    ``prompt_tokens``, ``completion_tokens``: what it can have taken at most; ``why`` in words.
    """

    key: str
    prompt_tokens: int
    completion_tokens: int
    why: str


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where a model is asked.

    Attributes:
        runs: the folder of all runs; what phases share is kept in it.
        devices: what may be used.
        told: takes who answers, and how.
        merge: writes base and adapter of a card as one model into a folder.
    """

    runs: Path
    devices: Devices
    told: Callable[[Answering], None]
    merge: Callable[[ModelCard, Path, Path], None]


class Provider(Protocol):
    """Whoever answers: a local model, an endpoint, a file of ready answers."""

    def answer(
        self, questions: Sequence[Question], done: Container[str] = frozenset()
    ) -> Iterator[Batch]:
        """Yield replies as they come, a batch at a time, in any order.

        ``questions`` are all of the phase, so that work can be laid out the same way in every
        attempt; those whose key is in ``done`` are on file and not answered again. The caller
        files a batch before it asks for the next; an empty batch only gives it a moment to look
        around. Closing the iterator stops the work. ``UserError`` when it can't go on (no key,
        spend cap reached, server gone).
        """
        ...

    def check(self) -> None:
        """``UserError`` for what can be seen before anything is asked: a file that can't be read.
        Cheap enough for a plan."""
        return

    def watch(self, doing: Callable[[str], None]) -> None:
        """Be told from now on, in words, what it does while nothing comes: loading weights, say."""
        return

    def work_at(self, place: Workplace) -> None:
        """Be told before the first question where it works."""
        return

    def land(self) -> bool:
        """Ask nothing new. True while replies are under way: they are still yielded, within a
        minute, and then the iterator ends. False when nothing is lost by closing it."""
        return False

    def broken_off(self) -> list[BrokenOff]:
        """Since the last call; after the iterator was closed, those it cut short too."""
        return []

    @property
    def waiting(self) -> str:
        """What it waits for while nothing comes, in words; empty when all is well."""
        return ""

    @property
    def open(self) -> int:
        """Answers being written. Those of them that end first are the short ones, and don't tell
        how long the others take."""
        return 0


class Tell(Protocol):
    """Takes a line for the person who watches; ``level`` is ``info`` or ``warning``, and ``code``
    names a warning's kind."""

    def __call__(self, text: str, level: str = "info", code: str = "", /) -> None: ...


class ProviderFactory(Protocol):
    """Builds a teacher from its card; cheap, since key, file and weights are looked at when it
    is asked, so that a phase that has all its replies on file needs none of them.

    ``tell`` takes a line for the person who watches (a back-off, a remote-code warning).
    ``spent`` is what earlier attempts have already paid, in the card's currency.
    """

    def __call__(
        self,
        card: ModelCard,
        generation: GenerationSettings,
        tell: Tell,
        spent: float = 0.0,
    ) -> Provider: ...


Handle = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Devices:
    """What a phase may use on each of its machines: GPU indices (none: CPU), and CPU threads.

    It works in one process for each GPU, or for ``each`` of them where a model needs several to
    answer; ``on_cpu``: processes on a machine without. ``shard``: whether a training's weights are
    split among its processes; None: if one can't hold them.
    """

    gpus: tuple[int, ...] = ()
    threads: int = 1
    nodes: int = 1
    on_cpu: int = 1
    shard: bool | None = None
    each: int = 1

    @property
    def processes_a_node(self) -> int:
        return len(self.gpus) // self.each or self.on_cpu

    @property
    def processes(self) -> int:
        return self.nodes * self.processes_a_node

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Devices:
        return cls(**{**value, "gpus": tuple(value["gpus"])})


@dataclass(frozen=True, slots=True)
class Held:
    """What a phase that was started has. ``memory``: GiB of its machine's that it will have taken
    at its peak; 0 where nobody knows. ``slot``: what it counts as."""

    handle: Handle
    devices: Devices
    slot: Slot
    memory: float = 0.0


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a launcher could start now.

    Attributes:
        cards: indices of all GPUs that there are; a launcher without a machine of its own numbers
            as many as one phase may ask for.
        gpus: those of them that no phase of ours has.
        quiet: those of ``gpus`` that nobody else uses either.
        cpu: CPU threads, or, where ``share`` is set, phases that may be on the CPU at once.
        share: CPU threads of each such phase; 0 where nobody has set how many there may be.
        api: phases whose model is elsewhere; filled in by the scheduler.
        threads: CPU threads for a phase on a GPU.
        memory: GiB of the machine's, less what running phases will still take.
        memory_total: GiB that the machine has.
        card_memory: GiB that are free on each GPU; one that is not listed has room for anything.
        alone: nothing of ours runs on the CPU, so a phase that is too large may have all there is.
        asking: the generations that running phases are at; filled in by the scheduler.
        jobs: how many phases a queue elsewhere would take now, whatever is free: it makes them wait
            for devices and for the phases before them. None: the devices above decide.
        each: what a phase of each kind has there, where ``jobs`` is set.
    """

    cards: tuple[int, ...] = ()
    gpus: tuple[int, ...] = ()
    quiet: tuple[int, ...] = ()
    cpu: int = 0
    share: int = 0
    api: int = 0
    threads: int = 1
    memory: float = math.inf
    memory_total: float = math.inf
    card_memory: Mapping[int, float] = field(default_factory=dict)
    alone: bool = True
    asking: frozenset[str] = frozenset()
    jobs: int | None = None
    each: Mapping[str, Devices] = field(default_factory=dict)


class Poll(NamedTuple):
    """What a launcher knows of an attempt: ``pending`` (handed over, not begun), ``running``,
    ``exited``, ``withdrawn`` (it never began, and never will: nothing of it is left), or
    ``unknown``, where its heartbeat decides. ``code``: how it ended, where that is known; ``why``:
    in words, what it is pending for, how it ended, or why it is unknown for now. ``again``: it
    ended by no fault of its own, and is tried again by itself. ``others``: how far those are that
    were handed over with it."""

    state: Probe
    code: int | None = None
    why: str = ""
    again: bool = False
    others: str = ""


class Launcher(Protocol):
    """Starts phases that outlive whoever started them, and knows how they fare.

    A handle is plain JSON and is written into the attempt, so that any later process can go on
    with it: it may be a process id with what proves it, or the id of a cluster's job. One object
    serves a whole process, and all of its threads.
    """

    def capacity(self, held: Sequence[Held], at_once: int | None) -> Capacity:
        """What could be started now, beside what it has started already (``held``). ``at_once``:
        how many phases a person wants on the CPU at once. Nothing while a start would have to
        wait; asked again soon, so it must not block."""
        ...

    def start(self, phase: PhaseDir, attempt: AttemptDir, devices: Devices) -> Handle:
        """``OSError`` when nothing could be started; then nothing is running or pending. Where
        ``jobs`` of the capacity is set, it is asked for phases too whose inputs are still made by
        jobs of its own."""
        ...

    def poll(self, handles: Mapping[AttemptDir, Handle]) -> Mapping[AttemptDir, Poll]:
        """How they all fare. Several times a second, and by every screen: whoever must ask a
        server for it keeps the answer for some seconds, and when there is none goes on with the
        last one, or says ``unknown``."""
        ...

    def cancel(self, handles: Mapping[AttemptDir, Handle]) -> None:
        """End them now, with all that they have started, be they pending, running or gone. (A
        phase that runs was asked to stop before, and given time.)"""
        ...


@runtime_checkable
class TogetherLauncher(Protocol):
    """A launcher with a queue elsewhere that takes phases that need the same as one job."""

    def start_together(
        self, places: Sequence[tuple[PhaseDir, AttemptDir]], devices: Devices
    ) -> list[Handle]:
        """As :meth:`Launcher.start` for each, in their order; ``OSError`` when none is started."""
        ...
