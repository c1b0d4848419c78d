"""What a run's phases measured, as curves: one group at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from textual.binding import Binding, BindingType
from textual.containers import Vertical

from sirt_tui.panels import x_axis
from sirt_tui.panels.run_panel import RunPanel
from sirt_tui.panels.titles import entitle
from sirt_tui.widgets.chart import (
    Chart,
    GrowingSeries,
    Series,
    Threshold,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.app import ComposeResult

    from engine.queries.runs import PhaseStatus
    from sirt_tui.panels.run_panel import RunView

LN2 = Threshold("ln 2", math.log(2))


@dataclass(frozen=True, slots=True)
class Group:
    """Curves that are read together. ``metrics``: name of the event -> name in the legend."""

    title: str
    metrics: dict[str, str]
    thresholds: tuple[Threshold, ...] = ()


LOSS = {"loss": "train", "eval_loss": "held out"}
INSTRUCT = (
    Group("instruct loss", LOSS),
    Group("instruct token accuracy", {"mean_token_accuracy": "tokens right"}),
)
REFINE = (
    Group("refine loss", LOSS, (LN2,)),
    Group("reward margin", {"rewards/margins": "train", "eval_rewards/margins": "held out"}),
    Group(
        "pairs in the right order",
        {"rewards/accuracies": "train", "eval_rewards/accuracies": "held out"},
        (Threshold("chance", 0.5),),
    ),
    Group("rewards", {"rewards/chosen": "chosen", "rewards/rejected": "rejected"}),
    Group("log-probabilities", {"logps/chosen": "chosen", "logps/rejected": "rejected"}),
)
TRAINING = (
    Group("learning rate", {"learning_rate": "learning rate"}),
    Group("gradient norm", {"grad_norm": "gradient norm"}),
    Group(
        "weights that moved, %",
        {"moved_weights": "moved"},
        (Threshold("too few", 50.0),),
    ),
    Group("entropy", {"entropy": "train", "eval_entropy": "held out"}),
)
ELICIT = (
    Group("answers right, share", {"plain_correct": "plain", "cot_correct": "CoT"}),
    Group("pairs won by", {"winner_student": "student", "winner_teacher": "teacher"}),
)
GROUPS: dict[str, tuple[Group, ...]] = {
    "instruct": (*INSTRUCT, *TRAINING),
    "elicit": ELICIT,
    "refine": (*REFINE, *TRAINING),
}
MOST_TALKATIVE = ("refine", "instruct", "elicit")  # which phase's first group a finished run shows


class CurvesPanel(RunPanel, Vertical):
    """``c`` goes through the groups; until then it shows the loss of what is at work. ``X``
    changes what they are drawn over."""

    NAME = "curves"
    BORDER_TITLE = "curves"
    KEYS: ClassVar[tuple[Binding, ...]] = (
        Binding("c", "group(1)", "Next curve"),
        Binding("b", "group(-1)", "Curve before", show=False),
        Binding("X", "x_axis", "Over steps, time or epochs", show=False),
    )
    BINDINGS: ClassVar[list[BindingType]] = [*KEYS]

    def __init__(self) -> None:
        super().__init__()
        self._chosen: tuple[str, str] | None = None
        self._phases: Sequence[PhaseStatus] = ()
        self._over: x_axis.Over = "steps"
        self._grown: dict[tuple[str, int, str, x_axis.Over], GrowingSeries] = {}
        self._places: dict[tuple[str, int, x_axis.Over], x_axis.Places] = {}

    def compose(self) -> ComposeResult:
        yield Chart()

    def draw(self, of: RunView) -> None:
        """The chosen group of the run's phases."""
        self._phases = of.status.phases
        self._draw()

    def action_group(self, step: int) -> None:
        there = self._groups()
        if there:
            now = self._chosen if self._chosen in there else self._first(there)
            self._chosen = there[(there.index(now) + step) % len(there)]
            self._draw()

    def action_x_axis(self) -> None:
        there = self._groups()
        if there:
            id_, _ = self._chosen if self._chosen in there else self._first(there)
            self._over = x_axis.following(self._over, [self._phase(id_).view])
            self._draw()

    def _draw(self) -> None:
        there = self._groups()
        if not there:
            entitle(self, "curves")
            self.query_one(Chart).show(())
            return
        id_, title = self._chosen if self._chosen in there else self._first(there)
        phase = self._phase(id_)
        kind = phase.spec.kind
        group = next(g for g in GROUPS[kind] if g.title == title)
        over = self._over if self._over in x_axis.offered([phase.view]) else "steps"
        place = there.index((id_, title)) + 1
        keys = f"{place}/{len(there)}  c next  y log  + smooth  X {over}"
        name = title if kind in title else f"{kind} {title}"
        rounds = [p.id for p in self._phases if p.spec.kind == kind]
        which = f", round {rounds.index(id_) + 1}" if len(rounds) > 1 else ""
        entitle(self, name + which, keys)
        self.query_one(Chart).show(
            self._series(phase, group, over), group.thresholds, x_axis.AXES[over]
        )

    def _phase(self, id_: str) -> PhaseStatus:
        return next(phase for phase in self._phases if phase.id == id_)

    def _groups(self) -> list[tuple[str, str]]:
        """Phase and title of every group that has a point."""
        return [
            (phase.id, group.title)
            for phase in self._phases
            for group in GROUPS.get(phase.spec.kind, ())
            if any(name in phase.view.metrics for name in group.metrics)
        ]

    def _first(self, there: list[tuple[str, str]]) -> tuple[str, str]:
        """Of what is at work, else of the last phase of the most talkative kind."""
        drawn = {id_ for id_, _ in there}
        phases = [phase for phase in reversed(self._phases) if phase.id in drawn]
        running = [phase.id for phase in phases if phase.state == "running"]
        talking = [p.id for kind in MOST_TALKATIVE for p in phases if p.spec.kind == kind]
        first = (*running, *talking)[0]
        return next(group for group in there if group[0] == first)

    def _series(self, phase: PhaseStatus, group: Group, over: x_axis.Over) -> list[Series]:
        attempt = (phase.id, phase.attempt)
        places = self._places.setdefault((*attempt, over), x_axis.Places()).take(phase.view, over)
        found = []
        for metric, name in group.metrics.items():
            points = phase.view.metrics.get(metric)
            if points is not None:
                grown = self._grown.setdefault((*attempt, metric, over), GrowingSeries())
                found.append(Series(name, *grown.take(points, places)))
        return found
