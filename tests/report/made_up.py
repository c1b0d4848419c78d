"""Made-up runs with given accuracies."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from engine.schema.accuracy import Accuracy
from engine.schema.evaluation import Evaluation
from engine.scoring.statistics import share
from engine.store.run_row import RunRow, figures_of

if TYPE_CHECKING:
    from collections.abc import Mapping

WHEN = datetime(2026, 11, 1, tzinfo=UTC)


def row(
    arm: str,
    right: Mapping[tuple[str, str], tuple[int, int]],
    seed: int = 0,
    task: str | None = None,
    **changes: Any,
) -> RunRow:
    """``right``: (task, prompt) -> right answers, questions."""
    accuracies = [
        Accuracy(Evaluation(on, prompt), share(*counts), 0.01, 0.0, 20.0, 0.5)
        for (on, prompt), counts in right.items()
    ]
    taught = arm not in {"baseline", "teacher"}
    fields: dict[str, Any] = {
        "run_id": f"{arm}-{task}-{seed}-{sorted(changes.items())}",
        "created": WHEN, "name": arm, "experiment": "made-up", "arm": arm,
        "teacher": None if arm == "baseline" else "big",
        "student": None if arm == "teacher" else "small",
        "in_family": True if taught else None, "task": task, "refine_task": None,
        "fraction": 100, "seed": seed, "finished": WHEN, "seconds": 1.0, "tags": (), "note": "",
        "state": "done", "ladder": (None,) * 5, "scored_on": task, "plain": None, "cot": None,
        "figures": figures_of(accuracies),
    }  # fmt: skip
    return RunRow(**(fields | changes))
