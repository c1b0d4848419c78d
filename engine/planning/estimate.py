"""How long, how much memory and how much money a plan will take.

Estimates rest on what similar finished phases took; where there is none, the figure comes from
the model's size and is called rough. The rates behind rough figures are deliberately low, so
that plans more often end early than late.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal, NamedTuple

from engine.machine import devices
from engine.machine.vllm import is_installed
from engine.planning.amounts import amounts_of, work_of
from engine.planning.engines import GAIN, START_S, served_model, server_gib
from engine.planning.history import history, likeness, nature
from engine.planning.left import left_of
from engine.planning.memory import lone_threads, measured_gib, needed_gib, parameters_of
from engine.schema.settings import LOOK_TOKENS
from engine.store.spending import money

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from engine.planning.history import Likeness, Witness
    from engine.planning.plan import Plan
    from engine.schema.cards import ModelCard
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder

ANSWER_TOKENS = 200
# FLOP/s that phases of this kind reach: on a GPU a few per cent of its peak when generating, about
# a third of it when training; on a CPU core as measured (BENCHMARKS.md, "Estimates of time")
GPU_FLOPS = {"generate": 5e12, "train": 1e14}
CPU_FLOPS = {"generate": 7e10, "train": 1.2e11}
BF16_GAIN = {"generate": 2.0, "train": 1.2}  # on CPUs with instructions for it; measured there
OVERHEAD_S = 5.0
MEASURED = "measured in finished phases like it"
BY_SIZE = "estimated from the model's size"


@dataclass(frozen=True, slots=True)
class Estimate:
    """Time, memory and money for what is still to do of all phases.

    ``seconds``: one by one, on one device. ``looks``: of them, roughly, those in which trainings
    answer prompts. ``from_history``, ``rough``, ``unknown``: how many phases each kind of figure
    rests on. ``money``: per currency, paid teachers at their cards' prices. ``memory``: GiB of the
    largest phase of each kind, weights and activations; ``measured``: the kinds whose figure is of
    finished phases like it, not by the model's size. ``passed_over``: a line for each finished
    phase too damaged to measure from. ``unpriced``: cards of endpoints that don't say their price.
    """

    seconds: float
    looks: float
    from_history: int
    rough: int
    unknown: int
    money: dict[str, float]
    memory: dict[str, float]
    on_gpu: bool
    passed_over: tuple[str, ...] = ()
    measured: frozenset[str] = frozenset()
    unpriced: tuple[str, ...] = ()

    @property
    def memory_gib(self) -> float | None:
        """The largest phase's memory; None without local models."""
        return max(self.memory.values(), default=None)

    @property
    def memory_measured(self) -> bool:
        """Whether that figure is of finished phases like it."""
        return max(self.memory, key=self.memory.__getitem__, default="") in self.measured

    @property
    def memory_basis(self) -> str:
        """What that figure rests on, in words."""
        return MEASURED if self.memory_measured else BY_SIZE

    @property
    def costs(self) -> str:
        """What endpoints charge, in words: ``about 3.10 USD; unknown of gpt: its card has no
        price``; "" where there are none."""
        known = ", ".join(money(amount, currency) for currency, amount in self.money.items())
        parts = [f"about {known}"] if known else []
        if self.unpriced:
            has = "its card has" if len(self.unpriced) == 1 else "their cards have"
            parts.append(f"unknown of {', '.join(self.unpriced)}: {has} no price")
        return "; ".join(parts)

    @property
    def speed(self) -> str:
        """The rates that the rough figures assume."""
        flops = GPU_FLOPS if self.on_gpu else CPU_FLOPS
        generate, train = (f"{flops[kind] / 1e9:,.0f}" for kind in ("generate", "train"))
        each = "" if self.on_gpu else " a core"
        return f"{generate} GFLOP/s{each} when generating, {train} in training"


