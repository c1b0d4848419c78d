"""Who is told when a run has ended or is stuck: once, by whom, and with what secrets kept."""

from __future__ import annotations

import json
import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.cli import follow as following
from engine.cli.follow import follow
from engine.cli.main import sirt
from engine.interfaces import Devices
from engine.planning import notify_files
from engine.planning.yaml_file import dump
from engine.scheduling import daemon, queue, sending
from engine.scheduling.folders import Folders
from engine.scheduling.notices import Notices
from engine.scheduling.policy import standings
from engine.scheduling.queue import DeviceRequest, read_queue
from engine.scheduling.watching import Running
from engine.schema import events as ev
from engine.schema.notify import Notify
from engine.store import notices
from engine.store.layout import RunsFolder
from engine.store.run import read_run
from tests.engine.fakes import PROGRAM, chain, until, write_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
pytestmark = pytest.mark.usefixtures("own")
SECRET = "T000/B000/verysecret"


class Hook(BaseHTTPRequestHandler):
    """A webhook that keeps what it gets; it answers ``answers`` in turn, then 200."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, json.loads(body)))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Hook)
    server.got, server.answers = [], []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("HOOK", f"http://127.0.0.1:{server.server_port}/{SECRET}")
    monkeypatch.setattr(sending, "PAUSES_S", (0.0, 0.0))
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    folder = RunsFolder(tmp_path / "runs")
    folder.create()
    write_run(folder, "one", chain())
    queue.enqueue(folder, ["one"], DeviceRequest(cpu=True))
    return folder


def end(runs: RunsFolder, number: int, outcome: str, error: str = "", ago_s: float = 1.0) -> None:
    """Let a phase of the run begin and end, or only begin."""
    phase = runs.phase(read_run(runs, "one").spec.phases[number].id)
    attempt = phase.new_attempt()
    then = datetime.now(UTC) - timedelta(seconds=ago_s)
    told: list[ev.Event] = [
        ev.PhaseStarted(ts=then, phase=phase.id, attempt=1, host="h", pid=1, devices=()),
        ev.Progress(ts=then, done=1, total=2, unit="steps"),
    ]
    if outcome:
        told.append(ev.PhaseFinished(ts=then, outcome=outcome, error=error))
    lines = (event.model_copy(update={"seq": n}) for n, event in enumerate(told))
    attempt.events.write_bytes(b"".join(map(ev.encode, lines)))
    os.utime(attempt.events, (then.timestamp(), then.timestamp()))
    attempt.alive.touch()
    if outcome == "done":
        (phase.path / "staged").mkdir()
        phase.publish(phase.path / "staged", {})


def look(runs: RunsFolder, teller: Notices, running: int | None = None) -> None:
    """Do as a conductor does at each look, and wait until all is sent."""
    folders = Folders(runs)
    wanted = [folders.queued_run(entry) for entry in read_queue(runs).entries]
    at_work = {}
    if running is not None:
        phase = runs.phase(wanted[0].nodes[running].id)
        last = phase.last_attempt()
        at_work = {phase.id: Running(phase, last, None, {}, Devices(), "cpu")}
    teller.look(wanted, standings(wanted, folders.facts(wanted)), at_work)
    until(lambda: not teller.busy, "all is sent")


def states(runs: RunsFolder) -> list[tuple[str, str, str]]:
    return [(n.facts["event"], n.channel, n.state) for n in notices.read(runs, "one")]


def test_a_done_run_is_told_once_by_each_way(runs: RunsFolder, hook, tmp_path: Path) -> None:
    told = tmp_path / "told"
    keep = f'cat > {told}; echo "$SIRT_EVENT $SIRT_RUN $SIRT_ARM" >> {told}.lines'
    notify_files.keep(runs, "one", Notify(command=keep, webhook_env="HOOK"))
    teller = Notices(runs)
    look(runs, teller)
    assert states(runs) == []  # it is at work
    for number in range(3):
        end(runs, number, "done")
    look(runs, teller)
    look(runs, teller)
    again = Notices(runs)  # another conductor
    again.begin()
    look(runs, again)
    assert states(runs) == [("done", "command", "sent"), ("done", "webhook", "sent")]
    assert (tmp_path / "told.lines").read_text() == "done one instruct-only\n"
    facts = json.loads(told.read_text())
    assert (facts["run"], facts["seed"], facts["task"]) == ("one", 0, "pocket-sums")
    ((path, body),) = hook.got
    assert path == f"/{SECRET}"
    assert list(body) == ["text"]
    assert body["text"].startswith("done: one on ")


def test_a_failure_is_told_again_only_when_it_fails_again(runs: RunsFolder, hook, own) -> None:
    own.write_text(dump({"webhook_env": "HOOK"}))  # the user's configuration
    teller = Notices(runs)
    end(runs, 0, "failed", "no <space> left")
    look(runs, teller)
    look(runs, teller)
    assert len(hook.got) == 1
    assert "annotate: no &lt;space&gt; left" in hook.got[0][1]["text"]  # no link for Slack
    queue.retry(runs, "one")
    look(runs, teller)
    assert len(hook.got) == 1
    end(runs, 0, "failed", "still none")
    look(runs, Notices(runs))
    assert [body["text"].rpartition(": ")[2] for _, body in hook.got][1:] == ["still none"]


def test_runs_that_a_common_phase_has_failed_are_told_of_in_one_notice(
    runs: RunsFolder, hook, own
) -> None:
    own.write_text(dump({"webhook_env": "HOOK"}))
    for number, run_id in enumerate(("two", "three"), start=1):
        write_run(runs, run_id, chain(seed=number))  # the same demonstrations
        queue.enqueue(runs, [run_id], DeviceRequest(cpu=True))
    end(runs, 0, "failed", "no power")
    look(runs, Notices(runs))
    look(runs, Notices(runs))
    ((_, body),) = hook.got
    assert body["text"].startswith("failed: one on ")
    assert body["text"].endswith("annotate: no power; the same phase ends 2 more runs")
    for run_id in ("two", "three"):
        (notice,) = notices.read(runs, run_id)
        assert (notice.state, notice.why) == ("sent", "with that of one")


def test_what_is_old_or_was_not_asked_for_is_not_told(runs: RunsFolder, hook, own) -> None:
    own.write_text(dump({"webhook_env": "HOOK", "on": ["done"]}))
    end(runs, 0, "failed")
    look(runs, Notices(runs))
    own.write_text(dump({"webhook_env": "HOOK"}))
    queue.retry(runs, "one")
    end(runs, 0, "failed", ago_s=2 * 86_400)
    look(runs, Notices(runs))
    assert hook.got == []


def test_a_phase_without_progress_is_told_once_a_standstill(runs: RunsFolder, hook, own) -> None:
    own.write_text(dump({"webhook_env": "HOOK", "stuck_minutes": 10}))
    end(runs, 0, "", ago_s=570)
    look(runs, Notices(runs), running=0)
    assert hook.got == []
    phase = runs.phase(read_run(runs, "one").spec.phases[0].id)
    last = phase.last_attempt()
    assert last is not None
    text = last.events.read_bytes()
    long_ago = datetime.now(UTC) - timedelta(minutes=11)
    begun = ev.PhaseStarted(ts=long_ago, phase="p", attempt=1, host="h", pid=1, devices=())
    alive = ev.Resource(ts=datetime.now(UTC), rss=1.0, cpu=1.0)  # memory is no sign of progress
    for event in (begun, alive):
        text = ev.encode(event) if event is begun else text + ev.encode(event)
    last.events.write_bytes(text)
    for _ in range(2):
        look(runs, Notices(runs), running=0)
    assert len(hook.got) == 1
    assert "no sign of progress in annotate for 11 min" in hook.got[0][1]["text"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_sender_that_is_killed_doubles_one_at_most_and_loses_none(
    runs: RunsFolder, hook, own, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.write_text(dump({"webhook_env": "HOOK", "command": f"echo told >> {runs.root}/told"}))
    end(runs, 0, "failed", "x")

    def killed(runs: RunsFolder, run_id: str, notice: notices.Notice) -> None:
        if notice.state != "due":
            raise SystemExit  # between what was sent and its record
        notices.write(runs, run_id, notice)

    with monkeypatch.context() as patched:
        patched.setattr("engine.scheduling.notices.write", killed)
        teller = Notices(runs)
        folders = Folders(runs)
        wanted = [folders.queued_run(entry) for entry in read_queue(runs).entries]
        teller.look(wanted, standings(wanted, folders.facts(wanted)), {})
        thread = teller._thread
        assert thread is not None
        thread.join(20)
    assert [state for *_, state in states(runs)] == ["due", "due"]
    after = Notices(runs)
    after.begin()
    until(lambda: not after.busy)
    assert [state for *_, state in states(runs)] == ["sent", "sent"]
    assert len(hook.got) == 1
    assert (runs.root / "told").read_text() == "told\ntold\n"  # nobody can know that it arrived
    third = Notices(runs)
    third.begin()
    look(runs, third)
    assert len(hook.got) == 1


def test_what_can_not_be_sent_is_a_warning_without_the_address(
    runs: RunsFolder, hook, own, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    own.write_text(dump({"webhook_env": "HOOK", "command": "echo broken >&2; exit 3"}))
    hook.answers = [503, 404]
    end(runs, 0, "failed")
    look(runs, Notices(runs))
    assert len(hook.got) == 2  # busy is asked again, unknown is not
    address = tmp_path / "address.txt"
    address.write_text(f"http://127.0.0.1:9/{SECRET}\r\n", encoding="utf-8-sig")
    own.write_text(dump({"webhook_file": str(address)}))
    queue.retry(runs, "one")
    end(runs, 0, "failed")
    look(runs, Notices(runs))
    said = caplog.text + runs.notices_file("one").read_text()
    assert "the command ended with 3: broken" in said
    assert "the webhook's server answered 404" in said
    assert "the webhook can't be reached (ConnectError)" in said
    assert SECRET not in said
    assert all(record.levelname == "WARNING" for record in caplog.records)


def test_a_command_that_hangs_is_ended(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    notify = Notify(command=f"echo $$ > {pid}; sleep 600 & wait")
    with pytest.raises(sending.Unsent, match="took more than"):
        sending.send(notify, "command", {"text": "x"}, lambda _: None, limit_s=0.5)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_a_disk_that_is_full_delays_no_phase(
    runs: RunsFolder, own, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own.write_text(dump({"command": "true"}))
    end(runs, 0, "failed")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "notices.jsonl")

    with monkeypatch.context() as patched:
        patched.setattr("engine.scheduling.notices.write", full)
        teller = Notices(runs)
        look(runs, teller)
    assert "that it is failed can't be told" in caplog.text
    look(runs, teller)  # there is space again
    assert [state for *_, state in states(runs)] == ["sent"]


def said(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(sirt, words)
    return done.exit_code, done.output + str(done.exception or "")


def test_the_verb_shows_who_is_told_and_tries_it(runs: RunsFolder, hook, own) -> None:
    folder = ("--runs", str(runs.root))
    assert "nobody is told" in said(*folder, "notify")[1]
    own.write_text(dump({"webhook_env": "HOOK", "command": "cat > /dev/null"}))
    code, text = said(*folder, "notify", "--test")
    assert code == 0
    assert "command: sent" in text
    assert "webhook: sent" in text
    assert "its address is in $HOOK" in text
    assert hook.got[0][1]["text"].startswith("test: notices of")
    hook.answers = [404]
    code, text = said(*folder, "notify", "--test")
    assert (code, "webhook: failed: the webhook's server answered 404" in text) == (1, True)
    assert SECRET not in text
    end(runs, 0, "failed")
    look(runs, Notices(runs))
    assert "failed by webhook: sent" in said(*folder, "notify", "one")[1]


def test_a_terminal_that_follows_rings_if_that_is_wanted(
    runs: RunsFolder, own, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr("engine.cli.follow.ring", rung.append)
    monkeypatch.setattr(daemon, "revive", lambda _: None)
    for number in range(3):
        end(runs, number, "done")
    assert follow(runs, ["one"])
    assert rung == []
    own.write_text(dump({"bell": True}))
    assert follow(runs, ["one"])
    assert rung == ["sirt: 1 run done"]
    own.write_text(dump({"bell": False}))
    assert follow(runs, ["one"])
    assert len(rung) == 1


def test_a_terminal_that_follows_rings_once_for_a_standstill(
    runs: RunsFolder, own, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[str] = []
    monkeypatch.setattr(following, "ring", rung.append)
    monkeypatch.setattr(following, "STUCK_EVERY_S", -1.0)
    end(runs, 0, "", ago_s=1860)
    follower = following._Follower(runs, ["one"], read_run(runs, "one").spec.phases, quiet=False)
    assert not follower.look()
    assert rung == []
    own.write_text(dump({"stuck_minutes": 30}))
    for _ in range(2):
        assert not follower.look()
    assert rung == ["sirt: one stuck in annotate"]


@pytest.mark.slow
def test_a_conductor_that_is_killed_while_it_sends_leaves_it_to_the_next(
    tmp_path: Path, own
) -> None:
    """Real processes: the command notes that it was run, and hangs the first time."""
    runs, notes = RunsFolder(tmp_path / "real"), tmp_path / "notes"
    runs.create()
    write_run(runs, "one", chain())
    once = f"echo told >> {notes}; test -e {notes}.again && exit; touch {notes}.again; sleep 15"
    notify_files.keep(runs, "one", Notify(command=once))
    queue.enqueue(runs, ["one"], DeviceRequest(cpu=True))
    daemon.ensure_running(runs, PROGRAM)
    until(notes.exists, "the notice is being sent")
    who = daemon.holder(runs)
    assert who is not None
    os.kill(who["pid"], signal.SIGKILL)
    until(lambda: daemon.holder(runs) is None)
    daemon.ensure_running(runs, PROGRAM)
    until(lambda: states(runs) == [("done", "command", "sent")], "the next one sends it")
    assert notes.read_text() == "told\ntold\n"
    until(lambda: read_queue(runs).entries == (), "its run leaves the queue")
    who = daemon.holder(runs)
    os.kill(who["pid"], signal.SIGTERM) if who else None
