"""Tables of made-up runs: the right cell in the right place, and no table without its question."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from engine.queries.study import Study
from engine.report import sections as sec
from engine.report.differences import (
    QUESTIONS,
    differences,
    over_the_seeds,
    paired,
    resolution,
)
from engine.scoring.statistics import holm
from tests.report.made_up import WHEN, row

if TYPE_CHECKING:
    from engine.queries.study import Cell
    from engine.report.differences import Tested
    from engine.store.run_row import RunRow
    from engine.tables.table import Table

A, B = "pocket-compass", "pocket-boxes"


def on(a: int, b: int) -> dict[tuple[str, str], tuple[int, int]]:
    """Right answers of 100 on both tasks, with the plain prompt."""
    return {(A, "plain"): (a, 100), (B, "plain"): (b, 100)}


def whole(seed: int = 0, more: int = 0) -> list[RunRow]:
    return [
        row("teacher", on(98, 96), seed),
        row("baseline", on(25, 20), seed),
        row("instruct-only", on(70 + more, 22), seed, A),
        row("refine-only", on(30, 21), seed, A),
        row("both", on(90 + more, 24), seed, A),
    ]


def cells(table: Table | None, *beginning: str) -> tuple[str, ...]:
    """The one row that begins so."""
    assert table is not None
    (found,) = [r for r in table.texts if r[: len(beginning)] == beginning]
    return found[len(beginning) :]


def test_accuracies_of_one_seed_have_wilsons_interval() -> None:
    found = sec.accuracies(Study("s", tuple(whole())))
    assert cells(found, "both", "small", "big", "in", A)[0] == "90.0 [82.6, 94.5]"


def test_accuracies_of_several_seeds_have_their_spread() -> None:
    rows = [*whole(0), *whole(1, 2), *whole(2, 4)]
    found = sec.accuracies(Study("s", tuple(rows)))
    assert cells(found, "both", "small", "big", "in", A)[0] == "92.0 ± 2.0 [87.0, 97.0] n 3"


def test_seeds_that_agree_are_no_evidence_of_certainty() -> None:
    found = sec.accuracies(Study("s", (*whole(0), *whole(1))))
    assert cells(found, "baseline")[4] == "25.0 [17.5, 34.3]"


def test_the_gap_stands_beside_the_papers() -> None:
    found = sec.families(Study("s", tuple(whole())))
    row_ = cells(found, "question answering", "in", "plain")
    assert row_[0].startswith("98.0 [")
    assert row_[4].startswith("+28.0 [")
    assert row_[5] == "+6.3"
    assert row_[6].startswith("+8.0 [")
    assert found is not None
    assert "not of these toys" in found.note


def test_domains_are_the_own_task_and_the_mean_of_the_others() -> None:
    found = sec.domains(Study("s", tuple(whole())))
    assert cells(found, A, "both", "small", "big", "in", "plain") == (
        "90.0 [82.6, 94.5]",
        "24.0 [16.7, 33.2]",
    )


def test_tables_without_their_question_are_left_out() -> None:
    slugs = [table.slug for table in sec.sections(Study("s", tuple(whole())))]
    assert slugs == ["accuracies", "families", "domains"]


def test_low_resource_and_cross_task_have_their_rows() -> None:
    rows = [
        *whole(),
        row("instruct-only", on(40, 20), 0, A, fraction=25),
        row("both", on(60, 20), 0, A, fraction=25),
        row("both", on(50, 80), 0, A, refine_task=B),
    ]
    study = Study("s", tuple(rows))
    assert cells(sec.low_resource(study), "small", "big", A, "plain", "25 %")[0].startswith("40.0")
    crossed = cells(sec.cross_task(study), "both", "small", "big", "in", f"{A} > {B}", "plain")
    assert [cell[:4] for cell in crossed] == ["80.0", "50.0"]


def test_cells_that_were_not_measured_are_dashes() -> None:
    rows = [r for r in whole() if r.arm != "teacher"]
    row_ = cells(sec.families(Study("s", tuple(rows))), "question answering", "in", "plain")
    assert (row_[0], row_[4]) == ("–", "–")


def answers(cell: Cell, seed: int) -> dict[str, bool] | None:
    """Refined is right where instructed is, and on thirty more of a hundred."""
    right = {"instruct-only": 50, "both": 80, "teacher": 95}.get(cell[0].arm)
    if right is None or cell[2] != "plain":
        return None
    return {f"q{n}": n < right + seed for n in range(100)}


def answered(study: Study, slug: str) -> list[Tested]:
    (question,) = [one for one in QUESTIONS if one.slug == slug]
    return paired(study, question.held(study), answers)


def test_steps_are_tested_on_the_same_questions() -> None:
    study = Study("s", (*whole(0), *whole(1)))
    found = answered(study, "differences")
    assert [(one.seed, one.found.gained, one.found.lost) for one in found] == [
        (0, 30, 0),
        (1, 30, 0),
    ]
    assert all(one.found.adjusted >= one.found.p for one in found)
    table = differences(QUESTIONS[0], found)
    assert table is not None
    assert table.texts[0][0] == "instruct-only → both"
    assert table.texts[0][9].startswith("+30.0 [+2")
    means = over_the_seeds(QUESTIONS[0], found)
    assert means is not None
    assert means.texts[0][7:9] == ("2", "+30.0 –")


def test_each_test_set_says_what_it_can_tell() -> None:
    study = Study("s", tuple(whole()))
    found = resolution(study, answered(study, "differences"))
    assert cells(found, A, "plain", "100")[0] == "30.0"
    assert cells(found, B, "plain", "100")[:2] == ("–", "–")
    assert cells(found, B, "plain", "100")[2] == cells(found, A, "plain", "100")[1]


def test_a_teacher_of_several_students_was_measured_once() -> None:
    rows = [*whole(), *(row("instruct-only", on(70, 22), 0, A, student=s) for s in ("b", "c", "d"))]
    one = cells(sec.families(Study("s", tuple(whole()))), "question answering", "in", "plain")
    four = cells(sec.families(Study("s", tuple(rows))), "question answering", "in", "plain")
    assert four[0] == one[0]


@pytest.mark.parametrize("turn", [1, -1])
def test_a_curated_run_is_a_condition_of_its_own(turn: int) -> None:
    rows = [*whole(), row("both", on(97, 24), 0, A, curated=7)][::turn]
    study = Study("s", tuple(rows))
    found = sec.accuracies(study)
    assert cells(found, "both", "small", "big", "in", A)[0].startswith("90.0")
    assert cells(found, "both, 7 left out", "small", "big", "in", A)[0].startswith("97.0")
    assert cells(sec.families(study), "question answering", "in", "plain")[3].startswith("90.0")


@pytest.mark.parametrize("turn", [1, -1])
def test_run_again_with_other_settings_the_newest_measured_counts(turn: int) -> None:
    later = [WHEN + timedelta(hours=n) for n in (1, 2)]
    again = row("both", on(60, 24), 0, A, run_id="again", created=later[0])
    unmeasured = row("both", {}, 0, A, run_id="unmeasured", created=later[1])
    study = Study("s", tuple([*whole(), again, unmeasured][::turn]))
    found = cells(sec.accuracies(study), "both", "small", "big", "in", A)
    assert found[0].startswith("60.0")
    assert {one.run_id for one in study.replaced} == {whole()[-1].run_id, "unmeasured"}


def test_other_tasks_and_the_gap_to_the_teacher_are_tested_too() -> None:
    study = Study("s", tuple(whole()))
    (elsewhere,) = answered(study, "differences-out")
    assert (elsewhere.found.evaluation.task, elsewhere.found.gained) == (B, 30)
    gaps = {one.taught.arm: one for one in answered(study, "gaps")}
    assert gaps["both"].found.difference.value == pytest.approx(0.15)
    assert gaps["instruct-only"].found.difference.low > 0
    family = holm([one.found.p for one in gaps.values()])
    assert [one.found.adjusted for one in gaps.values()] == family
    table = differences(QUESTIONS[2], list(gaps.values()))
    assert cells(table, "both → teacher", "small", "big")[-1] != "–"


def test_a_seeds_gap_to_the_teacher_is_that_of_the_same_questions() -> None:
    rows = [
        row("teacher", on(95, 95)),
        row("instruct-only", on(50, 50), 0, A),
        row("both", on(80, 80), 0, A),
    ]
    apart, paired_ = (
        cells(sec.families(Study("s", tuple(rows), right=right)), "question answering")
        for right in (None, answers)
    )
    (tested,) = [
        one for one in answered(Study("s", tuple(rows)), "gaps") if one.taught.arm == "both"
    ]
    assert paired_[-1] == tested.found.difference.text
    assert apart[-1] != paired_[-1]