def estimate(plan: Plan, runs: RunsFolder, on_gpu: bool) -> Estimate:
    """Time, memory and money for the phases of a plan still to do."""
    to_do = plan.to_do
    amounts = amounts_of(plan.phases, runs)
    rest = left_of(to_do, runs, amounts)
    passed_over: list[str] = []
    past_phases = history(runs, passed_over) if to_do else {}
    counts = {"history": 0, "rough": 0, "unknown": 0}
    seconds = looks = 0.0
    charged: dict[str, float] = defaultdict(float)
    unpriced: dict[str, None] = {}
    there, started = is_installed(runs.root), set[str]()
    memory = _largest(to_do, on_gpu, there, past_phases)
    for spec in to_do:
        served = served_model(spec, on_gpu, there)
        looks += rest[spec.id] * _look_seconds(spec, amounts[spec.id], on_gpu)
        took = expected(spec, amounts[spec.id], on_gpu, bool(served), past_phases)
        took = took.of(rest[spec.id])
        counts[took.basis] += 1
        seconds += took.seconds or 0.0
        if took.basis == "rough":
            seconds += START_S if served and served not in started else 0.0
            started.add(served)
        if spec.card and (currency := spec.card.source.bills_in):
            asked = round(rest[spec.id] * amounts[spec.id])
            tokens = asked * spec.prompt_tokens, asked * ANSWER_TOKENS
            if spec.card.source.price(ANSWER_TOKENS, ANSWER_TOKENS):
                charged[currency] += spec.card.source.price(*tokens)
            else:
                unpriced[spec.card.name] = None
    return Estimate(
        seconds,
        looks,
        counts["history"],
        counts["rough"],
        counts["unknown"],
        dict(charged),
        {kind: needed.gib for kind, needed in memory.items()},
        on_gpu,
        tuple(passed_over),
        frozenset(kind for kind, needed in memory.items() if needed.measured),
        tuple(unpriced),
    )


class Needed(NamedTuple):
    """A phase's memory in GiB, and whether it was measured in phases like it."""

    gib: float
    measured: bool


def _largest(
    to_do: Iterable[PhaseSpec],
    on_gpu: bool,
    engine_there: bool,
    past: Mapping[Likeness, Sequence[Witness]],
) -> dict[str, Needed]:
    """By kind, what its largest phase needs."""
    found: dict[str, Needed] = {}
    for spec in to_do:
        if (size := needed_gib(spec, on_gpu, past)) is None:
            continue
        needed = Needed(size, measured_gib(spec, on_gpu, past) is not None)
        if spec.card and not on_gpu and served_model(spec, on_gpu, engine_there):
            needed = Needed(server_gib(spec.card), measured=False)
        found[spec.kind] = max(needed, found.get(spec.kind, needed))
    return found


class Expected(NamedTuple):
    """How long a phase will take, on one GPU where it takes one, and what that rests on; no seconds
    where it is unknown."""

    seconds: float | None
    basis: Literal["history", "rough", "unknown"]

    def of(self, left: float) -> Expected:
        """The same of a phase of whose work this share is left; it has to start anyway."""
        if self.seconds is None:
            return self
        start = min(OVERHEAD_S, self.seconds)
        return self._replace(seconds=start + left * (self.seconds - start))


def expected(
    spec: PhaseSpec,
    questions: int,
    on_gpu: bool,
    served: bool,
    past: Mapping[Likeness, Sequence[Witness]],
) -> Expected:
    """The median of what finished phases of this size took, else of what those of another size
    took, by the share of the work; else :func:`rough_seconds`."""
    alike, kin = (
        [one for one in past.get(key, ()) if _on_such(one, spec, on_gpu)]
        for key in (likeness(spec), nature(spec))
    )
    took = [_alone(one.seconds, one, spec) for one in alike if one.seconds is not None]
    took = took or _by_work(spec, spec.passes(questions), kin)
    if took:
        return Expected(median(took), "history")
    rough = rough_seconds(spec, questions, on_gpu, served)
    return Expected(rough, "unknown" if rough is None else "rough")


