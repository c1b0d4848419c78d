"""Whoever wrote a text, no verb lets it steer a terminal."""

from __future__ import annotations

import io
import json
import os
import shlex
import subprocess
import sys
import unicodedata
from typing import TYPE_CHECKING

import pytest

from engine.cli.main import main
from engine.commands import run_changes
from engine.schema import events as ev
from engine.store import item_notes
from engine.store.run import read_run
from tests.damage.folder import Sample, make
from tests.damage.test_verbs import make_quick, verbs
from tests.tui.hostile import CORPUS

if TYPE_CHECKING:
    from pathlib import Path

TAGS = "\U000e0001\U000e0041\u2066\u2067\u2068\u2069\u061c\u180e\u00ad"
HOSTILE = "  ".join([*CORPUS.values(), TAGS])[:9_000].replace("\ud800", "")
STEERS = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def steering(text: str) -> set[str]:
    return {c for c in text if unicodedata.category(c) in STEERS and c != "\n"}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    """Everything that a person, a model or a server may have written holds the whole corpus."""
    sample = make(tmp_path_factory.mktemp("planted") / "runs")
    runs = sample.runs
    for run_id in (sample.both, sample.other):
        run_changes.describe(runs, run_id, HOSTILE, (HOSTILE, "\x1b[2J"), HOSTILE)
        for spec in read_run(runs, run_id).spec.phases:
            _speak(runs.phase(spec.id).last_attempt())
    item_notes.mark(runs, sample.phase("elicit").id, ["compass-1"], note=HOSTILE)
    sample.phase("evaluate").manifest_file.unlink()  # so that the last event's error is shown
    return sample


def _speak(attempt) -> None:
    with attempt.events.open("ab") as file:
        for number, event in enumerate(
            (
                ev.Message(level="warning", text=HOSTILE),
                ev.Activity(text=HOSTILE),
                ev.Metric(step=1, values={HOSTILE: 1.0}),
                ev.Sample(item=HOSTILE, label=HOSTILE, prompt=HOSTILE, text=HOSTILE),
                ev.PhaseFinished(outcome="failed", error=HOSTILE),
            )
        ):
            file.write(ev.encode(event.model_copy(update={"seq": 10_000 + number})))
    attempt.stderr.write_text(HOSTILE, encoding="utf-8", errors="surrogatepass")


