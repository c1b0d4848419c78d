"""Why a phase has to be done: the finished phase that is nearest to it, and what differs.

A phase is done again when anything differs that its result depends on. What another model did with
another task is no neighbour. Names here are those of the settings; an input counts as the same
where it is itself nearest to the other's input.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, Any

from engine.schema.errors import UserError
from engine.schema.varied import value_text

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

    from engine.schema.phase import PhaseSpec
    from engine.store.layout import PhaseDir, RunsFolder

# what lists in a phase's identity hold, by their key
PARTS = {"fraction": ("fraction", "data_seed"), "what": ("prompt", "split", "limit", "method")}
OF_A_MODEL = ("teacher", "student", "model", "judge")
HASH_SHOWN = 12
SHOWN = 4  # differences in a line
_Known = tuple["PhaseSpec", dict[str, str]]  # a finished phase, and its traits


@dataclass(frozen=True, slots=True)
class Difference:
    """A value that a phase's result depends on: here, and in the finished phase."""

    name: str
    here: str
    there: str

    @property
    def text(self) -> str:
        return f"{self.name} {self.here} here, {self.there} there"


@dataclass(frozen=True, slots=True)
class Explained:
    """A phase to be done, and why. ``nearest``: the id of the finished phase that is nearest to it,
    empty when none like it is finished. ``waits_for``: inputs that are to be done themselves.
    """

    phase: PhaseSpec
    nearest: str
    differences: tuple[Difference, ...]
    waits_for: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """Why, in a line: ``learning_rate 5e-6 here, 1e-6 there (refine-0123456789abcdef)``."""
        if not self.nearest:
            return f"no {self.phase.kind} phase like it is finished here yet"
        said = [one.text for one in self.differences[:SHOWN]]
        more = len(self.differences) - SHOWN
        said += [f"{more} more"] if more > 0 else []
        if self.waits_for:
            said.append(f"what it reads is to be done too ({', '.join(self.waits_for)})")
        return f"{'; '.join(said) or 'its files are gone'} (nearest: {self.nearest})"


def explain(
    runs: RunsFolder, phases: Iterable[PhaseSpec], done: Container[str]
) -> tuple[Explained, ...]:
    """Explain each of these phases that isn't ``done``; inputs come first."""
    wanted = [phase for phase in phases if phase.id not in done]
    kinds = {phase.kind for phase in wanted}
    finished: dict[str, list[_Known]] = {}
    for folder in runs.phase_dirs():
        if folder.id.partition("-")[0] in kinds and folder.done and (spec := _finished(folder)):
            finished.setdefault(spec.kind, []).append((spec, traits(spec)))
    alike: dict[str, str] = {}  # a phase to be done -> the finished one that is nearest
    found = []
    for phase in wanted:
        one = _explained(phase, finished.get(phase.kind, []), alike)
        alike[phase.id] = one.nearest
        found.append(one)
    return tuple(found)


def first_to_do(phases: Iterable[PhaseSpec], done: Container[str]) -> list[PhaseSpec]:
    """The phases that are to be done although all that they read is done; the others follow from
    these."""
    wanted = [phase for phase in phases if phase.id not in done]
    ids = {phase.id for phase in wanted}
    return [phase for phase in wanted if ids.isdisjoint(phase.inputs)]


def _finished(folder: PhaseDir) -> PhaseSpec | None:
    try:
        return _spec(folder, folder.manifest_file.stat().st_mtime_ns)
    except (OSError, UserError):
        return None


@lru_cache(maxsize=100_000)
def _spec(folder: PhaseDir, _finished: int) -> PhaseSpec:
    """Cached: a plan is explained at every change while somebody composes it."""
    return folder.spec()