def _on_such(one: Witness, spec: PhaseSpec, on_gpu: bool) -> bool:
    """Whether it was measured on the kind of device that the phase is to run on, as far as known:
    it may have come from another machine."""
    here = spec.card is not None and spec.card.source.needs_device
    return one.gpus is None or not here or bool(one.gpus) == on_gpu


def _alone(seconds: float, one: Witness, spec: PhaseSpec) -> float:
    """What so many seconds of a phase would be on one GPU, of several of which it may have had, or
    with this machine's cores for itself, of which those that ran beside others had fewer."""
    if one.gpus:
        return seconds * one.gpus
    return seconds * one.threads / lone_threads(spec.card) if one.threads else seconds


def _by_work(spec: PhaseSpec, work: float, past: Iterable[Witness]) -> list[float]:
    """What so much work would have taken at the rates of these phases. Less work never takes
    longer than was measured, as a guess by the model's size might."""
    found: list[float] = []
    for one in past:
        if one.seconds is not None and one.folder is not None and (theirs := work_of(one.folder)):
            start = min(OVERHEAD_S, one.seconds)
            found.append(start + _alone(one.seconds - start, one, spec) * work / theirs)
    return found


def expectations(
    specs: Iterable[PhaseSpec],
    runs: RunsFolder,
    on_gpu: bool,
    past: Mapping[Likeness, Sequence[Witness]],
) -> dict[str, Expected]:
    """How long each of these phases will take by itself, a server's start left out."""
    specs, there = list(specs), is_installed(runs.root)
    amounts = amounts_of(specs, runs)
    return {
        spec.id: expected(
            spec, amounts[spec.id], on_gpu, bool(served_model(spec, on_gpu, there)), past
        )
        for spec in specs
    }


def seconds_left(plan: Plan, runs: RunsFolder, took: Mapping[str, Expected]) -> dict[str, float]:
    """Seconds of what is left of each phase to be done, of those that ``took`` says it takes whole;
    0 where that is unknown."""
    rest = left_of(plan.to_do, runs, amounts_of(plan.phases, runs))
    return {spec.id: took[spec.id].of(rest[spec.id]).seconds or 0.0 for spec in plan.to_do}


def rough_seconds(spec: PhaseSpec, questions: int, on_gpu: bool, served: bool) -> float | None:
    """Seconds by the model's size; None where that is unknown."""
    card = spec.card
    if card is None:
        return OVERHEAD_S
    if not card.source.needs_device:
        return OVERHEAD_S + card.source.seconds(questions)
    if not (parameters := parameters_of(card)):
        return None
    tokens = min(ANSWER_TOKENS, card.sampling.max_new_tokens) + spec.prompt_tokens
    rate = GPU_FLOPS[_work(spec)] if on_gpu else _cpu_rate(_work(spec), card)
    if served:
        rate *= GAIN["gpu" if on_gpu else "cpu"]
    looks = _look_seconds(spec, questions, on_gpu)
    return OVERHEAD_S + spec.passes(questions) * tokens * parameters / rate + looks


def _look_seconds(spec: PhaseSpec, questions: int, on_gpu: bool) -> float:
    """What the answers at looks at a training take; 0 where it gives none."""
    card, answers = spec.card, spec.looks(questions)
    if card is None or not answers or not (parameters := parameters_of(card)):
        return 0.0
    tokens = min(LOOK_TOKENS, card.sampling.max_new_tokens) + spec.prompt_tokens
    rate = GPU_FLOPS["generate"] if on_gpu else _cpu_rate("generate", card)
    return 2.0 * answers * tokens * parameters / rate


def _work(spec: PhaseSpec) -> str:
    return "train" if spec.trains else "generate"


def _cpu_rate(work: str, card: ModelCard) -> float:
    rate = CPU_FLOPS[work] * lone_threads(card)
    bf16 = card.source.weights is not None and card.source.weights.precision == "bf16"
    gain = BF16_GAIN[work] if bf16 and devices.has_bf16() else 1
    return rate * gain