@pytest.fixture
def say(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    """The command as the shell starts it: exit code, stdout, stderr."""
    make_quick(monkeypatch)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sirt", *words])
        with pytest.raises(SystemExit) as left:
            main()
        said = capsys.readouterr()
        return left.value.code or 0, said.out, said.err

    return run


def test_no_verb_hands_a_terminal_anything_that_steers(planted: Sample, say) -> None:
    shown = ""
    for name, arguments in verbs(planted).items():
        _, out, err = say("--runs", str(planted.runs.root), *arguments)
        assert not steering(out + err), name
        shown += out
    for way in ("status", "pairs", "logs", "show", "quality"):
        _, out, err = say("--runs", str(planted.runs.root), way, planted.both, "--json")
        assert not steering(out), way
        json.loads(out)
    assert "␛[31mred" in shown
    assert "owned" in shown


EVIL = "e\x1b[2J\x9b1m\u202e\u2028\U000e0041"
WORDS = {
    "UNSEEN": "\u3000\u200b\u202e",
    "EVIL": EVIL,
    "BAD": "caf\udce9",
    "BYTE": "\udc9b2J",
    "OUT": f"/dev/null/{EVIL}",
}
HOSTILE_LINES = """
    status EVIL
    logs EVIL
    logs RUN --phase EVIL
    stop EVIL
    retry EVIL
    delete EVIL
    trash restore EVIL
    trash empty EVIL
    leave-out EVIL
    queue --move EVIL 1
    queue --move RUN EVIL
    show EVIL
    tag EVIL x
    report EVIL
    report --format EVIL
    compare EVIL EVIL
    pairs EVIL
    pairs RUN --filter EVIL
    pairs RUN --id EVIL
    score EVIL
    judge EVIL RUN --judge EVIL
    quality EVIL
    accept EVIL
    export EVIL x
    export RUN OUT
    bundle EVIL x.tar
    bundle RUN OUT
    import EVIL
    plan EVIL
    run EVIL
    run pocket --gpus EVIL
    --runs OUT status
    EVIL
"""
EMPTY_LINES = r"""
    tag RUN ''
    tag RUN good '  '
    tag RUN --name '   '
    tag RUN --name ''
    tag RUN UNSEEN
    tag RUN --name UNSEEN
    tag RUN BAD
    status BAD
    status BYTE
    status ''
    status ' '
    BYTE
    pairs RUN --note BAD
    plan BAD
    plan ''
    plan '  '
    run ''
    export RUN ''
    export RUN --merged ''
    bundle RUN ''
    import ''
    accept ''
    report ''
    report RUN --out ''
    --runs '' status
"""


def words_of(line: str, sample: Sample) -> list[str]:
    return [{**WORDS, "RUN": sample.other}.get(word, word) for word in shlex.split(line)]


def lines(text: str) -> list[str]:
    return text.strip().split("\n")


@pytest.mark.parametrize("line", lines(HOSTILE_LINES), ids=str.strip)
def test_a_hostile_argument_is_refused_in_words_that_steer_nothing(planted, say, line) -> None:
    code, out, err = say("--runs", str(planted.runs.root), *words_of(line, planted))
    assert not steering(out + err)
    refused = [line for line in err.splitlines() if "passed over" not in line]
    assert (code, len(refused)) == (2, 1)


def test_names_in_an_experiment_are_told_without_being_obeyed(planted, say, tmp_path) -> None:
    file = tmp_path / "odd.yaml"
    quoted = json.dumps(EVIL)
    for text in (
        f"name: {quoted}\ntasks: [pocket-sums]\n",
        f"teachers: [{quoted}]\nstudents: [{quoted}]\ntasks: [{quoted}]\narms: [{quoted}]\n",
        f"name: a\n{quoted}: 1\n",
        f"cards: [{{name: {quoted}, family: {quoted}, source: {{kind: {quoted}}}}}]\n",
        f"name: a\nsettings: {{{quoted}: {{{quoted}: {quoted}}}}}\n",
        f"\x1b[2J: {quoted}",
    ):
        file.write_text(text)
        code, out, err = say("--runs", str(planted.runs.root), "plan", str(file))
        assert code == 2
        assert err
        assert not steering(out + err)


@pytest.mark.parametrize("line", lines(EMPTY_LINES), ids=str.strip)
def test_words_that_are_none_are_refused_in_a_line(planted, say, line) -> None:
    run = read_run(planted.runs, planted.other)
    code, out, err = say("--runs", str(planted.runs.root), *words_of(line, planted))
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert not steering(err)
    assert read_run(planted.runs, planted.other) == run


def test_a_runs_folder_whose_name_is_no_text_is_refused(say, tmp_path) -> None:
    code, _, err = say("--runs", str(tmp_path / "caf\udce9"), "status")
    assert code == 2
    assert "utf-8" in err


def test_every_verb_prints_on_a_terminal_that_knows_ascii_only(planted, say, monkeypatch) -> None:
    for name, arguments in verbs(planted).items():
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="ascii") for _ in range(2))
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        code, _, _ = say("--runs", str(planted.runs.root), *arguments)
        said = out.buffer.getvalue() + err.buffer.getvalue()
        assert said, name
        assert b"Traceback" not in said, name
        assert code in (0, 1, 2), name


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    sirt = f"{sys.executable} -m engine --runs {folder}"
    return subprocess.run(
        ["sh", "-c", line.replace("sirt", sirt)],
        capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("sirt status 2>&-", 0),
        ("sirt status >&-", 0),
        ("sirt status nobody 2>&-", 2),
        ("sirt status nobody <&- >&- 2>&-", 2),
        ("sirt status nobody 2> /dev/full", 2),
        ("sirt presets > /dev/full", 2),
    ],
)
def test_streams_that_are_closed_or_full_are_no_fault_of_a_verb(tmp_path, line, code) -> None:
    left = shell(line, tmp_path / "runs")
    assert left.returncode == code
    assert "Traceback" not in left.stderr
    assert "Exception ignored" not in left.stderr


def test_what_is_said_never_ends_up_in_a_file_that_was_opened_meanwhile(planted, tmp_path) -> None:
    file = tmp_path / "made"
    shell(f"sirt export {planted.other} {file} >&- 2>&-", planted.runs.root)
    for path in file.rglob("*"):
        assert path.is_dir() or b"sirt:" not in path.read_bytes()