def _explained(phase: PhaseSpec, finished: Iterable[_Known], alike: Mapping[str, str]) -> Explained:
    mine = {name: alike.get(text, text) for name, text in traits(phase).items()}
    waits_for = tuple(i for i in phase.inputs if i in alike)
    near = (known for known in finished if not _strangers(phase, known[0]))
    nearest, theirs = min(
        near, key=lambda known: len(mine.items() ^ known[1].items()), default=(None, {})
    )
    if nearest is None:
        return Explained(phase, "", (), waits_for)
    differ = {name for name, _ in mine.items() ^ theirs.items()}
    names = [name for name in mine | theirs if name in differ]
    return Explained(phase, nearest.id, _told(names, phase, nearest), waits_for)


def _strangers(one: PhaseSpec, other: PhaseSpec) -> bool:
    """Whether both model and task differ, so that to list all differences would say nothing."""
    models = {phase.card.name if phase.card else "" for phase in (one, other)}
    tasks = {phase.reads[0].name if phase.reads else "" for phase in (one, other)}
    return len(models) > 1 and len(tasks) > 1


@lru_cache(maxsize=100_000)
def traits(phase: PhaseSpec) -> dict[str, str]:
    """Everything that a phase's result depends on, by name, as text."""
    plain = {"algorithm": phase.algorithm, "seed": phase.seed}
    return dict(_flat(plain | phase.identity(), ""))


def _flat(value: Any, name: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    elif name in PARTS:
        for part, inner in zip(PARTS[name], value, strict=False):
            yield part, value_text(inner)
    else:
        yield name, value_text(value)


def _told(names: Iterable[str], phase: PhaseSpec, nearest: PhaseSpec) -> tuple[Difference, ...]:
    """The differences in the words of the experiment's file, a model's or data's own in one."""
    mine, theirs = traits(phase), traits(nearest)
    found: dict[str, Difference] = {}
    for name in names:
        head, _, rest = name.partition(".")
        if head in OF_A_MODEL and rest.startswith("source."):
            one = _of_a_model(head, phase, nearest)
        elif head == "task":
            one = _of_the_data(phase, nearest)
        else:
            said = rest if head == "settings" else name.replace("sampling.", "")
            one = Difference(said, _value(phase, name, mine), _value(nearest, name, theirs))
        found.setdefault(one.name, one)
    return tuple(found.values())


def _value(phase: PhaseSpec, name: str, known: Mapping[str, str]) -> str:
    """A value as text. A setting at its default may be missing from an identity."""
    if name in known:
        return known[name]
    try:
        return value_text(reduce(getattr, name.split("."), phase))
    except AttributeError:
        return "none"


def _of_a_model(role: str, phase: PhaseSpec, nearest: PhaseSpec) -> Difference:
    cards = phase.card, nearest.card
    names = [card.name if card else "none" for card in cards]
    origins = [card.source.origin if card else None for card in cards]
    places = [origin.place if origin else "none" for origin in origins]
    if names[0] != names[1]:
        return Difference(role, *names)
    precisions = [str(origin.precision) if origin else "none" for origin in origins]
    if precisions[0] != precisions[1]:
        return Difference(f"{role}'s precision", *precisions)
    revisions = [(o.revision or "")[:HASH_SHOWN] if o else "" for o in origins]
    if revisions[0] != revisions[1]:
        return Difference(f"{role}'s weights", *(f"hash {r or 'unknown'}" for r in revisions))
    return Difference(f"{role}'s source", *places)


def _of_the_data(phase: PhaseSpec, nearest: PhaseSpec) -> Difference:
    tasks = [one.reads[0] if one.reads else None for one in (phase, nearest)]
    names = [task.name if task else "none" for task in tasks]
    if names[0] != names[1]:
        return Difference("task", *names)
    versions = [str(task.prompt_version) if task else "none" for task in tasks]
    if versions[0] != versions[1]:
        return Difference("version of the task's prompt", *versions)
    hashes = [(task.source.revision or "")[:HASH_SHOWN] if task else "" for task in tasks]
    return Difference(f"data of {names[0]}", *(f"hash {h or 'unknown'}" for h in hashes))
