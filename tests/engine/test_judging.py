"""A judge between two recorded runs: asked over real HTTP, in both orders, paid once."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands.judging import comparables, plan_judging
from engine.commands.reporting import write
from engine.interfaces import Devices
from engine.judging.prompt import REQUEST, comparison
from engine.judging.verdicts import read_verdict, tally
from engine.phases.context import Stopped
from engine.phases.replies import ReplyStore
from engine.planning.presets import judge_card
from engine.queries.judgements import Judgement, judgement_of, judgements
from engine.scheduling.launchers.local import ENGINE, phase_command
from engine.schema import events as ev
from engine.schema.cards import Endpoint, ModelCard
from engine.schema.errors import UserError
from engine.schema.follow_ups import JudgeSpec
from engine.schema.jsonfile import with_seal
from engine.schema.records import JudgedAnswers, Prediction
from engine.schema.settings import JudgeSettings
from engine.schema.specs import EvaluateSpec, TaskRef
from engine.store.jsonlines import read_records
from engine.store.layout import PREDICTIONS, REPLIES, VERDICTS, RunsFolder, hash_file, write_json
from engine.store.run import read_run
from engine.store.sealing import accept
from tests.engine.conducting import conduct_here
from tests.engine.misbehaving_server import MisbehavingServer, error, reply
from tests.engine.training_helpers import Attempt, Lab
from tests.tui.conftest import run_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.store.layout import JudgementDir

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


def spec_of(
    runs: RunsFolder, judge: ModelCard, a: str = TEACHER, b: str = BARE, **settings: Any
) -> JudgeSpec:
    wanted = plan_judging(runs, a, b, judge, JudgeSettings(**settings), ["pocket-sums"], ["plain"])
    (spec,) = wanted.spec.phases
    assert isinstance(spec, JudgeSpec)
    return spec


def attempt(runs: RunsFolder, spec: JudgeSpec, **how: Any) -> Attempt:
    return Lab(runs).attempt(spec, **how)


def ask(
    runs: RunsFolder, judge: ModelCard, a: str = TEACHER, b: str = BARE, **settings: Any
) -> Judgement:
    """What a finished judgement says; it is made where it isn't there."""
    spec = spec_of(runs, judge, a, b, **settings)
    if not runs.phase(spec.id).done:
        attempt(runs, spec)
    return judgement_of(runs, spec, (a, b))


def test_each_pair_is_asked_in_both_orders_and_the_log_tells_how_far_and_whom_it_prefers(
    runs: RunsFolder, server: MisbehavingServer
) -> None:
    spec = spec_of(runs, card(server))
    made = attempt(runs, spec)
    found = judgement_of(runs, spec, (TEACHER, BARE))
    assert found.tally.first.count == found.tally.questions == 24  # the teacher gives steps
    assert found.tally.flips.count == 0
    assert found.tally.first_place.value == 0.5
    assert found.tally.agrees.count == found.tally.agrees.total > 12
    last = made.of(ev.Progress)[-1]
    assert [len(server.requests), last.done, last.total, last.unit] == [48, 48, 48, "verdicts"]
    assert made.of(ev.Cost)[-1].spent == pytest.approx(48 * 0.015)
    assert made.figures["spent"] == pytest.approx(48 * 0.015)
    prompts = {body["messages"][0]["content"] for body in server.requests}
    pairs = {frozenset(b.groups()) for b in map(BLOCKS.search, prompts) if b}
    assert (len(prompts), len(pairs)) == (48, 24)
    name = read_run(runs, TEACHER).name
    assert {sample.label for sample in made.of(ev.Sample)} == {f"prefers {name}"}
    assert "of 24, equal 0, undecided 0, sign test p 1.2e-07" in made.figures["summary"]
    assert made.figures["first" if spec.names[0] == name else "second"] == 24


def test_a_judge_that_minds_the_place_decides_nothing(runs: RunsFolder) -> None:
    with MisbehavingServer(answer=lambda _: "Verdict: A") as server:
        found = ask(runs, card(server)).tally
    assert found.undecided.count == found.flips.count == 24
    assert found.first_place.value == 1.0
    assert found.agrees.count == found.disagrees.count == 0


