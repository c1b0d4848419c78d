"""The command line as it is typed: help, ids, folders, completion, printed commands."""

from __future__ import annotations

import ast
import io
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

import engine
from engine.cli.main import ANYWHERE, main, sirt
from engine.cli.verbs import VERBS
from engine.commands import run_changes
from engine.planning.presets import card_names, experiments
from engine.queries.finding import find_phase, find_run, find_runs, find_runs_and_phases
from engine.queries.runs import list_runs
from engine.schema.errors import UserError
from engine.schema.pasted import naming
from engine.store.run import read_run
from engine.tables import accuracies
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from engine.store.layout import RunsFolder

ROOT = Path(engine.__file__).parents[1]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> RunsFolder:
    """Recorded runs, of which these tests change a name only."""
    return copy_recorded(tmp_path_factory.mktemp("verbs") / "runs")


def told(*words: str) -> str:
    done = CliRunner().invoke(sirt, words, prog_name="sirt", terminal_width=80)
    return done.output + (str(done.exception) if done.exception else "")


def test_the_help_fits_a_terminal_and_every_verb_has_a_place_and_an_example() -> None:
    lines = told("--help").splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) < 80
    heads = [line for line in lines if line.endswith(":") and not line.startswith(" ")]
    assert heads == ["Compose and run:", "Watch:", "Read results:", "Files and upkeep:", "Help:"]
    for name, verb in VERBS.items():
        assert any(f"  {name} " in line and verb.line in line for line in lines), name
        own = told(name, "--help")
        assert re.search(rf"Example:.*sirt {name}\b", own), name
        assert "--runs DIRECTORY" in own
        assert max(map(len, own.splitlines())) <= 80


