"""What a teacher thinks before its answer: left out of demonstrations, or kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.engine.misbehaving_server import reply
from tests.engine.test_annotate import demonstrations, lab, server, spec_of  # noqa: F401

if TYPE_CHECKING:
    from tests.engine.misbehaving_server import MisbehavingServer
    from tests.engine.test_annotate import Lab


def test_a_teachers_thoughts_are_dropped_told_and_counted(
    lab: Lab,  # noqa: F811
    server: MisbehavingServer,  # noqa: F811
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
    lab: Lab,  # noqa: F811
    server: MisbehavingServer,  # noqa: F811
) -> None:
    said = "<think>It could be Q.</think>\nIt says so. The answer is A."
    server.script.append(reply(said))
    spec = spec_of(server, keep="all", concurrency=1)
    lab.attempt(spec)
    settings = spec.settings.model_copy(update={"thinking": "keep"})
    kept = lab.attempt(spec.model_copy(update={"settings": settings}))
    assert demonstrations(kept)[0].output == said
    assert len(server.requests) == 12
