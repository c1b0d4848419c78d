"""One name for what was measured, and the accuracy that a list of runs shows."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from engine.queries.rows import accuracy_on
from engine.schema.accuracy import Accuracy, Share
from engine.schema.evaluation import Evaluation, Method
from engine.schema.tiers import shares, shares_text, unclear
from engine.store.registry import decode, encode
from engine.store.run_row import figures_of
from sirt_tui.panels.scores import scores_table
from tests.report import made_up


@pytest.mark.parametrize(
    ("one", "label"),
    [
        (Evaluation("gsm8k", "cot"), "gsm8k cot"),
        (Evaluation("gsm8k", "plain", "train"), "gsm8k train plain"),
        (Evaluation("csqa", "plain", "test", "logprob"), "csqa log-prob"),
        (Evaluation("csqa", "cot").committed, "csqa cot committed"),
    ],
)
def test_every_measurement_has_a_name_of_its_own(one: Evaluation, label: str) -> None:
    assert one.label == label


def measured(method: Method = "match", split: str = "test", right: int = 50) -> Accuracy:
    return Accuracy(Evaluation("csqa", "plain", split, method), Share(right, 100, 0.0, 1.0))


@pytest.mark.parametrize("turn", [1, -1])
def test_a_lists_accuracy_is_the_match_on_the_test_split(turn: int) -> None:
    found = [
        measured(),
        measured("logprob", right=90),
        measured("commit", right=80),
        measured(split="train", right=100),
    ]
    assert accuracy_on(found[::turn], "csqa", "plain") == 0.5
    assert accuracy_on([measured(split="train", right=70)], "csqa", "plain") == 0.7
    assert accuracy_on([measured("logprob")], "csqa", "plain") is None


def test_tiers_are_shares_of_all_answers_and_survive_the_index() -> None:
    tiers = (("statement", 6), ("last_number", 3))
    assert shares(tiers, 10) == {"statement": 0.6, "last_number": 0.3, "none": 0.1}
    assert shares_text(tiers, 10) == "statement 60.0, last_number 30.0, none 10.0"
    assert unclear(tiers, 10) == pytest.approx(0.4)
    kept = replace(measured(), tiers=tiers)
    row = made_up.row("both", {}, figures=figures_of([kept]))
    again = decode(json.loads(json.dumps(encode(row))), {})
    assert again is not None
    assert again.accuracies == (kept,)
    assert row.accuracies == (kept,)


def test_a_train_split_stands_beside_the_test_split_on_the_screen() -> None:
    found = [measured(right=25), measured(split="train", right=75), measured("logprob")]
    read = [replace(one, tiers=(("boxed", 100),)) for one in found]
    row = made_up.row("teacher", {}, figures=figures_of(read))
    console = Console(width=80, file=io.StringIO())
    console.print(scores_table([row], row.run_id))
    painted = console.file.getvalue()  # type: ignore[attr-defined]
    assert "25.0 [" in painted
    assert "75.0 [" in painted
    assert "csqa train" in painted
    assert "log-prob" in painted
    assert "boxed 100.0" in painted
