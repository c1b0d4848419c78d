"""Runs beside each other: paired tests, settings, logs, matrix, fractions, and their files."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from engine.commands import reporting
from engine.commands.rescoring import rescore
from engine.queries import comparison
from engine.queries.evaluations import Evaluated, finished, paired
from engine.queries.item_files import sources
from engine.queries.items import Reader
from engine.queries.runs import list_runs, registry
from engine.queries.study import Study
from engine.queries.sweeps import swept
from engine.report.folder import write_new
from engine.scheduling.notice_facts import facts_of
from engine.schema.errors import UserError
from engine.schema.evaluation import Evaluation
from engine.schema.records import Verdict
from engine.schema.specs import EvaluateSpec
from engine.scoring.statistics import holm, paired_p
from engine.store.layout import PREDICTIONS
from engine.store.run import read_run
from engine.tables import accuracies, comparisons
from engine.tables.table import text_of
from sirt_tui.panels.fractions import blocks
from tests.report.made_up import row
from tests.tui.conftest import in_two_rounds, recorded, run_of  # noqa: F401

COMPASS = Evaluation("pocket-compass", "plain")


def predictions(runs, run_id, key):
    """Id -> right, read by hand."""
    for spec in read_run(runs, run_id).spec.phases:
        if isinstance(spec, EvaluateSpec) and spec.evaluation == key:
            lines = (runs.phase(spec.id).out / PREDICTIONS).read_text().splitlines()
            return {p["id"]: p["verdict"]["correct"] for p in map(json.loads, lines)}
    raise AssertionError(key)


@pytest.fixture
def pair(recorded):  # noqa: F811
    return [run_of(recorded, "instruct-only", "wren-3m"), run_of(recorded, "baseline")]


def test_the_difference_is_that_of_the_same_questions(recorded, pair):  # noqa: F811
    compared = comparison.accuracies(recorded, pair)
    assert compared.differences == {}
    tested = comparison.with_differences(recorded, compared)
    reference, other = (predictions(recorded, run_id, COMPASS) for run_id in pair)
    assert set(reference) == set(other)
    by_hand = sum(other.values()) - sum(reference.values())
    nothing, found = tested.differences[COMPASS]
    assert nothing is None
    assert found.total == len(reference)
    assert found.difference.value == pytest.approx(by_hand / len(reference))
    assert found.difference.low <= found.difference.value <= found.difference.high
    assert found.adjusted >= found.p  # of several tests, each has to be surer


def test_what_was_scored_again_is_tested_and_told_as_it_is_shown(recorded, pair, monkeypatch):  # noqa: F811
    monkeypatch.setattr(
        "engine.scoring.verdict.score_reply",
        lambda _kind, asked, text, _finish: Verdict(
            answer=asked.target, tier="statement", correct=len(text) % 3 > 0
        ),
    )
    for run_id in pair:
        rescore(recorded, run_id, write=True)
    tested = comparison.with_differences(recorded, comparison.accuracies(recorded, pair))
    for key, cells in tested.cells.items():
        found = tested.differences[key][1]
        assert (found.accuracy_a, found.accuracy_b) == tuple(one.value for one in cells)
    written = reporting.write(recorded, "one", pair, recorded.root / "report").tables
    (line,) = (
        dict(zip(table.headers, map(text_of, line), strict=True))
        for table in written
        if table.slug == "differences"
        for line in table.rows
        if text_of(line[5]) == "pocket-compass" and text_of(line[6]) == "plain"
    )
    gap = tested.cells[COMPASS][0].value - tested.cells[COMPASS][1].value
    assert line["difference [95 %]"].startswith(f"{100 * gap:+.1f} ")
    for source in sources(recorded, pair[0], pair[1]):
        reader = Reader(source)
        key = next(key for key in tested.cells if key.label == source.title)
        sides = [item.sides for item in reader.read(range(reader.count))]
        right = [sum(side.correct for side in of) for of in zip(*sides, strict=True)]
        assert right == [one.right.count for one in tested.cells[key]]
    told = facts_of(recorded, pair[1], "done")["accuracies"]
    assert {one["accuracy"] for one in told} == {cells[1].value for cells in tested.cells.values()}


def test_those_lead_that_the_paired_test_does_not_tell_from_the_best(recorded, pair):  # noqa: F811
    arms = ("both", "teacher", "instruct-only", "baseline")
    ids = [run_of(recorded, arm, None if arm == "baseline" else "wren-3m") for arm in arms]
    for reference in (0, 3):  # whatever the others are compared with
        compared = comparison.accuracies(recorded, ids, reference)
        found = comparison.with_differences(recorded, compared).leading
        best, p_values = {}, {}
        for key, cells in compared.cells.items():
            right = {n: predictions(recorded, ids[n], key) for n, one in enumerate(cells) if one}
            best[key] = max(right, key=lambda n, cells=cells: cells[n].value)
            p_values |= {(key, n): paired_p(right[best[key]], right[n]) for n in right}
        others = [place for place in p_values if best[place[0]] != place[1]]
        adjusted = holm([p_values[place] for place in others])
        behind = {place for place, p in zip(others, adjusted, strict=True) if p < 0.05}
        assert found == {
            key: {n for k, n in p_values if k == key and (k, n) not in behind}
            for key in {key for key, _ in behind}
        }
        assert found
        assert len(found) < len(compared.cells)


def test_another_reference_turns_the_sign(recorded, pair):  # noqa: F811
    there, back = (
        comparison.with_differences(recorded, comparison.accuracies(recorded, pair, reference))
        for reference in (0, 1)
    )
    forth = there.differences[COMPASS][1].difference.value
    assert forth == pytest.approx(-back.differences[COMPASS][0].difference.value)


def test_runs_that_share_no_question_are_not_tested(recorded, pair):  # noqa: F811
    lost = run_of(recorded, "refine-only", "otter-3m")
    compared = comparison.with_differences(recorded, comparison.accuracies(recorded, [lost, *pair]))
    assert all(cells == (None, None, None) for cells in compared.differences.values())
    assert [cells[0] for cells in compared.cells.values()] == [None] * len(compared.cells)


def test_a_run_that_is_gone_is_named(recorded):  # noqa: F811
    with pytest.raises(UserError, match="no run 'gone'"):
        comparison.accuracies(recorded, ["gone"])


def test_only_settings_that_differ_are_shown(recorded, pair):  # noqa: F811
    differing = dict(comparison.settings(recorded, pair))
    assert differing["arm"] == ("instruct-only", "baseline")
    assert "seed" not in differing
    assert dict(comparison.settings(recorded, pair, every=True))["seed"] == ("0", "0")
    assert comparison.settings(recorded, [pair[0], pair[0]]) == []
    # a phase that only one of them has differs in nothing: the arm tells it
    assert not any(name.startswith("refine.") for name in differing)
    assert all(len({value for value in values if value}) > 1 for values in differing.values())


def test_settings_are_named_and_written_as_in_compose(recorded, pair):  # noqa: F811
    found = comparison.settings(recorded, [run_of(recorded, "both", "wren-3m")], every=True)
    names = [name for name, _ in found]
    values = dict(found)
    assert values["refine.learning_rate"] == ("8e-4",)
    assert values["refine.lora.targets"] == ("q_proj+v_proj",)
    assert values["student.source.precision"] == ("fp32",)
    assert [name for name in names if "exclude" in name or "curated" in name] == ["refine.exclude"]
    assert not any(".settings." in name or name.endswith(".student.name") for name in names)


def test_a_run_has_the_state_that_the_list_gives_it(recorded, pair):  # noqa: F811
    dead = run_of(recorded, "refine-only", "otter-3m")
    old = next(row for row in list_runs(recorded) if row.run_id == dead)
    registry(recorded).put([replace(old, state="running")])  # as an index from before it died
    (mine,) = comparison.rows_of(recorded, [dead])
    (listed,) = (row for row in list_runs(recorded) if row.run_id == dead)
    assert mine.state == listed.state != "running"


def test_what_the_tests_amount_to_is_said_in_words(recorded, pair):  # noqa: F811
    tested = comparison.with_differences(recorded, comparison.accuracies(recorded, pair))
    amounts, paired_on = accuracies.remarks(tested, "AB")
    sure = sum(one.adjusted < 0.05 for _, one in tested.differences.values())
    number = len(tested.differences)
    assert sure == 1
    tail = "is significant after Holm's correction (p < 0.05)"
    assert amounts == f"*: {sure} of {number} differences {tail}"
    assert paired_on == "B: only 24 of 600 answers can be paired (A kept 24, B kept 24)"
    (first, *_), (base, mine) = tested.differences, next(iter(tested.cells.values()))
    longer = replace(base, right=replace(base.right, total=200)), mine  # the reference had a limit
    whole = replace(tested.differences[first][1], kept=(200, 600), total=200)
    one = replace(tested, cells={first: longer}, differences={first: (None, whole)})
    *_, why = accuracies.remarks(one, "AB")
    assert why == "B: only 200 of 600 answers can be paired (A answered 200)"
    (cell,) = accuracies.compared(one, "AB").rows[0][3:]
    assert "; on 200: " in cell.text


def test_logs_are_read_on_and_rest_when_all_is_done(recorded, pair):  # noqa: F811
    finished = comparison.Logs(recorded, pair)
    views = finished.read()
    assert finished.at_rest
    assert len(views[0]["instruct"].metrics["loss"]) > 3
    assert views[1] == {}
    assert finished.read()[0]["instruct"] is views[0]["instruct"]
    live = comparison.Logs(recorded, [run_of(recorded, "both", "otter-3m")])
    live.read()
    assert not live.at_rest


def test_each_round_of_refine_has_its_curves(recorded):  # noqa: F811
    once = run_of(recorded, "both", "wren-3m")
    views = comparison.Logs(recorded, [once, in_two_rounds(recorded, once)]).read()
    assert [sorted(v for v in view if "refine" in v) for view in views] == [
        ["refine 1"],
        ["refine 1", "refine 2"],
    ]


def test_the_matrix_means_runs(recorded):  # noqa: F811
    rows = list_runs(recorded)
    found = comparison.overview(rows, "plain").matrices
    assert list(found) == ["all", "in-family", "out-family"]
    mine = next(r for r in rows if (r.arm, r.teacher) == ("both", "wren-3m"))
    cell = found["in-family"].cells["both pocket-compass", "pocket-compass"]
    own = next(one for one in mine.accuracies if one.evaluation == COMPASS)
    assert (cell.value, cell.low, cell.high, cell.runs) == pytest.approx(
        (own.value, own.right.low, own.right.high, 1), abs=1e-5
    )
    both = found["all"].cells["instruct-only pocket-compass", "pocket-compass"]
    parts = [
        one.value
        for row in rows
        if row.arm == "instruct-only"
        for one in row.accuracies
        if one.evaluation == COMPASS
    ]
    assert both.runs == len(parts) == 2
    assert both.value == pytest.approx(sum(parts) / 2, abs=1e-5)
    assert both.low < both.value < both.high


def test_runs_that_answer_the_same_questions_make_them_no_more(recorded):  # noqa: F811
    one = next(r for r in list_runs(recorded) if (r.arm, r.teacher) == ("both", "wren-3m"))
    seeds = [replace(one, run_id=f"s{seed}", seed=seed) for seed in range(3)]
    place = ("both pocket-compass", "pocket-compass")
    alone, three = (
        comparison.matrix(study, study.conditions, "plain").cells[place]
        for study in (Study("", (one,)), Study("", tuple(seeds)))
    )
    assert (three.low, three.high) == pytest.approx((alone.low, alone.high), abs=1e-4)
    assert three.runs == 3


def test_runs_whose_settings_differ_are_not_averaged():
    on = {("pocket-compass", "plain"): (60, 100)}

    def taught(seed, rate, right=60, **changes):
        settings = ({"instruct.learning_rate": rate},)
        found = {("pocket-compass", "plain"): (right, 100)}
        made = {"task": "pocket-compass", "settings": settings} | changes
        return row("both", found, seed, **made)

    rows = [taught(0, 1e-4, 40), taught(1, 3e-4, 80), taught(2, 3e-4, 90)]
    failed = replace(taught(3, 9e-4), figures="", state="failed")
    other = taught(0, 1e-4, 70, teacher="odd", in_family=False)  # equal but for its teacher
    found = comparison.overview([*rows, failed, other, row("baseline", on)], "plain")
    cells = {name: cell.text for (name, _), cell in found.matrices["all"].cells.items()}
    low, high = (f"both pocket-compass instruct.lr={v}" for v in ("1e-4", "3e-4"))
    assert cells.keys() == {"baseline", low, high}
    assert cells[low].startswith("55.0 [")
    assert cells[low].endswith("] n 2")
    assert cells[high] == "85.0 ± 7.1 n 2"
    lines = found.fractions["pocket-compass"]
    assert lines["both <big instruct.lr=3e-4"][0][1].text == "85.0 ± 7.1 n 2"
    assert Study("", tuple(rows)).apart == ("instruct.learning_rate",)
    sweep = swept(rows)  # the same, where the experiment sweeps over nothing
    assert [(g.point, g.seeds) for g in sweep.groups] == [
        ("instruct.learning_rate=1e-4", (0,)),
        ("instruct.learning_rate=3e-4", (1, 2)),
    ]
    equal = [taught(seed, 1e-4, right) for seed, right in enumerate((40, 80))]
    assert Study("", tuple(equal)).apart == ()
    mean = comparison.overview([*equal, other], "plain").matrices["all"].cells
    assert mean["both pocket-compass", "pocket-compass"].text.endswith("n 2 of 3")


def test_fractions_are_points_of_a_line(recorded):  # noqa: F811
    whole = next(r for r in list_runs(recorded) if (r.arm, r.teacher) == ("both", "wren-3m"))
    half = replace(whole, run_id="half", fraction=50)
    other = replace(whole, run_id="other", task="pocket-sums", refine_task="pocket-sums")
    found = comparison.by_fraction(Study("", (whole, half, other)), "plain")
    assert [share for share, _ in found["pocket-compass"]["both <wren-3m"]] == [50, 100]
    table = comparisons.fractions(found)
    assert table.headers == ("task", "demonstrations", "100 %", "50 %")
    shown = [tuple(map(text_of, row[:1])) for row in blocks(table).rows]
    line = ("  both <wren-3m",)
    assert shown == [("pocket-compass",), line, (), ("pocket-sums",), line]


def test_files_hold_what_the_screen_says_and_nothing_is_overwritten(recorded, pair, tmp_path):  # noqa: F811
    compared = comparison.with_differences(recorded, comparison.accuracies(recorded, pair))
    files = accuracies.compared(compared, ["A", "B"]).files()
    made = write_new(tmp_path / "out", files)
    assert [p.name for p in made] == ["accuracies.md", "accuracies.tex", "accuracies.csv"]
    assert "82.3 [79.1, 85.2]" in made[0].read_text()
    assert r"\toprule" in made[1].read_text()
    assert f"n {compared.differences[COMPASS][1].total}" in made[2].read_text()
    made[0].write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        write_new(tmp_path / "out", files)
    assert made[0].read_text() == "mine"


def test_curves_are_every_point_as_data_and_their_ends_on_a_page(recorded, pair):  # noqa: F811
    views = comparison.Logs(recorded, pair).read()
    rows = comparison.rows_of(recorded, pair)
    data = comparisons.curves(views, rows, "instruct", "loss")
    points = views[0]["instruct"].metrics["loss"]
    assert [float(line[3]) for line in data.rows] == [y for _, y in points]
    page = comparisons.curve_ends(views, rows, "instruct", "loss")
    assert page.rows[0][1] == str(points[-1][0])


def test_runs_asked_with_another_version_of_the_prompt_are_not_paired(recorded, pair):  # noqa: F811
    a, b = (finished(recorded, run_id) for run_id in pair)
    assert paired(COMPASS, a, b) is not None
    spec = b[COMPASS].spec
    later = spec.model_copy(update={"task": spec.task.model_copy(update={"prompt_version": 2})})
    folder = recorded.phase(later.id)
    folder.create(later)
    assert paired(COMPASS, a, b | {COMPASS: Evaluated(later, folder)}) is None
