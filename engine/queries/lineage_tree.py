"""Draw a run's lineage as a tree for a terminal, from the teacher down to the scores."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from engine.schema.durations import duration
from engine.schema.kinds import PHASES, find
from engine.schema.metrics import FIGURES

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from engine.queries.lineage import (
        Ancestor,
        Lineage,
        Origin,
        Setting,
        Try,
    )

HASH_SHOWN = 16
STATES = {"done": "green", "failed": "bold red", "lost": "bold red", "running": "cyan"}


def draw(found: Lineage, safe: Callable[[str], str]) -> Tree:
    """Draw the tree; ``safe`` makes names and errors printable, so that none is read as markup."""
    tree = Tree(_head(found, safe), guide_style="dim")
    nodes: dict[str, Tree] = {}
    models: dict[str, Tree] = {}
    for phase in found.phases:
        if phase.parent is not None:
            above = nodes[phase.parent]
        elif (model := phase.model).name:
            if model.name not in models:
                models[model.name] = tree.add(_model(found, model, safe))
            above = models[model.name]
        else:
            above = tree
        nodes[phase.id] = above.add(_phase(phase, safe))
    return tree


def environments(found: Lineage) -> list[str]:
    """Name the versions that made the phases, in one line where all agree."""
    made_with = found.environments
    if not made_with:
        return ["the versions that made it were not recorded"]
    lines = []
    for (program, commit, python, libraries), phases in made_with.items():
        versions = ", ".join(f"{name} {version}" for name, version in libraries if version)
        who = "made with" if len(phases) == len(found.phases) else f"{', '.join(phases)} with"
        at = f" at {commit}" if commit else ""
        lines.append(f"{who} sirt {program}{at}; python {python}, {versions}")
    return lines


def _head(found: Lineage, safe: Callable[[str], str]) -> Group:
    title = Text()
    title.append(found.run_id, "bold")
    title.append(f"  {safe(found.name)}  ")
    title.append(found.state, STATES.get(found.state, ""))
    lines: list[RenderableType] = [title]
    about = [f"experiment {found.experiment}", f"arm {found.arm}", f"created {when(found.created)}"]
    about += [f"{found.fraction} % of the data"] if found.fraction != 100 else []
    lines.append(Text("  ".join(about), "dim"))
    if found.tags or found.note:
        said = " ".join([*(f"#{tag}" for tag in found.tags), found.note])
        lines.append(Text(safe(said), "dim"))
    student = next((p.model for p in found.phases if p.model.name == found.student), None)
    if student is not None:
        lines.append(_origin("student", student, safe))
    return Group(*lines)


def _model(found: Lineage, model: Origin, safe: Callable[[str], str]) -> Text:
    return _origin("teacher" if model.name == found.teacher else "model", model, safe)


def _origin(role: str, model: Origin, safe: Callable[[str], str]) -> Text:
    text = Text()
    text.append(f"{role} {safe(model.name)}", "bold")
    parts = [f"family {model.family}", model.source, model.precision or ""]
    parts += [f"revision {model.revision}"] if model.revision else []
    parts += [f"temperature {model.sampling['temperature']:g}"]
    text.append("  " + safe(" · ".join(part for part in parts if part)), "dim")
    return text


def _phase(phase: Ancestor, safe: Callable[[str], str]) -> Group:
    title = Text()
    title.append(phase.kind, "bold")
    title.append(f" {phase.fingerprint} ")
    title.append(phase.state, STATES.get(phase.state, "yellow"))
    title.append(f"  {safe(phase.what)}")
    if phase.score is not None:
        title.append(f"  {phase.score.text} % of {phase.score.total}", "bold")
    lines = [title, *(Text(safe(line), "dim") for line in _details(phase))]
    return Group(*lines)


def _details(phase: Ancestor) -> list[str]:
    lines = []
    if phase.error:
        lines.append(phase.error)
    lines += [phase.taken.told] if phase.taken else []
    lines += phase.accepted
    if phase.nearest:
        lines.append(f"not reused: {phase.nearest}")
    if phase.data is not None and phase.score is None:
        at = f" at revision {phase.data.revision}" if phase.data.revision else ""
        lines.append(f"data: {phase.data.name}, {phase.data.source}{at}")
    others = [name for name in phase.inputs if name != phase.parent]
    if others:
        lines.append(f"also reads {', '.join(others)}")
    if figures := _figures(phase):
        lines.append(" · ".join(figures))
    if phase.changed:
        lines.append("settings: " + ", ".join(map(setting, phase.changed)))
    lines.append(" · ".join([f"seed {phase.seed}", *_attempts(phase.attempts)]))
    lines += [
        f"{path}  sha256 {facts['sha256'][:HASH_SHOWN]}…  {facts['bytes']:,} bytes"
        for path, facts in phase.files.items()
    ]
    return lines


def _figures(phase: Ancestor) -> list[str]:
    if phase.score is not None:
        return [f"unparsed {phase.score.unparsed:.1%}", f"cut off {phase.score.truncated:.1%}"]
    return [
        f"{f'{FIGURES[name]}:' if name in FIGURES else name.replace('_', ' ')} "
        f"{number(phase.figures[name])}"
        for name in find(PHASES, "phase", phase.kind).told
        if phase.figures.get(name) is not None
    ]


def _attempts(attempts: tuple[Try, ...]) -> list[str]:
    if not attempts:
        return ["no attempt here"]
    last = attempts[-1]
    parts = [f"attempt {last.number}: {last.outcome}"]
    if last.started:
        parts.append(when(last.started))
    if last.started and last.finished and last.finished >= last.started:
        parts.append(duration((last.finished - last.started).total_seconds()))
    if last.host:
        parts.append(f"on {last.host} ({', '.join(last.devices) or 'cpu'})")
    return parts


def setting(one: Setting) -> str:
    """Write a setting with its default in brackets: ``learning_rate 0.0009 (2e-05)``."""
    return f"{one.name} {number(one.value)} ({number(one.default)})"


def number(value: Any) -> str:
    """Write a float with four significant digits, and anything else as it is."""
    if value is None:
        return "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def when(moment: datetime | str) -> str:
    """Write a time to the minute, in UTC."""
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return f"{moment:%Y-%m-%d %H:%M} UTC"