@pytest.mark.parametrize("verb", VERBS)
def test_the_folder_is_named_before_or_after_any_verb(
    verb: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = sirt.get_command(click.Context(sirt), verb)
    assert command is not None
    seen: list[Path] = []
    monkeypatch.setattr(command, "params", [ANYWHERE])
    monkeypatch.setattr(
        command, "callback", lambda: seen.append(click.get_current_context().obj.root)
    )
    here, there = str(tmp_path / "here"), str(tmp_path / "there")
    for words in (["--runs", here, verb], [verb, "--runs", here], [verb, f"--runs={here}"]):
        assert told(*words) == ""
    told("--runs", there, verb, "--runs", here)  # the nearer counts
    assert seen == [tmp_path / "here"] * 4


def test_a_folder_that_is_missing_from_the_line_is_asked_for() -> None:
    assert "requires an argument" in told("status", "--runs")
    assert "looks like an option" in told("status", "--runs", "--json")


def test_a_run_is_found_by_any_part_that_no_other_has(runs: RunsFolder) -> None:
    baseline, both = run_of(runs, "baseline", None), run_of(runs, "both", "wren-3m")
    assert find_run(runs, baseline) == baseline
    assert find_run(runs, "pocket-base") == baseline
    assert find_run(runs, baseline[-6:]) == baseline
    assert find_run(runs, "both wren-1m <WREN-3m") == both  # of its name
    assert find_runs(runs, ["pocket", baseline[-6:]])[-1] != baseline  # each once
    run_changes.describe(runs, baseline, name="first of all")
    assert find_run(runs, "first of all") == baseline
    with pytest.raises(UserError, match="fits 2 runs: pocket-both-s0-2c978236, pocket-both") as one:
        find_runs(runs, ["pocket-both"])
    assert both in str(one.value)
    with pytest.raises(UserError, match=r"'pocket' fits 9 runs: .* and 1 more; give more"):
        find_run(runs, "pocket")
    with pytest.raises(UserError, match="did you mean"):
        find_run(runs, "pocket-bosh-s0-2c978236")


def test_a_phase_is_found_by_any_part_that_no_other_has(runs: RunsFolder) -> None:
    both = run_of(runs, "both", "wren-3m")
    refine = next(p.id for p in read_run(runs, both).spec.phases if p.kind == "refine")
    assert find_phase(runs, refine) == find_phase(runs, refine[-8:]) == refine
    assert find_phase(runs, "refine-only") is None  # runs have it
    assert find_runs_and_phases(runs, [refine[:12], both[-6:]]) == ([both], [refine])
    with pytest.raises(UserError, match=r"'elicit-' fits 4 phases: elicit-"):
        find_phase(runs, "elicit-")


def test_pairs_and_deletions_are_found_by_a_part_too(runs: RunsFolder, tmp_path: Path) -> None:
    folder, both = str(runs.root), run_of(runs, "both", "wren-3m")
    some = json.loads(told("--runs", folder, "pairs", both, "--json", "--limit", "1"))[0]["id"]
    assert f"== {some}  " in told("--runs", folder, "pairs", both, "--id", some[1:])
    assert "pairs: train-" in told("--runs", folder, "pairs", both, "--id", "train-")
    copy = copy_recorded(tmp_path / "runs")
    told("--runs", str(copy.root), "delete", both, "--yes")
    assert both not in copy.run_ids()
    told("--runs", str(copy.root), "trash", "restore", both[-5:])
    assert both in copy.run_ids()


def test_every_verb_that_takes_a_run_takes_a_part_of_its_id(runs: RunsFolder) -> None:
    part = run_of(runs, "both", "wren-3m")[-6:]
    for words in (
        ("status", part),
        ("logs", part, "--tail", "1"),
        ("show", part),
        ("compare", run_of(runs, "baseline", None)[-6:], part),
        ("pairs", part, "--limit", "1"),
        ("retry", part),
        ("stop", part),
        ("accept", part),
    ):
        done = CliRunner().invoke(sirt, ["--runs", str(runs.root), *words])
        assert done.exit_code == 0, (words, done.output)
    assert (
        told("--runs", str(runs.root), "stop", part) == "1 run finished before: nothing to stop\n"
    )


def test_logs_take_a_phase_and_print_its_last_lines_only(runs: RunsFolder) -> None:
    folder = str(runs.root)
    both = run_of(runs, "both", "wren-3m")
    refine = next(p.id for p in read_run(runs, both).spec.phases if p.kind == "refine")
    whole = told("--runs", folder, "logs", refine).splitlines()
    assert whole[0] == f"== refine ({refine}), attempt 1"
    for most in (0, 1, 7):
        last = told("--runs", folder, "logs", refine[-8:], "--tail", str(most)).splitlines()
        assert last == ([whole[0], *whole[-most:]] if most else [])
    run = told("--runs", folder, "logs", both).splitlines()
    assert told("--runs", folder, "logs", both, "-n", "12").splitlines()[-3:] == run[-3:]
    assert "give one of them" in told("--runs", folder, "logs", both, "-f", "--json")


def completed(line: str, runs: RunsFolder) -> list[str]:
    words = line.split(" ")
    shell = BashComplete(sirt, {"obj": print}, "sirt", "_SIRT_COMPLETE")  # as by the interface
    found = shell.get_completions(["--runs", str(runs.root), *words[:-1]], words[-1])
    return [item.value for item in found if item.type == "plain"]


def test_the_tab_key_offers_verbs_ids_experiments_and_models(runs: RunsFolder) -> None:
    both = run_of(runs, "both", "wren-3m")
    assert completed("rep", runs) == ["report"]
    elsewhere = f"status --runs {runs.root} pocket-base"
    assert completed(elsewhere, runs) == [run_of(runs, "baseline", None)]
    assert "learning_rate" in completed("compare --by learn", runs)
    assert completed("status pocket-both-s0-f", runs) == [both]
    assert completed("status fe3b", runs) == [both]  # a part from the middle
    assert set(completed("logs refine-0", runs)) == {
        f.id for f in runs.phase_dirs() if f.id.startswith("refine-0")
    }
    assert completed("run pocket-m", runs) == ["pocket-main-in-family", "pocket-main-out-family"]
    assert "qwen3-8b" in completed("judge a b --judge q", runs)
    assert completed("judge a b --task gs", runs) == ["gsm8k"]
    assert completed("report --format m", runs) == ["markdown"]
    assert "--follow" in completed("logs --f", runs)


@pytest.mark.parametrize(
    ("shell", "has"),
    [("bash", "complete -o"), ("zsh", "#compdef"), ("fish", "complete --no-files")],
)
def test_the_script_for_a_shell_is_printed(shell: str, has: str) -> None:
    said = told("completion", shell)
    assert has in said
    assert "_SIRT_COMPLETE" in said


def strings(file: Path) -> list[str]:
    """All texts of a module but its docstrings; of an f-string, its fixed parts in one."""
    tree = ast.parse(file.read_text())
    docs = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    inner = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            found.append(
                "".join(
                    getattr(v, "value", "…") if isinstance(v, ast.Constant) else "…"
                    for v in node.values
                )
            )
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docs | inner
        ):
            found.append(node.value)
    return found


