"""What a person types, through the real console script."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.conftest import SIRT, SMALL, CommandLine

HEAVY = (
    "torch", "transformers", "trl", "peft", "datasets", "textual", "scipy", "numpy", "matplotlib",
    "openai", "http.client", "engine.scheduling.loop",
)  # fmt: skip
OF_PRESETS = ("ruamel.yaml",)


@pytest.mark.parametrize(
    ("arguments", "unwanted"),
    [
        (["--help"], HEAVY + OF_PRESETS),
        (["status"], HEAVY + OF_PRESETS),
        (["plan", "pocket"], HEAVY),
    ],
)
def test_light_verbs_import_nothing_heavy(
    arguments: list[str], unwanted: tuple[str, ...], tmp_path: Path
) -> None:
    code = (
        "import sys; sys.argv = ['sirt', *sys.argv[1:]]\n"
        "from engine.cli import main\n"
        "try: main()\n"
        f"finally: print([m for m in {unwanted} if m in sys.modules], file=sys.stderr)\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "--runs", str(tmp_path), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stderr.strip() == "[]"


@pytest.mark.slow
def test_every_verb_has_help(sirt: CommandLine) -> None:
    from engine.cli.verbs import VERBS

    told = sirt("--help")
    for verb in VERBS:
        assert f"  {verb} " in told
    for verb in ("run", "compare", "queue"):
        assert "Usage:" in sirt(verb, "--help")


@pytest.mark.slow
def test_an_empty_folder_says_what_to_do(sirt: CommandLine) -> None:
    assert "run pocket" in sirt()
    assert sirt.json("status") == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["plan", "pokcet"], "did you mean 'pocket'?"),
        (["stauts"], "did you mean 'status'?"),
        (["status", "nothing"], "no run 'nothing'"),
        (["run"], "Missing argument"),
        (["run", "pocket", "--gpus", "7"], "no GPU 7 here"),
        (["run", "pocket", "--gpus", "x"], "expected indices"),
        (["report", "--format", "pdf"], "'pdf' is not one of"),
        (["--rnus", "x"], "No such option"),
    ],
)
def test_errors_are_one_line_without_traceback(
    sirt: CommandLine, arguments: list[str], told: str
) -> None:
    said = sirt(*arguments, code=2)
    assert told in said
    assert said.startswith("sirt: ")
    assert len(said.strip().splitlines()) == 1
    assert "Traceback" not in said


def test_all_problems_of_a_preset_at_once(sirt: CommandLine, tmp_path: Path) -> None:
    text = SMALL.read_text().replace("beta", "x").replace("epochs", "epoch")
    file = tmp_path / "bad.yaml"
    file.write_text(text.replace("max_steps", "max_step"))
    said = sirt("plan", str(file), code=2).splitlines()
    assert len(said) == 2
    assert "settings.instruct.epoch: unknown key; did you mean 'epochs'?" in said[0]
    assert "settings.refine.max_step: unknown key; did you mean 'max_steps'?" in said[1]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into read-only folders")
def test_a_read_only_folder(sirt: CommandLine) -> None:
    sirt.runs.mkdir()
    sirt.runs.chmod(0o500)
    said = sirt("run", str(SMALL), code=2)
    assert "can't write here" in said


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc")
def test_a_folder_that_nobody_may_write_to(sirt: CommandLine) -> None:
    result = subprocess.run(
        [str(SIRT), "--runs", "/proc/sirt", "run", str(SMALL)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "/proc/sirt: can't write here" in result.stderr


def test_runs_that_is_a_file(sirt: CommandLine) -> None:
    sirt.runs.write_text("")
    said = sirt("run", str(SMALL), code=2)
    assert "--runs" in said
    assert "Traceback" not in said


def limit_file_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (700, 700))


def test_a_disk_that_fills_up(sirt: CommandLine) -> None:
    """A file-size limit stands in for a full disk: writes fail half-way all the same."""
    result = subprocess.run(
        [str(SIRT), "--runs", str(sirt.runs), "run", "pocket", "--detach"],
        capture_output=True,
        text=True,
        env=sirt.env,
        preexec_fn=lambda: (__import__("signal").signal(25, 1), limit_file_size())[0],
        check=False,
    )
    assert result.returncode == 2
    assert "Traceback" not in result.stderr
    assert result.stderr.startswith("sirt: ")


@pytest.mark.slow
class TestFinished:
    """On an experiment that has run through all phases."""

    def test_the_run_is_done_and_scored(self, finished: CommandLine) -> None:
        (run,) = finished.json("status")
        assert run["state"] == "done"
        assert {(m["task"], m["prompt"], m["method"]) for m in run["accuracies"]} == {
            ("pocket-sums", "plain", "match"),
            ("pocket-sums", "cot", "match"),
            ("pocket-compass", "plain", "match"),
            ("pocket-compass", "cot", "match"),
            ("pocket-compass", "plain", "logprob"),
        }
        assert all(m["low"] <= m["accuracy"] <= m["high"] for m in run["accuracies"])

    def test_all_that_it_made_has_the_umasks_rights(self, finished: CommandLine) -> None:
        for path in (finished.runs, *finished.runs.rglob("*")):
            rights = path.stat().st_mode & 0o777
            assert rights == (0o775 if path.is_dir() else 0o664), path

    def test_again_reuses_everything(self, copy: CommandLine) -> None:
        said = copy("run", str(SMALL))
        assert "reused: 1 run finished before, 9 phases" in said
        assert "pocket-sums plain" in said

    def test_a_damaged_registry_is_rebuilt(self, copy: CommandLine) -> None:
        before = copy.json("status")
        (file,) = (copy.runs / "registry").glob("[0-9]*.json")  # of the rows
        for table in ("{oops", "[1]", '{"1": {"run_id": 3}}', '{"a": {}}', '{"1": 2}', ""):
            file.write_text(f'{{"_default": {table}}}')
            assert copy.json("status") == before
        shutil.rmtree(copy.runs / "registry")
        assert "1 run indexed" in copy("reindex")
        assert copy.json("status") == before

    def test_step_zero_of_refine(self, finished: CommandLine) -> None:
        (run,) = finished.json("status")
        status = finished.json("status", run["run_id"])
        (refine,) = (p for p in status["phases"] if p["kind"] == "refine")
        assert refine["figures"]["step0_loss"] == pytest.approx(0.6931, abs=1e-4)

    def test_what_is_shown_while_models_answer_is_judged(self, finished: CommandLine) -> None:
        for kind in ("annotate", "elicit", "evaluate"):
            logs = finished.runs.glob(f"phases/{kind}-*/attempt-*/events.jsonl")
            events = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
            samples = [e for e in events if e["kind"] == "sample" and not e.get("label")]
            assert samples
            assert all(sample["verdict"] is not None for sample in samples)

    def test_pairs_and_demonstrations(self, finished: CommandLine) -> None:
        (run,) = finished.json("status")
        pairs = json.loads(finished("pairs", run["run_id"], "--json", "--limit", "3"))
        assert len(pairs) == 3
        for pair in pairs:
            assert pair["chosen"].strip() != pair["rejected"].strip()
            assert pair["prompt_cot"] == pair["prompt_plain"] + " Let's think step by step"

    def test_scoring_again_changes_nothing(self, finished: CommandLine) -> None:
        (run,) = finished.json("status")
        for found in json.loads(finished("score", run["run_id"], "--json")):
            assert found["changed"] == []
            assert found["before"] == found["now"]

    def test_report_forms(self, finished: CommandLine) -> None:
        assert finished("report", "small", "--format", "markdown").startswith("| arm |")
        assert finished("report", "small", "--format", "csv").startswith("arm,")
        assert json.loads(finished("report", "small", "--format", "json"))

    def test_export_never_overwrites(self, finished: CommandLine, tmp_path: Path) -> None:
        (run,) = finished.json("status")
        files = finished("export", run["run_id"], str(tmp_path / "mine")).splitlines()
        assert any(f.endswith("pairs.jsonl") for f in files)
        assert "is there already" in finished(
            "export", run["run_id"], str(tmp_path / "mine"), code=2
        )

    def test_deleting_keeps_what_another_run_needs(self, copy: CommandLine, tmp_path: Path) -> None:
        other = tmp_path / "other.yaml"
        other.write_text(SMALL.read_text().replace("name: small", "name: other"))
        copy("run", str(other), "--detach")
        first, second = copy.json("status")
        assert second["state"] == "done"
        said = copy("delete", first["run_id"], "--yes")
        assert "deletes 0 phases" in said
        assert [r["run_id"] for r in copy.json("status")] == [second["run_id"]]
        copy("delete", second["run_id"], "--yes")
        assert list((copy.runs / "phases").iterdir()) == []
