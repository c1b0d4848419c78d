"""A judge between two recorded runs: asked over real HTTP, in both orders, paid once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner
from filelock import FileLock

from engine.cli.main import sirt
from engine.commands import judging
from engine.commands.judging import (
    Asked,
    Comparable,
    Interrupted,
    comparables,
)
from engine.commands.reporting import write
from engine.judging.prompt import REQUEST, comparison
from engine.judging.verdicts import read_verdict, tally
from engine.planning.presets import judge_card
from engine.scheduling.queue import read_run
from engine.schema.cards import Endpoint, ModelCard
from engine.schema.errors import UserError
from engine.schema.records import JudgedAnswers, Prediction
from engine.schema.specs import EvaluateSpec, JudgementSpec
from engine.store.jsonlines import read_records
from engine.store.layout import PREDICTIONS, RunsFolder
from engine.store.sealing import accept
from tests.engine.misbehaving_server import MisbehavingServer, error, reply
from tests.tui.conftest import run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.judging.table import Judgement

RECORDED = RunsFolder(Path(__file__).parents[1] / "fixtures" / "runs")
TEACHER, BARE = run_of(RECORDED, "teacher", "wren-3m"), run_of(RECORDED, "baseline")
BLOCKS = re.compile(r"\[Answer A\]\n(.*)\n\[Answer B\]\n(.*)\n\[End\]", re.DOTALL)


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("22 + 4 = 26. A says 26. B says 7.\nVerdict: A", "A"),
        ("**Verdict: B**", "B"),
        ("Final verdict: [[tie]].", "tie"),
        ("Verdict: A\nOn reflection:\nverdict is answer B\nThank you.", "B"),
        (REQUEST, None),  # said back, it prefers nobody
        ("Verdict: A or B", None),
        ("Verdict: Answer both", None),
        ("A is better", None),
        ("", None),
    ],
)
def test_reading_a_verdict(text: str, label: str | None) -> None:
    assert read_verdict(text) == label


def test_the_judge_sees_question_options_and_both_answers() -> None:
    text = comparison("Which way?", ("north", "east"), "one", "two")
    assert text.index("Which way?") < text.index("B) east") < text.index("[Answer A]\none\n")
    assert text.index("one") < text.index("[Answer B]\ntwo\n") < text.index(REQUEST)


def judged(straight: Any, swapped: Any, right: str = "", same: bool = False) -> JudgedAnswers:
    return JudgedAnswers(
        id="q",
        first_correct="1" in right,
        second_correct="2" in right,
        same=same,
        straight=straight,
        swapped=swapped,
    )


def test_only_a_preference_in_both_orders_counts() -> None:
    found = tally(
        [
            judged("first", "first", right="1"),
            judged("first", "first", right="2"),
            judged("second", "second", right="2"),
            judged("first", "second", right="1"),  # the first place, both times
            judged("second", "first", right="12"),  # the second place, both times
            judged("first", "tie"),
            judged("tie", "tie"),
            judged(None, "first"),
            judged(None, None, same=True),
        ]
    )
    assert found.questions == 9
    counts = [s.count for s in (found.first, found.second, found.tie, found.undecided)]
    assert counts == [2, 1, 2, 4]
    assert found.same == 1
    assert (found.flips.count, found.flips.total) == (2, 8)
    assert (found.unread.count, found.unread.total) == (1, 16)
    # shown first: straight first, or swapped second
    assert (found.first_place.count, found.first_place.total) == (6, 12)
    assert (found.agrees.count, found.disagrees.count, found.agrees.total) == (2, 1, 4)
    assert found.p == 1.0
    assert tally([judged("first", "first")] * 8).p == pytest.approx(2 / 2**8)  # the sign test
    assert tally([]).first.value is None


# --- over HTTP ---


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    """The teacher's run and the bare student's, with their answers to 24 sums and walks."""
    copy = RunsFolder(tmp_path / "runs")
    for run_id in (TEACHER, BARE):
        shutil.copytree(RECORDED.run_folder(run_id), copy.run_folder(run_id))
        for spec in read_run(RECORDED, run_id).spec.phases:
            if isinstance(spec, EvaluateSpec):
                shutil.copytree(RECORDED.phase(spec.id).path, copy.phase(spec.id).path)
    return copy


def longer(prompt: str) -> str:
    """Likes what is longer, wherever it stands."""
    found = BLOCKS.search(prompt)
    assert found
    a, b = len(found[1]), len(found[2])
    return f"Let me see.\nVerdict: {'A' if a > b else 'B' if b > a else 'tie'}"


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer(answer=longer) as it:
        yield it


def card(server: MisbehavingServer, **fields: Any) -> ModelCard:
    source = Endpoint(
        kind="openai_compatible",
        base_url=server.url,
        model="m",
        **{"concurrency": 4, "http_retries": 0, "price_in": 1000.0, "price_out": 1000.0}
        | {"patience_s": 0.0}
        | fields,
    )
    return ModelCard(name="gpt", family="gpt", source=source)


def sums(runs: RunsFolder, a: str = TEACHER, b: str = BARE) -> Comparable:
    (found,) = comparables(runs, a, b, ["pocket-sums"], ["plain"])
    return found


def ask(runs: RunsFolder, what: Comparable, judge: ModelCard, **more: Any) -> Judgement:
    quiet = {"tell": lambda _: None, "watch": lambda _: None, "stopped": lambda: False}
    return judging.judge(runs, what, judge, **(quiet | more))


def test_each_pair_is_asked_in_both_orders(runs: RunsFolder, server: MisbehavingServer) -> None:
    seen: list[Asked] = []
    found = ask(runs, sums(runs), card(server), watch=seen.append)
    assert found.tally.first.count == found.tally.questions == 24  # the teacher gives steps
    assert found.tally.flips.count == 0
    assert found.tally.first_place.value == 0.5
    assert found.tally.agrees.count == found.tally.agrees.total > 12
    assert [len(server.requests), seen[-1].done, seen[-1].total] == [48, 48, 48]
    assert seen[-1].spent == pytest.approx(48 * 0.015)
    prompts = {body["messages"][0]["content"] for body in server.requests}
    pairs = {frozenset(b.groups()) for b in map(BLOCKS.search, prompts) if b}
    assert (len(prompts), len(pairs)) == (48, 24)


def test_a_judge_that_minds_the_place_decides_nothing(runs: RunsFolder) -> None:
    with MisbehavingServer(answer=lambda _: "Verdict: A") as server:
        found = ask(runs, sums(runs), card(server)).tally
    assert found.undecided.count == found.flips.count == 24
    assert found.first_place.value == 1.0
    assert found.agrees.count == found.disagrees.count == 0


def test_nothing_is_paid_twice(runs: RunsFolder, server: MisbehavingServer) -> None:
    judge = card(server)
    ask(runs, sums(runs), judge, limit=5)
    assert len(server.requests) == 10
    whole = ask(runs, sums(runs), judge)  # more questions include fewer
    assert len(server.requests) == 48
    turned = ask(runs, sums(runs, BARE, TEACHER), judge)  # the other way round
    assert len(server.requests) == 48
    assert set(server.delivered.values()) == {1}
    assert (turned.a, turned.b) == (whole.b, whole.a)
    assert turned.tally.second == whole.tally.first
    assert turned.tally.agrees == whole.tally.agrees
    assert turned.tally.first_place == whole.tally.first_place
    assert judging.judgements(runs, [TEACHER, BARE]) == [whole]
    assert judging.judgements(runs, [BARE, TEACHER]) == [turned]
    assert judging.judgements(runs, [TEACHER]) == []


def test_another_judge_or_wording_is_another_judgement() -> None:
    def spec(source: str = "http://a", version: int = 1) -> JudgementSpec:
        endpoint = Endpoint(kind="openai_compatible", base_url=source, model="m")
        judge = ModelCard(name="j", family="f", source=endpoint)
        return JudgementSpec(phases=("a", "b"), judge=judge, prompt_version=version)

    assert len({s.fingerprint for s in (spec(), spec("http://b"), spec(version=2))}) == 3


def test_goes_on_after_a_failure(runs: RunsFolder, server: MisbehavingServer) -> None:
    server.script.extend([*[reply()] * 9, error(400, "out of luck")])
    with pytest.raises(UserError, match="out of luck"):
        ask(runs, sums(runs), card(server))
    assert judging.judgements(runs, [TEACHER, BARE]) == []
    kept = sum(server.delivered.values())
    assert kept >= 9
    assert ask(runs, sums(runs), card(server)).tally.questions == 24
    assert sum(server.delivered.values()) == 48
    assert set(server.delivered.values()) == {1}


def test_stops_between_replies_and_goes_on(runs: RunsFolder, server: MisbehavingServer) -> None:
    seen: list[Asked] = []
    one_at_a_time = card(server, concurrency=1)
    with pytest.raises(Interrupted):
        ask(
            runs,
            sums(runs),
            one_at_a_time,
            watch=seen.append,
            stopped=lambda: seen[-1].done >= 7,
        )
    assert sum(server.delivered.values()) == 7
    ask(runs, sums(runs), one_at_a_time, watch=seen.append)
    assert seen[-1].resumed == 7
    assert set(server.delivered.values()) == {1}


def test_the_spend_cap_holds_over_calls(runs: RunsFolder, server: MisbehavingServer) -> None:
    for _ in range(2):
        with pytest.raises(UserError, match=r"spend cap of 1\.20 USD reached"):
            ask(runs, sums(runs), card(server, max_spend=1.2))
    assert 0 < 0.015 * len(server.requests) <= 1.2
    assert set(server.delivered.values()) == {1}


def test_the_same_text_is_a_tie_that_nobody_is_asked_about(
    runs: RunsFolder, server: MisbehavingServer
) -> None:
    what = sums(runs)
    shutil.copyfile(what.a.out / "predictions.jsonl", what.b.out / "predictions.jsonl")
    accept(what.b)
    found = ask(runs, what, card(server)).tally
    assert found.same == found.tie.count == 24
    assert not server.requests


def test_two_at_once_do_not_both_pay(runs: RunsFolder, server: MisbehavingServer) -> None:
    what, judge = sums(runs), card(server)
    phases = tuple(sorted((what.a.id, what.b.id)))
    spec = JudgementSpec(phases=phases, judge=judge, prompt_version=1)  # type: ignore[arg-type]
    folder = runs.judgement(spec.fingerprint)
    folder.path.mkdir(parents=True)
    with FileLock(folder.lock), pytest.raises(UserError, match="another sirt judge is at work"):
        ask(runs, what, judge)
    assert not server.requests


def test_what_cannot_be_compared_says_so(runs: RunsFolder) -> None:
    with pytest.raises(UserError, match="share no finished evaluation with different answers"):
        comparables(runs, TEACHER, TEACHER)
    with pytest.raises(UserError, match="did you mean 'pocket-sums'"):
        comparables(runs, TEACHER, BARE, ["pocket-sum"])
    assert len(comparables(runs, TEACHER, BARE, prompts=["cot"])) == 3


# --- on the command line ---


def card_file(folder: Path, server: MisbehavingServer) -> str:
    file = folder / "judge.yaml"
    file.write_text(
        "name: gpt\nfamily: gpt\nsource:\n  kind: openai_compatible\n"
        f"  base_url: {server.url}\n  model: m\n  concurrency: 1\n  price_in: 1.0\n"
    )
    return str(file)


def call(runs: RunsFolder, *more: str) -> Any:
    options = ("--task", "pocket-sums", "--prompt", "plain")
    return CliRunner().invoke(
        sirt, ["--runs", str(runs.root), "judge", TEACHER, BARE, *options, *more]
    )


def test_ctrl_c_keeps_what_is_paid(
    runs: RunsFolder, server: MisbehavingServer, tmp_path: Path
) -> None:
    def press_ctrl_c(prompt: str) -> str:
        if len(server.requests) == 6:
            os.kill(os.getpid(), signal.SIGINT)
        return longer(prompt)

    server.answer = press_ctrl_c
    judge = card_file(tmp_path, server)
    stopped = call(runs, "--judge", judge)
    assert stopped.exit_code == 130
    assert "the same call goes on" in stopped.output
    assert len(server.requests) == 6
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    done = call(runs, "--judge", judge, "--json")
    (found,) = json.loads(done.stdout)
    assert found["tally"]["first"]["count"] == 24
    assert sum(server.delivered.values()) == 48
    assert set(server.delivered.values()) == {1}


def test_it_prints_a_table_and_warns_of_unread_replies(
    runs: RunsFolder, server: MisbehavingServer, tmp_path: Path
) -> None:
    server.answer = lambda prompt: "hard to say" if "Eva" in prompt else longer(prompt)
    done = call(runs, "--judge", card_file(tmp_path, server), "--format", "markdown")
    assert done.exit_code == 0
    assert "| A | B | task | prompt | judge | n | A better [95 %] |" in done.stdout
    assert "% of the replies hold no verdict" in done.output
    assert "pocket-sums plain: 0/48 verdicts" in done.output


def test_a_judge_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no judge 'wren-1' .*: did you mean 'wren-1m'"):
        judge_card("wren-1")
    file = tmp_path / "ready.yaml"
    file.write_text("name: r\nfamily: r\nsource: {kind: imported, path: ready.yaml}\n")
    with pytest.raises(UserError, match="a file of ready answers can't judge"):
        judge_card(str(file))


def test_a_judge_that_answers_by_itself(runs: RunsFolder) -> None:
    """One request a question, none where both say the same; who agrees with it is preferred."""
    what = sums(runs)
    answers = {p.question: p for p in read_records(what.a.out / PREDICTIONS, Prediction)}
    theirs = list(read_records(what.b.out / PREDICTIONS, Prediction))
    differ = sum(p.verdict.answer != answers[p.question].verdict.answer for p in theirs)

    def solve(prompt: str) -> str:
        question = prompt.partition("Question: ")[2].partition("\n")[0]
        return f"Step by step. The answer is {answers[question].target}."

    with MisbehavingServer(answer=solve) as server:
        judge = card(server)
        found = ask(runs, what, judge, method="answer")
        assert len(server.requests) == differ > 12
        turned = ask(runs, sums(runs, BARE, TEACHER), judge, method="answer")
        assert len(server.requests) == differ
        ask(runs, what, judge)  # comparing is another judgement
        assert len(server.requests) == differ + 48
    assert found.judge == "gpt, by its own answer"
    assert found.tally.agrees.count == found.tally.agrees.total > 12
    assert found.tally.same == 24 - differ
    assert found.tally.flips.value is None
    assert turned.tally.second == found.tally.first
    assert "Answer A" not in server.requests[0]["messages"][0]["content"]


@pytest.mark.slow
def test_an_embedded_model_can_judge_so(runs: RunsFolder) -> None:
    found = ask(runs, sums(runs), judge_card("wren-3m"), method="answer").tally
    assert found.unread.count == 0
    assert found.agrees.low > 0.7
    assert found.disagrees.count <= 1


@pytest.mark.slow
def test_a_report_shows_what_judges_have_said(
    runs: RunsFolder, server: MisbehavingServer, tmp_path: Path
) -> None:
    ask(runs, sums(runs), card(server))
    written = write(runs, "pocket", [TEACHER, BARE], tmp_path / "report")
    (section,) = (s for s in written.sections if s.slug == "judgements")
    assert section.table.rows[0][6:10] == ("100.0 [86.2, 100.0]", "0.0", "0.0", "0.0 [0.0, 13.8]")
