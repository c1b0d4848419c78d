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


def _of_both(name: str) -> dict[str, str]:
    """A pair's two answers."""
    return {f"{name}/chosen": "chosen", f"{name}/rejected": "rejected"}


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
    Metric("rewards", ("refine",), _of_both("rewards")),
    Metric("rewards, held out", ("refine",), _of_both("eval_rewards")),
    Metric("log-probabilities", ("refine",), _of_both("logps")),
    Metric("log-probabilities, held out", ("refine",), _of_both("eval_logps")),
    Metric("learning rate", TRAINED, {"learning_rate": "learning rate"}),
    Metric("gradient norm", TRAINED, {"grad_norm": "gradient norm"}),
    Metric(
        "weights that moved, %",
        TRAINED,
        {"moved_weights": "moved, %"},
        "",
        ("too few", 50.0),
        (),
        100.0,
    ),
    Metric("entropy", TRAINED, {"entropy": "train", "eval_entropy": "held out"}),
    Metric("logits", ("refine",), _of_both("logits")),
    Metric("logits, held out", ("refine",), _of_both("eval_logits")),
    Metric(
        "token accuracy",
        ("refine",),
        {"mean_token_accuracy": "train", "eval_mean_token_accuracy": "held out"},
        most=1.0,
    ),
    Metric("tokens read", TRAINED, {"num_tokens": "train", "eval_num_tokens": "held out"}),
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


FIGURES: Final = {  # what phases measure once, in words
    "moved_weights": "weights moved (%)",
    "step0_loss": "loss at step 0",
    "step0_margin": "reward margin at step 0",
    "picked_step": "best step",
    "best_eval_loss": "lowest held-out loss",
    "held_out": "held-out pairs",
    "plain_has_steps": "share of plain answers that reason",
    "rejected_correct": "share of rejected answers that are right",
    "loser_correct": "share of rejected answers that are right",  # its name before
    "winner_student": "chosen answers by the student",
    "winner_teacher": "chosen answers by the teacher",
}


def title_of(phase: str, series: str) -> str:
    """Name one curve in words: ``refine loss, held out``. ``phase``: its kind, or ``refine 2``."""
    for metric in metrics_of(phase.split(maxsplit=1)[0]):
        if series in metric.series:
            more = f", {metric.series[series]}" if len(metric.series) > 1 else ""
            return f"{phase} {metric.name}{more}"
    return f"{phase} {series}"


def metrics_of(kind: str) -> tuple[Metric, ...]:
    return tuple(metric for metric in METRICS if kind in metric.phases)
