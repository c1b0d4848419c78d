"""What a teacher thinks before its answer: left out of demonstrations, or kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.engine.annotating import demonstrations, right, spec_of
from tests.engine.misbehaving_server import reply

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.annotating import TeacherLab
    from tests.engine.misbehaving_server import MisbehavingServer


@pytest.fixture
def says() -> Callable[[str], str]:
    return right


def test_a_teachers_thoughts_are_dropped_told_and_counted(
    lab: TeacherLab,
    server: MisbehavingServer,
) -> None:
    server.script.extend(
        [
            reply("<think>It could be Q.</think>\nIt says so. The answer is A."),
            reply("<think>I go on and on"),
        ]
    )
    folder = lab.attempt(spec_of(server, keep="all", concurrency=1))
    first, second, *others = demonstrations(folder)
    assert first.output == "It says so. The answer is A."
    assert first.verdict.answer == "A"
    assert second.dropped_because == "all thinking"
    assert all(d.dropped_because is None for d in others)
    assert folder.manifest()["figures"]["thinking"] == 2
    assert any("2 of 12 answers begin with thinking" in m.text for m in lab.views[0].messages)


def test_thoughts_may_be_kept_and_cost_nothing_again(
    lab: TeacherLab,
    server: MisbehavingServer,
) -> None:
    said = "<think>It could be Q.</think>\nIt says so. The answer is A."
    server.script.append(reply(said))
    spec = spec_of(server, keep="all", concurrency=1)
    lab.attempt(spec)
    settings = spec.settings.model_copy(update={"thinking": "keep"})
    kept = lab.attempt(spec.model_copy(update={"settings": settings}))
    assert demonstrations(kept)[0].output == said
    assert len(server.requests) == 12
