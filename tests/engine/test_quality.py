"""What is said of answers without a judge: equations found and checked, repetition, the table."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.quality.arithmetic import arithmetic_steps
from engine.quality.measures import Said, quality, repetition
from engine.queries.quality import measure
from engine.schema.errors import UserError
from engine.store.layout import RunsFolder
from engine.tables import answers
from tests.tui.conftest import run_of

RECORDED = RunsFolder(Path(__file__).parents[1] / "fixtures" / "runs")
TEACHER = run_of(RECORDED, "teacher", "wren-3m")
STEPS = [
    ("22 + 4 = 26. 26 - 1 = 25. The answer is 25.", [True, True]),
    ("First, 22 plus 4 makes 26, 26 minus 1 makes 24.", [True, False]),
    ("6 times 4 makes 24, 24 over 3 makes 8", [True, True]),
    ("2 + 3 = 5 + 1 = 6", [True, True]),
    ("5 + 5 = 10 / 2 = 5", [True, True]),
    ("48/2 = <<48/2=24>>24 clips, and 1,200 * 2 = 2,400", [True, True]),
    ("10 / 3 = 3.33, 10 / 3 = 3.34, 10 / 3 = 3", [True, False, False]),
    ("20% of 50 = 10, 15 + 10 = 25%, 50% * 4 = 200%", [True, True, True]),
    ("3 apples + 4 apples = 8 apples", [False]),
    ("12 hours x 3 = 36, 5×3=15, 05 + 3 = 08", [True, True, True]),
    (r"$\frac{1}{2} \times 4 = 2$ and **3 + 4** = 7", [True, True]),
    ("(2 + 3) * $4.00 = $20", [True]),
    ("1/2 + 1/3 = 5/6", [True]),
    ("-3 + 5 = 2, 2*-3 = -6", [True, True]),
    ("5 / 0 = 1", [False]),
    # not plainly numbers on both sides: no step at all
    ("x + 3 + 4 = 10", []),
    ("2 + 3 = 5x", []),
    ("2^3 + 1 = 9", []),
    ("2 + 3) * 4 = 20", []),
    ("The answer is 12", []),
]


@pytest.mark.parametrize(("text", "truth"), STEPS, ids=[t for t, _ in STEPS])
def test_arithmetic_steps(text: str, truth: list[bool]) -> None:
    assert [step.true for step in arithmetic_steps(text)] == truth


@pytest.mark.parametrize("piece", ["1 + ", "1 a b ", "(1", "9 ", "1 + 1 = ", "1/2"])
def test_hostile_texts_are_read_in_linear_time(piece: str) -> None:
    """Would not come back within the age of the universe with a careless pattern."""
    list(arithmetic_steps(piece * 20_000))


def test_steps_are_checked_outside_the_main_thread_too() -> None:
    found: list[bool] = []
    thread = threading.Thread(
        target=lambda: found.extend(s.true for s in arithmetic_steps("123 + 321 = 444"))
    )
    thread.start()
    thread.join()
    assert found == [True]


def test_repetition_counts_what_had_occurred_before() -> None:
    assert repetition([*"abcde"]) == 0
    assert repetition([*"abcdabcd"]) == pytest.approx(1 / 5)  # abcd, of five
    assert repetition(["a"] * 10) == pytest.approx(6 / 7)


def test_figures_of_some_answers() -> None:
    found = quality(
        [
            Said("2 + 2 = 4. 4 + 1 = 5. The answer is 5.", (), 12, "stop"),
            Said("2 + 2 = 5. 5 + 1 = 6. The answer is 6.", (), 14, "length"),
            Said("The answer is 5.", (), 4, "stop"),
        ]
    )
    assert (found.with_steps.count, found.with_steps.total) == (2, 3)
    assert (found.true_steps.count, found.true_steps.total) == (3, 4)
    assert (found.sound.count, found.sound.total) == (1, 2)
    assert (found.cut_off.count, found.tokens) == (1, 10)
    assert found.words == pytest.approx((10 + 10 + 4) / 3)
    assert found.sound.low < 0.5 < found.sound.high


def test_nothing_said_is_no_error() -> None:
    found = quality([])
    assert found.answers == 0
    assert found.repetition is None
    assert found.sound.value is None


def test_recorded_runs_have_a_line_for_each_phase_and_prompt() -> None:
    both, teacher = run_of(RECORDED, "both", "wren-3m"), TEACHER
    found = measure(RECORDED, [both, teacher])
    assert [(m.kind, m.prompt) for m in found if m.run_id == both][:4] == [
        ("elicit", "plain"),
        ("elicit", "cot"),
        ("evaluate", "plain"),
        ("evaluate", "cot"),
    ]
    assert {m.task for m in found} == {"pocket-compass", "pocket-boxes", "pocket-sums"}
    by_eye = next(
        m for m in found if m.run_id == teacher and "sums" in m.task and m.prompt == "cot"
    )
    assert (by_eye.quality.true_steps.count, by_eye.quality.true_steps.total) == (69, 72)
    assert len(answers.quality(found).rows) == len(found) == 14


def test_a_run_without_answers_says_so(tmp_path: Path) -> None:
    failed = run_of(RECORDED, "refine-only", "wren-3m")
    run = tmp_path / failed
    run.mkdir()
    (run / "run.json").write_bytes(RECORDED.run_file(failed).read_bytes())
    with pytest.raises(UserError, match="no phase that makes answers is done"):
        measure(RunsFolder(tmp_path), [failed])


def test_on_the_command_line() -> None:
    def call(*more: str) -> str:
        done = CliRunner().invoke(sirt, ["--runs", str(RECORDED.root), "quality", TEACHER, *more])
        assert done.exit_code == 0, done.output
        return done.output

    assert "95.8 [88.5, 98.6]" in call()
    assert r"\begin{tabular}" in call("--format", "latex")
    assert call("--format", "csv").count("\n") == 7
    assert json.loads(call("--json"))[0]["quality"]["with_steps"]["count"] == 24
