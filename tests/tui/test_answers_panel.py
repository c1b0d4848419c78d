"""A student's answers to the same prompt, stepped through as it was trained."""

from __future__ import annotations

import pytest

from engine.schema.records import Look, Verdict
from engine.store.jsonlines import append_records
from engine.store.layout import LOOKS
from engine.store.run import read_run
from sirt_tui.panels.answers import AnswersPanel
from tests.tui.conftest import run_of
from tests.tui.helpers import painted, settled, text_of, watching

SAID = ("It is seven.", "Two steps: 3 + 4 = 7. It is 7.", "Two steps: 3 + 5 = 8. It is 8.")


def look(at, item, text, target="8"):
    verdict = Verdict(answer=text[-2], tier="statement", correct=text[-2] == target)
    return Look(
        step=10 * at, item=item, prompt=f"How many, {item}?", target=target, trained_on=False,
        text=text, finish="stop", verdict=verdict, loss=(None, 0.9, 0.3)[at],
    )  # fmt: skip


@pytest.mark.slow
def test_one_steps_through_training_and_sees_what_changed(recorded):
    run_id = run_of(recorded, "both", "wren-3m")
    refine = next(p for p in read_run(recorded, run_id).spec.phases if p.kind == "refine")
    file = recorded.phase(refine.id).out / LOOKS
    file.parent.mkdir(exist_ok=True)
    append_records(file, [look(n, i, text) for n, text in enumerate(SAID) for i in ("q1", "q2")])

    async def check(app, pilot):
        await pilot.press("home", "end")  # from an evaluation the last training is shown
        app.screen.action_panel_at(5)
        await settled(pilot, lambda: "Two steps: 3 + 5 = 8. It is 8." in text_of(app))
        text = text_of(app)
        assert "step 20  loss 0.3" in text
        assert "✓ right  answer 8 (found by rule: statement)" in text
        assert "at step 10" in text
        assert "q1, not trained on" in text
        assert {"5", "8.", "8. "} & set(painted(app, "underline"))  # what is new in it
        assert any("7." in part for part in painted(app, "strike"))  # and what is gone
        await pilot.press("left_curly_bracket")
        await settled(pilot, lambda: "step 10  loss 0.9" in text_of(app))
        assert "✗ wrong  answer 7 (found by rule: statement)  right is 8" in text_of(app)
        await pilot.press("left_curly_bracket", "left_curly_bracket")  # there is none before
        await settled(pilot, lambda: "step 0  loss –" in text_of(app))
        assert "at step" not in text_of(app)
        await pilot.press("P", "right_curly_bracket")
        await settled(pilot, lambda: "q2, not trained on" in text_of(app))
        assert "step 10" in text_of(app)
        panel = app.screen.query_one(AnswersPanel)
        assert "prompt 2/2" in str(panel.border_subtitle)

    watching(recorded, run_id, check, size=(80, 40))


def test_a_training_without_looks_says_how_to_have_some(recorded):
    async def check(app, pilot):
        app.screen.action_panel_at(5)
        await settled(pilot, lambda: "look_prompts" in text_of(app))

    watching(recorded, run_of(recorded, "both", "wren-3m"), check, size=(80, 24))
