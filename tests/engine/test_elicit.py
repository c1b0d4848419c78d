from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from engine.contract.errors import UserError
from engine.contract.records import Pair
from engine.contract.settings import ElicitSettings
from engine.phases.elicit import _figures
from engine.phases.pairing import make_pair
from tests.engine.test_pairing import RIGHT, WRONG, both


class Listener:
    """Stands in for a phase's context."""

    def __init__(self) -> None:
        self.codes: list[str] = []

    def warn(self, text: str, code: str) -> None:
        self.codes.append(code)

    def metric(self, step: int, **values: float) -> None:
        assert all(isinstance(v, float) for v in values.values())


def figures(*answers: Any) -> tuple[dict[str, Any], list[str]]:
    listener = Listener()
    made = [make_pair(a, RIGHT, ElicitSettings()) for a in answers]
    pairs = [m for m in made if isinstance(m, Pair)]
    return _figures(listener, list(answers), pairs, Counter()), listener.codes  # type: ignore[arg-type]


def test_counts() -> None:
    found, codes = figures(both(), both(cot=WRONG), both(plain=RIGHT))
    assert (found["questions"], found["pairs"]) == (3, 3)
    assert (found["winner_student"], found["winner_teacher"]) == (2, 1)
    assert found["cot_correct"] == pytest.approx(2 / 3)
    assert codes == []


def test_a_student_that_reasons_worse_is_told() -> None:
    _, codes = figures(both(plain=RIGHT, cot=WRONG), both(plain=RIGHT, cot=RIGHT))
    assert codes == ["cot-worse-than-plain"]


def test_no_pair_at_all_is_an_error() -> None:
    with pytest.raises(UserError, match="no preference pair came out of 1 questions"):
        _figures(Listener(), [both()], [], Counter({"same": 1}))  # type: ignore[arg-type]
