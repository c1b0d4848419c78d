"""The metrics that phases log while they work, and how their curves are drawn.

A phase logs its metrics as events, under TRL's names where it has any.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Metric:
    """Curves that are read together, on one axis.

    ``phases``: kinds that measure it. ``series``: name in the events -> name in a legend.
    ``unit``: of the axis. ``line``: a reference level. ``reported``: the series drawn in a report's
    figures. ``most``: the highest value that there can be.
    """

    name: str
    phases: tuple[str, ...]
    series: dict[str, str]
    unit: str = ""
    line: tuple[str, float] | None = None
    reported: tuple[str, ...] = ()
    most: float = math.inf


LOSS: Final = {"loss": "train", "eval_loss": "held out"}
TRAINED: Final = ("instruct", "refine")
METRICS: Final = (
    Metric("loss", ("instruct",), LOSS, "nats a token", reported=("loss",)),
    Metric("token accuracy", ("instruct",), {"mean_token_accuracy": "tokens right"}, most=1.0),
    Metric("loss", ("refine",), LOSS, "nats a pair", ("ln 2", math.log(2)), tuple(LOSS)),
    Metric(
        "reward margin",
        ("refine",),
        {"rewards/margins": "train", "eval_rewards/margins": "held out"},
        "nats",
        reported=("rewards/margins",),
    ),
    Metric(
        "pairs in the right order",
        ("refine",),
        {"rewards/accuracies": "train", "eval_rewards/accuracies": "held out"},
        line=("chance", 0.5),
        most=1.0,
    ),
    Metric("rewards", ("refine",), {"rewards/chosen": "chosen", "rewards/rejected": "rejected"}),
    Metric(
        "log-probabilities", ("refine",), {"logps/chosen": "chosen", "logps/rejected": "rejected"}
    ),
    Metric("learning rate", TRAINED, {"learning_rate": "learning rate"}),
    Metric("gradient norm", TRAINED, {"grad_norm": "gradient norm"}),
    Metric(
        "weights that moved, %",
        TRAINED,
        {"moved_weights": "moved"},
        "",
        ("too few", 50.0),
        (),
        100.0,
    ),
    Metric("entropy", TRAINED, {"entropy": "train", "eval_entropy": "held out"}),
    Metric(
        "answers right, share",
        ("elicit",),
        {"plain_correct": "plain", "cot_correct": "CoT"},
        most=1.0,
    ),
    Metric(
        "chosen answers by",
        ("elicit",),
        {"winner_student": "student", "winner_teacher": "teacher"},
    ),
)
TELLING: Final = ("refine", "instruct", "elicit")
DRAWN: Final = tuple(  # kinds with curves, the most telling first
    dict.fromkeys((*TELLING, *(kind for metric in METRICS for kind in metric.phases)))
)


def metrics_of(kind: str) -> tuple[Metric, ...]:
    return tuple(metric for metric in METRICS if kind in metric.phases)
