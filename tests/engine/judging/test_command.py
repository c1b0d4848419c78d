"""``sirt judge``, judges that answer by themselves, and what a report shows of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands.bundling import bundle
from engine.commands.importing import take_in
from engine.commands.reporting import write
from engine.planning.presets import judge_card
from engine.queries.judgements import judgements
from engine.schema.errors import UserError
from engine.schema.records import Prediction
from engine.store.jsonlines import read_records
from engine.store.layout import PREDICTIONS, RunsFolder
from engine.store.run import read_run
from tests.engine.conducting import conduct_here
from tests.engine.judging.helpers import (
    BARE,
    TEACHER,
    ask,
    call,
    card,
    card_file,
    longer,
    spec_of,
)
from tests.engine.misbehaving_server import MisbehavingServer, error, reply

if TYPE_CHECKING:
    from pathlib import Path


def test_it_waits_prints_a_table_and_warns_of_unread_replies(
    runs: RunsFolder, server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conduct_here(monkeypatch)
    server.answer = lambda prompt: "hard to say" if "Eva" in prompt else longer(prompt)
    done = call(runs, "--judge", card_file(tmp_path, server), "--format", "markdown")
    assert done.exit_code == 0, done.output
    assert "| A | B | task | prompt | judge | n | A better [95 %] |" in done.stdout
    assert "21 % of the replies hold no verdict" in done.stderr
    assert "endpoints (rough): about 0.26 USD" in done.stderr
    assert "judge gpt pocket-sums plain done" in done.stderr
    (run_id,) = [name for name in runs.run_ids() if "-judge-" in name]
    assert set(read_run(runs, run_id).tags) == {TEACHER, BARE}
    again = call(runs, "--judge", card_file(tmp_path, server), "--json")
    (found,) = json.loads(again.stdout)
    assert found["tally"]["questions"] == 24
    assert set(server.delivered.values()) == {1}


def test_a_judgement_travels_with_the_runs_that_it_compares(
    runs: RunsFolder, server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conduct_here(monkeypatch)
    server.answer = longer
    assert call(runs, "--judge", card_file(tmp_path, server)).exit_code == 0
    file, elsewhere = tmp_path / "judged.tar", RunsFolder(tmp_path / "elsewhere")
    bundle(runs, runs.run_ids(), file)
    assert take_in(elsewhere, file).runs == tuple(runs.run_ids())
    (found,) = judgements(elsewhere, (TEACHER, BARE))
    assert found.tally.questions == 24
    assert [found] == judgements(runs, (TEACHER, BARE))


def test_a_judge_that_fails_says_why_and_the_same_call_goes_on(
    runs: RunsFolder, server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conduct_here(monkeypatch)
    server.script.extend([*[reply()] * 3, error(400, "out of luck")])
    judge = card_file(tmp_path, server)
    failed = call(runs, "--judge", judge)
    assert failed.exit_code == 1
    assert "out of luck" in failed.stderr
    assert call(runs, "--judge", judge).exit_code == 0
    assert set(server.delivered.values()) == {1}


def test_detached_it_is_only_queued(
    runs: RunsFolder, server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conduct_here(monkeypatch)
    queued = call(runs, "--judge", card_file(tmp_path, server), "--detach")
    assert queued.exit_code == 0
    assert "queued; look with `sirt" in queued.stderr
    assert not queued.stdout
    assert not server.requests
    listed = CliRunner().invoke(sirt, ["--runs", str(runs.root), "status", "--json"])
    (row,) = [row for row in json.loads(listed.stdout) if row["arm"] == "judge"]
    assert row["state"] == "queued"


def test_a_judge_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no judge 'wren-1' .*: did you mean 'wren-1m'"):
        judge_card("wren-1")
    file = tmp_path / "ready.yaml"
    file.write_text("name: r\nfamily: r\nsource: {kind: imported, path: ready.yaml}\n")
    with pytest.raises(UserError, match="a file of ready answers can't judge"):
        judge_card(str(file))


def test_a_judge_that_answers_by_itself(runs: RunsFolder) -> None:
    """One request a question, none where both say the same; who agrees with it is preferred."""
    spec = spec_of(runs, judge_card("wren-3m"))
    first, second = (
        list(read_records(runs.phase(phase).out / PREDICTIONS, Prediction)) for phase in spec.phases
    )
    answers = {p.question: p for p in first}
    differ = sum(p.verdict.answer != answers[p.question].verdict.answer for p in second)

    def solve(prompt: str) -> str:
        question = prompt.partition("Question: ")[2].partition("\n")[0]
        return f"Step by step. The answer is {answers[question].target}."

    with MisbehavingServer(answer=solve) as server:
        judge = card(server)
        found = ask(runs, judge, method="answer")
        assert len(server.requests) == differ > 12
        turned = ask(runs, judge, BARE, TEACHER, method="answer")
        assert len(server.requests) == differ
        ask(runs, judge)  # comparing is another judgement
        assert len(server.requests) == differ + 48
    assert found.judge == "gpt, by its own answer"
    assert found.tally.agrees.count == found.tally.agrees.total > 12
    assert found.tally.same == 24 - differ
    assert found.tally.flips.value is None
    assert turned.tally.second == found.tally.first
    assert "Answer A" not in server.requests[0]["messages"][0]["content"]


@pytest.mark.slow
def test_an_embedded_model_can_judge_so(runs: RunsFolder) -> None:
    found = ask(runs, judge_card("wren-3m"), method="answer").tally
    assert found.unread.count == 0
    assert found.agrees.low > 0.7
    assert found.disagrees.count <= 1


@pytest.mark.slow
def test_a_report_shows_what_judges_have_said_and_counts_them_as_no_condition(
    runs: RunsFolder, server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conduct_here(monkeypatch)
    assert call(runs, "--judge", card_file(tmp_path, server)).exit_code == 0
    written = write(runs, "pocket", runs.run_ids(), tmp_path / "report")
    (table,) = (t for t in written.tables if t.slug == "judgements")
    assert table.texts[0][6:10] == ("100.0 [86.2, 100.0]", "0.0", "0.0", "0.0 [0.0, 13.8]")
    assert not any("judge" in row[0] for t in written.tables[:1] for row in t.texts)
