"""Every screen on a folder in which everything is damaged: it opens, says what is wrong, and the
next one opens too."""

from __future__ import annotations

import asyncio
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.damage.folder import KINDS, WAYS, Sample, make
from tests.tui.gallery import at_rest
from tests.tui.helpers import app_on, said_by, settled, text_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make(tmp_path_factory.mktemp("whole") / "runs")


async def look(sample: Sample, *steps: str) -> str:
    """The list, then what the steps open (``run``, ``pairs``, ... or keys); what was shown and told
    on the way."""
    app = app_on(sample.runs)
    opened: dict[str, Callable[[], object]] = {
        "run": lambda: app.open_run(sample.both),
        "compare": lambda: app.open_compare([sample.other, sample.both]),
        "compose": lambda: app.open_compose("pocket"),
        "devices": app.open_devices,
    }
    seen = []
    async with app.run_test(size=(160, 50), notifications=True) as pilot:
        for step in ("", *steps):
            if step in opened:
                opened[step]()
            elif step:
                await pilot.press(step)
            await settled(pilot, lambda: at_rest(app), f"at rest after {step!r}")
            seen.append(text_of(app))
        seen.append(said_by(app))
    return "\n".join(seen)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["half", "binary", "object", "folder"])
def test_no_screen_minds_what_is_damaged(whole: Sample, tmp_path: Path, way: str) -> None:
    """Everything at once; the run's own file last, for no screen of the run opens without it."""
    sample = whole.copied(tmp_path / "runs")
    paths = {kind: find(sample) for kind, find in KINDS.items()}
    run_file = paths.pop("run.json")
    for path in paths.values():
        WAYS[way](path)
    answers = ("p", "right_square_bracket", "right_square_bracket")
    seen = asyncio.run(
        look(sample, "run", "L", "escape", *answers, "compare", "compose", "devices")
    )
    assert "instruct-only wren-1m" in seen
    WAYS[way](run_file)
    seen = asyncio.run(look(sample, "run", "1"))
    assert "instruct-only wren-1m" in seen
    assert "run.json" in "".join(seen.split())


def test_a_damaged_run_and_queue_are_named_and_the_others_shown(
    whole: Sample, tmp_path: Path
) -> None:
    sample = whole.copied(tmp_path / "runs")
    for path in (KINDS["run.json"](sample), KINDS["queue.json"](sample)):
        WAYS["a byte"](path)

    async def flow() -> None:
        app = app_on(sample.runs)
        async with app.run_test(size=(160, 50)) as pilot:
            await settled(
                pilot, lambda: "run.json" in said_by(app) and "queue.json" in said_by(app)
            )
            assert "instruct-only wren-1m" in text_of(app)

    asyncio.run(flow())
    shutil.rmtree(sample.runs.root)