def test_every_command_in_a_message_gets_the_folder() -> None:
    """A command that is printed is written as such, so that the folder can be put into it."""
    verb = re.compile(rf"\bsirt (?:{'|'.join(VERBS)})\b")
    files = list(ROOT.glob("engine/**/*.py"))
    assert files
    for file in files:
        if file.name in ("verbs.py", "pasted.py", "completion.py"):  # examples
            continue
        for text in strings(file) if "sirt " in file.read_text() else ():
            found = len(verb.findall(text))
            assert naming(text, "r").count("sirt --runs r ") == found, f"{file}: {text}"


def test_nothing_is_coloured_where_no_colour_is_wanted(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as if on a terminal
    both = run_of(runs, "both", "wren-3m")
    for words in (["status"], ["status", both], ["show", both], ["report"], ["quality", both]):
        call = ["--runs", str(runs.root), *words]
        monkeypatch.delenv("NO_COLOR", raising=False)
        assert "\x1b[" in CliRunner().invoke(sirt, call, color=True).output
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b" not in CliRunner().invoke(sirt, call, color=True).output


def test_arms_have_the_experiments_names_in_every_table(runs: RunsFolder) -> None:
    listed = told("--runs", str(runs.root), "status")
    tables = told("--runs", str(runs.root), "report", "--format", "markdown")
    rows = list_runs(runs)
    siblings = accuracies.of_siblings(rows, rows[0].run_id).markdown()
    for row in rows:
        assert f" {row.arm} " in listed
        assert f"| {row.arm} " in tables
        assert f"| {row.arm} " in siblings or not row.accuracies
    assert {name for name in re.findall(r"\w+-only|\bboth\b|\binstructed|\brefined", siblings)} == {
        "instruct-only", "both",
    }  # fmt: skip


def test_sentences_are_wrapped_between_words_on_a_terminal(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    paper = Terminal()
    monkeypatch.setattr(sys, "stdout", paper)
    monkeypatch.setattr(sys, "stderr", paper)
    monkeypatch.setenv("COLUMNS", "80")
    for words in (["plan", "pocket"], ["presets"], ["status", "2c97"], ["compare", "x", "y"]):
        monkeypatch.setattr(sys, "argv", ["sirt", "--runs", str(runs.root), *words])
        with pytest.raises(SystemExit):
            main()
    text = re.sub(r"\x1b\[[0-9;]*m", "", paper.getvalue())
    long = [line for line in text.splitlines() if len(line) > 80]
    assert all(" " not in line.strip() for line in long)  # a path alone
    names = {*experiments(), *card_names(), *runs.run_ids()} - {"gpt-3.5-turbo"}
    assert names <= set(re.split(r"[\s,;:]+", text))