def test_nothing_is_paid_twice(runs: RunsFolder, server: MisbehavingServer) -> None:
    judge = card(server)
    few = ask(runs, judge, limit=5)
    assert len(server.requests) == 10
    whole = ask(runs, judge)  # more questions include fewer
    assert len(server.requests) == 48
    turned = ask(runs, judge, BARE, TEACHER)  # the other way round
    assert len(server.requests) == 48
    assert set(server.delivered.values()) == {1}
    assert (turned.a, turned.b) == (whole.b, whole.a)
    assert turned.tally.second == whole.tally.first
    assert turned.tally.agrees == whole.tally.agrees
    assert turned.tally.first_place == whole.tally.first_place
    assert (few.tally.questions, whole.tally.questions) == (5, 24)
    assert judgements(runs, [TEACHER, BARE]) == [whole]
    assert judgements(runs, [BARE, TEACHER]) == [turned]
    assert judgements(runs, [TEACHER]) == []


def any_spec(source: str = "http://a", version: int = 1, **more: Any) -> JudgeSpec:
    endpoint = Endpoint(kind="openai_compatible", base_url=source, model="m", price_in=2.0)
    return JudgeSpec(
        phases=("evaluate-" + "0" * 16, "evaluate-" + "1" * 16),
        names=("one", "two"),
        judge=ModelCard(name="j", family="f", source=endpoint),
        task=TaskRef(name="gsm8k"),
        prompt="cot",
        prompt_version=version,
        **more,
    )


def test_another_judge_wording_or_number_of_questions_is_another_judgement() -> None:
    few = any_spec(settings=JudgeSettings(limit=5))
    assert len({s.id for s in (any_spec(), any_spec("http://b"), any_spec(version=2), few)}) == 4
    assert few.generation_key == any_spec().generation_key


def test_the_name_of_a_judgements_folder_of_0_1_is_the_key_of_its_replies() -> None:
    assert any_spec().generation_key == "56edcb098d6aaedf"
    own = any_spec(settings=JudgeSettings(method="answer"), seed=3)
    assert own.generation_key == "6a8704822116c4ce"


def test_goes_on_after_a_failure(runs: RunsFolder, server: MisbehavingServer) -> None:
    server.script.extend([*[reply()] * 9, error(400, "out of luck")])
    with pytest.raises(UserError, match="out of luck"):
        ask(runs, card(server))
    assert judgements(runs, [TEACHER, BARE]) == []
    kept = sum(server.delivered.values())
    assert kept >= 9
    assert ask(runs, card(server)).tally.questions == 24
    assert sum(server.delivered.values()) == 48
    assert set(server.delivered.values()) == {1}


def test_stops_between_replies_and_goes_on(runs: RunsFolder, server: MisbehavingServer) -> None:
    spec = spec_of(runs, card(server, concurrency=1))

    def stop(event: ev.Event, ctx: Any) -> None:
        if isinstance(event, ev.Sample) and event.item:
            ctx.attempt.stop.touch()

    with pytest.raises(Stopped):
        attempt(runs, spec, on_event=stop)
    kept = sum(server.delivered.values())
    assert 0 < kept < 48
    assert attempt(runs, spec).of(ev.Progress)[-1].resumed == kept
    assert set(server.delivered.values()) == {1}
    assert sum(server.delivered.values()) == 48


@pytest.mark.slow
def test_killed_midway_it_asks_nothing_twice(runs: RunsFolder, server: MisbehavingServer) -> None:
    """The process dies while a reply is under way: it was not delivered, so it is not paid."""
    spec = spec_of(runs, card(server, concurrency=1))
    folder = runs.phase(spec.id)
    folder.create(spec)
    child: list[subprocess.Popen[bytes]] = []

    def kill_at_the_seventh(prompt: str) -> str:
        if len(server.requests) == 7:
            os.kill(child[0].pid, signal.SIGKILL)
            child[0].wait()
        return longer(prompt)

    server.answer = kill_at_the_seventh
    command = phase_command(ENGINE, folder, folder.new_attempt(), Devices())
    assert command[0] == sys.executable
    child.append(subprocess.Popen(command))
    assert child[0].wait(timeout=120) == -signal.SIGKILL
    assert not folder.done
    assert len(ReplyStore(folder.work / REPLIES)) == 6
    attempt(runs, spec)
    assert set(server.delivered.values()) == {1}
    assert sum(server.delivered.values()) == 48


def test_the_spend_cap_holds_over_attempts(runs: RunsFolder, server: MisbehavingServer) -> None:
    for _ in range(2):
        with pytest.raises(UserError, match=r"spend cap of 1\.20 USD reached"):
            ask(runs, card(server, max_spend=1.2))
    assert 0 < 0.015 * len(server.requests) <= 1.2
    assert set(server.delivered.values()) == {1}


