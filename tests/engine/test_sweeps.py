"""A list where a setting takes one value: which runs it makes, what they share, how they group."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from engine.cli.main import sirt
from engine.commands import drafts
from engine.commands.experiments import launch, plan_experiment, run_id_of
from engine.planning.graph import expand, without_effect
from engine.planning.presets import load_experiment
from engine.queries.rows import row_of
from engine.queries.runs import registry
from engine.queries.study import Study
from engine.queries.sweeps import by_settings, swept
from engine.report.differences import steps
from engine.report.sections import sections
from engine.scheduling import daemon
from engine.scheduling.queue import DeviceRequest
from engine.schema.errors import UserError
from engine.store.layout import RunsFolder
from engine.store.run import read_record
from engine.tables.sweeps import by_setting, on_choosing
from tests.report.made_up import row
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from pathlib import Path

    from engine.schema.run_spec import RunSpec


RATE = "refine.learning_rate"


def file_of(folder: Path, settings: dict[str, Any], **changes: Any) -> Path:
    """An experiment's file with these settings."""
    content = {
        "name": "swept",
        "teachers": ["wren-3m"],
        "students": ["wren-1m"],
        "tasks": ["pocket-sums"],
        "arms": ["both"],
        "settings": settings,
    } | changes
    path = folder / "swept.yaml"
    with path.open("w") as out:
        YAML(typ="safe").dump(content, out)
    return path


def runs_of(folder: Path, settings: dict[str, Any], **changes: Any) -> tuple[RunSpec, ...]:
    return expand(load_experiment(str(file_of(folder, settings, **changes))))


def kinds(runs: tuple[RunSpec, ...], kind: str) -> int:
    return len({phase.id for run in runs for phase in run.phases if phase.kind == kind})


@pytest.mark.parametrize(
    ("settings", "changes", "runs", "phases"),
    [
        ({"refine": {"learning_rate": [1e-6, 5e-6]}}, {}, 2, (1, 1, 1, 2)),
        ({"refine": {"learning_rate": [1e-6, 5e-6]}}, {"seeds": [0, 1, 2]}, 6, (1, 3, 3, 6)),
        ({"refine": {"beta": [0.1, 0.2]}, "instruct": {"epochs": [1, 2]}}, {}, 4, (1, 2, 2, 4)),
        ({"instruct": {"lora": {"r": [4, 8, 16]}}}, {}, 3, (1, 3, 3, 3)),
        ({"elicit": {"winner": ["cot_always", "cot_if_correct_else_drop"]}}, {}, 2, (1, 1, 2, 2)),
        ({"annotate": {"keep": ["correct", "all"]}}, {}, 2, (2, 2, 2, 2)),
        ({"annotate": {"limit": ["paper", 50, None]}}, {}, 2, (2, 2, 2, 2)),  # no classes: all
        ({"refine": {"epochs": [None, 2]}}, {}, 2, (1, 1, 1, 2)),
        ({"evaluate": {"limit": [50, 100]}}, {}, 2, (1, 1, 1, 1)),
        ({"evaluate": {"prompts": ["plain", "cot"]}}, {}, 1, (1, 1, 1, 1)),  # a list by its type
        ({"evaluate": {"prompts": [["plain"], ["plain", "cot"]]}}, {}, 2, (1, 1, 1, 1)),
        ({"instruct": {"lora": {"targets": ["q_proj", "v_proj"]}}}, {}, 1, (1, 1, 1, 1)),
        ({"instruct": {"lora": {"targets": [["q_proj"], "all-linear"]}}}, {}, 2, (1, 2, 2, 2)),
        ({"refine": {"learning_rate": [1e-6]}}, {}, 1, (1, 1, 1, 1)),
        ({"generation": {"max_batch": [64, 256]}}, {}, 1, (1, 1, 1, 1)),  # changes speed alone
        ({}, {"precision": ["nf4", "fp32"]}, 2, (1, 2, 2, 2)),
        ({}, {"data_seed": [0, 1]}, 2, (2, 2, 2, 2)),
        (
            {"refine": {"learning_rate": [1e-6, 5e-6]}},
            {"arms": ["baseline", "teacher", "instruct-only", "both"]},
            5,
            (1, 1, 1, 2),
        ),
    ],
)
def test_which_runs_a_sweep_makes_and_what_they_share(tmp_path, settings, changes, runs, phases):
    found = runs_of(tmp_path, settings, **changes)
    assert len(found) == runs
    assert len({run_id_of(run) for run in found}) == runs
    assert len({run.title for run in found}) == runs
    counts = (kinds(found, kind) for kind in ("annotate", "instruct", "elicit", "refine"))
    assert tuple(counts) == phases