def test_the_same_text_is_a_tie_that_nobody_is_asked_about(
    runs: RunsFolder, server: MisbehavingServer
) -> None:
    spec = spec_of(runs, card(server))
    one, other = (runs.phase(phase) for phase in spec.phases)
    shutil.copyfile(one.out / PREDICTIONS, other.out / PREDICTIONS)
    accept(other)
    found = ask(runs, card(server)).tally
    assert found.same == found.tie.count == 24
    assert not server.requests


def test_what_cannot_be_compared_says_so(runs: RunsFolder) -> None:
    with pytest.raises(UserError, match="share no finished evaluation with different answers"):
        comparables(runs, TEACHER, TEACHER)
    with pytest.raises(UserError, match="did you mean 'pocket-sums'"):
        comparables(runs, TEACHER, BARE, ["pocket-sum"])
    assert len(comparables(runs, TEACHER, BARE, prompts=["cot"])) == 3


# --- judgements of version 0.1 ---


def as_0_1_filed_it(runs: RunsFolder, spec: JudgeSpec) -> JudgementDir:
    """A finished phase's replies and verdicts where version 0.1 kept them, and no phase."""
    phase, folder = runs.phase(spec.id), runs.judgement(spec.generation_key)
    folder.path.mkdir(parents=True)
    told = {
        "phases": spec.phases,
        "judge": spec.judge.model_dump(mode="json"),
        "method": spec.settings.method,
        "prompt_version": spec.prompt_version,
        "seed": spec.seed,
    }
    folder.spec_file.write_text(json.dumps(told))
    shutil.copy(phase.work / REPLIES, folder.replies)
    shutil.copy(phase.out / VERDICTS, folder.verdicts)
    write_json(folder.seal, with_seal({"sha256": hash_file(folder.verdicts)}))
    shutil.rmtree(phase.path)
    return folder


@pytest.mark.parametrize("method", ["compare", "answer"])
def test_what_0_1_was_told_is_shown_and_used(
    runs: RunsFolder, server: MisbehavingServer, method: str
) -> None:
    if method == "answer":
        server.answer = lambda _: "The answer is 7."
    judge = card(server)
    before = ask(runs, judge, limit=9, method=method)
    as_0_1_filed_it(runs, spec_of(runs, judge, limit=9, method=method))
    assert judgements(runs, [TEACHER, BARE]) == [before]
    asked = len(server.requests)
    assert ask(runs, judge, limit=9, method=method) == before
    assert len(server.requests) == asked
    more = ask(runs, judge, limit=None, method=method)
    assert set(server.delivered.values()) == {1}
    assert judgements(runs, [TEACHER, BARE]) == [more]


def test_a_damaged_judgement_of_0_1_is_named_and_hides_no_other(
    runs: RunsFolder, server: MisbehavingServer
) -> None:
    judge = card(server)
    ask(runs, judge)
    folder = as_0_1_filed_it(runs, spec_of(runs, judge))
    folder.verdicts.write_bytes(folder.verdicts.read_bytes().replace(b"first", b"tie", 1))
    told: list[str] = []
    assert judgements(runs, [TEACHER, BARE], told.append) == []
    assert [str(folder.verdicts) in line for line in told] == [True]
    whole = ask(runs, judge)  # of the replies, which are whole
    assert judgements(runs, [TEACHER, BARE]) == [whole]


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


def test_it_waits_prints_a_table_and_warns_of_unread_replies(
    runs: RunsFolder, server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conduct_here(monkeypatch)
    server.answer = lambda prompt: "hard to say" if "Eva" in prompt else longer(prompt)
    done = call(runs, "--judge", card_file(tmp_path, server), "--format", "markdown")
    assert done.exit_code == 0, done.output
    assert "| A | B | task | prompt | judge | n | A better [95 %] |" in done.stdout
    assert "21 % of the replies hold no verdict" in done.stderr
    assert "endpoints: about 0.26 USD" in done.stderr
    assert "judge gpt pocket-sums plain done" in done.stderr
    (run_id,) = [name for name in runs.run_ids() if "-judge-" in name]
    assert set(read_run(runs, run_id).tags) == {TEACHER, BARE}
    again = call(runs, "--judge", card_file(tmp_path, server), "--json")
    (found,) = json.loads(again.stdout)
    assert found["tally"]["questions"] == 24
    assert set(server.delivered.values()) == {1}


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