def test_a_swept_run_has_the_phases_it_would_have_alone(tmp_path):
    alone = runs_of(tmp_path, {"refine": {"learning_rate": 5e-6}})
    both = runs_of(tmp_path, {"refine": {"learning_rate": [1e-6, 5e-6]}})
    assert both[1].phases == alone[0].phases
    assert (alone[0].varied, both[1].varied) == ({}, {"refine.learning_rate": 5e-6})
    assert "lr=5e-6" in both[1].title.split()


def test_runs_without_a_sweep_keep_their_names(tmp_path):
    recorded = copy_recorded(tmp_path / "runs")
    for run_id in recorded.run_ids():
        record = read_record(recorded, run_id)
        assert run_id.endswith(record.spec.fingerprint[:8])
        assert record.spec.varied == {}


@pytest.mark.parametrize(
    ("settings", "changes", "said"),
    [
        ({"refine": {"beta": []}}, {}, "settings.refine.beta: is empty; give one value"),
        ({"refine": {"beta": [1, 1.0]}}, {}, "settings.refine.beta: 1.0 is listed twice"),
        ({"refine": {"beta": [0.1, -1]}}, {}, "settings.refine.beta: input should be greater"),
        ({"refine": {"beta": [0.1, "x"]}}, {"tasks": ["sumz"]}, "task 'sumz': valid: csqa"),
        ({"refine": {"beta": [1, 1], "r": 3}}, {}, "settings.refine.r: unknown key"),
        ({"evaluate": {"prompts": ["plain", "cott"]}}, {}, "'cott' is not a choice"),
        (
            {"refine": {"beta": list(range(1, 18)), "max_steps": list(range(1, 18))}},
            {},
            "289 combinations (17 of refine.beta x 17 of refine.max_steps) are more than",
        ),
        (
            {"refine": {"beta": list(range(1, 252))}},
            {"seeds": list(range(4))},
            "251 combinations of the swept settings, each of 4 runs, would be 1,004 runs",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_sweep_is_told(tmp_path, settings, changes, said):
    path = file_of(tmp_path, settings, **changes)
    with pytest.raises(UserError) as error:
        plan_experiment(RunsFolder(tmp_path / "runs"), str(path))
    assert said in str(error.value)
    assert str(path) in str(error.value)


def test_a_sweep_without_effect_is_told(tmp_path):
    path = file_of(tmp_path, {"generation": {"max_batch": [64, 256]}}, arms=["baseline"])
    resolved = load_experiment(str(path))
    assert without_effect(resolved, expand(resolved)) == ["generation.max_batch"]
    notes = plan_experiment(RunsFolder(tmp_path / "runs"), str(path)).notes
    assert any("generation.max_batch" in note and "no result" in note for note in notes)


def test_what_varies_is_kept_with_the_run_and_composed_from(tmp_path, monkeypatch):
    monkeypatch.setattr(daemon, "ensure_running", lambda runs: None)
    runs = RunsFolder(tmp_path / "runs")
    swept_file = file_of(
        tmp_path, {"refine": {"learning_rate": [1e-6, 5e-6]}, "instruct": {"epochs": [1, 2]}}
    )
    planned = plan_experiment(runs, str(swept_file))
    launched = launch(runs, planned, DeviceRequest(cpu=True))
    for run_id, spec in zip(launched.queued, planned.plan.runs, strict=True):
        record = read_record(runs, run_id)
        assert record.spec.varied == spec.varied
        assert record.name == spec.title
        assert dict(registry(runs).indexed()[run_id].varied) == spec.varied
        file_of(tmp_path, {})
        draft = drafts.draft_of_run(runs, run_id)
        swept_file.write_text(drafts.text_of(draft))
        (again,) = plan_experiment(runs, str(swept_file)).plan.runs
        assert again.phases == spec.phases


def rows_of_two_rates() -> list[Any]:
    """Runs of two learning rates and two seeds, and of a baseline that has none."""
    task = "pocket-sums"
    right = {1e-6: (50, 54), 5e-6: (80, 90)}
    taught = [
        row("both", {(task, "plain"): (n, 100)}, seed, task, varied=((RATE, rate),))
        for rate, counts in right.items()
        for seed, n in enumerate(counts)
    ]
    return [*taught, row("baseline", {(task, "plain"): (20, 100)})]


def test_runs_are_grouped_over_seeds_with_mean_and_spread():
    found = swept(rows_of_two_rates())
    assert found.keys == (RATE,)
    assert [group.values[RATE] for group in found.varied] == [1e-6, 5e-6]
    (what,) = found.measured
    high = found.varied[1].accuracies[what]
    assert (high.runs, round(high.value, 3), round(high.sd or 0, 3)) == (2, 0.85, 0.071)
    table = by_setting(found)
    assert "85.0 ± 7.1" in table.markdown()
    assert "standard deviation over the seeds" in table.note
    assert ["–" in line for line in table.markdown().splitlines()[2:]] == [True, False, False]


def test_choosing_by_test_accuracy_is_called_what_it_is():
    rows = rows_of_two_rates()
    said = " ".join(on_choosing(swept(rows)))
    assert "refine.learning_rate=5e-6" in said
    assert "selection on the test split" in said
    assert "no figure on held-out training data" in said
    losses = {r.run_id: ("alike", 0.4 if r.varied[0][1] == 1e-6 else 0.5) for r in rows if r.varied}
    said = " ".join(on_choosing(swept(rows, losses)))
    assert "pairs: both small <big, refine.learning_rate=1e-6 (0.4000)" in said
    apart = {run_id: (run_id, loss) for run_id, (_, loss) in losses.items()}
    single = [r for r in rows if r.seed == 0]
    assert "can't be compared" in " ".join(on_choosing(swept(single, apart)))
    assert on_choosing(swept(rows[:2])) == []  # one group: nothing to choose


def test_runs_of_no_sweep_are_grouped_by_any_setting(tmp_path):
    runs = copy_recorded(tmp_path / "runs")
    rows = [found for run_id in runs.run_ids() if (found := row_of(runs, run_id))]
    found = by_settings(runs, rows, ["learning_rate"])
    assert set(found.keys) == {"instruct.learning_rate", "refine.learning_rate"}
    taught = next(g for g in found.groups if g.condition.arm == "both")
    assert taught.values[RATE] == 8e-4
    assert taught.held_out is not None
    bare = next(g for g in found.groups if g.condition.arm == "baseline")
    assert set(bare.values.values()) == {None}
    with pytest.raises(UserError, match="did you mean 'learning_rate'"):
        by_settings(runs, rows, ["lerning_rate"])
    assert by_settings(runs, rows, ["fraction"]).keys == ("fraction",)
    other = replace(rows[0], run_id=run_of(runs, "both"), varied=(("refine.beta", 0.3),))
    assert "refine.beta" in by_settings(runs, [other], ["fraction"]).keys


def test_reports_and_tests_keep_the_points_of_a_sweep_apart():
    task = "pocket-sums"
    instructed = row("instruct-only", {(task, "plain"): (40, 100)}, 0, task)
    study = Study("swept", (*rows_of_two_rates(), instructed))
    tables = {table.slug: table.markdown() for table in sections(study)}
    assert "both, refine.learning_rate=5e-6" in tables["accuracies"]
    assert f"| {RATE} |" in tables["sweep"]
    held = [(before.method, after.method) for before, after in steps(study)]
    assert ("instruct-only", "both, refine.learning_rate=1e-6") in held
    assert ("instruct-only", "both, refine.learning_rate=5e-6") in held
    assert "sweep" not in {table.slug for table in sections(Study("plain", (instructed,)))}


def test_the_command_line_compares_by_a_setting(tmp_path, capsys):
    runs = copy_recorded(tmp_path / "runs")
    words = ["--runs", str(runs.root), "compare"]
    sirt.main([*words, "--by", "learning_rate", "--format", "csv"], standalone_mode=False)
    lines = capsys.readouterr().out.splitlines()
    assert "refine.learning_rate" in lines[0].split(",")
    assert any(line.startswith("both,wren-1m") and ",8e-4," in line for line in lines)
    with pytest.raises(UserError, match="name two, or add --by"):
        sirt.main([*words, run_of(runs, "both")], standalone_mode=False)
