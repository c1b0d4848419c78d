"""What is looked at while it goes on: logs, the list of runs, one run, and a line of progress."""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from engine.cli import follow, logs, watching
from engine.cli.main import sirt
from engine.cli.output import Redrawn
from engine.cli.progress import LiveLine
from engine.queries.runs import run_status
from engine.scheduling import queue
from engine.scheduling.queue import DeviceRequest
from engine.schema import events as ev
from engine.store.layout import RunsFolder
from engine.store.run import read_run
from tests.engine.fakes import chain, write_run
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from engine.store.layout import AttemptDir, PhaseDir

NOW = datetime.now(UTC)


@pytest.fixture
def runs(tmp_path: Path) -> RunsFolder:
    folder = RunsFolder(tmp_path / "runs")
    write_run(folder, "one", chain())
    queue.enqueue(folder, ["one"], DeviceRequest(cpu=True))
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RunsFolder:
    return copy_recorded(tmp_path_factory.mktemp("watching") / "runs")


def say(attempt: AttemptDir, *events: ev.Event) -> None:
    there = attempt.events.read_bytes().count(b"\n") if attempt.events.exists() else 0
    with attempt.events.open("ab") as file:
        for number, event in enumerate(events, there):
            file.write(ev.encode(event.model_copy(update={"seq": number, "ts": NOW})))
    attempt.alive.touch()


def in_turn(*steps: Callable[[], object]) -> Callable[[float], None]:
    """A sleep in which one step after the other happens; after the last, ctrl+c."""
    left = list(steps)

    def sleep(_: float) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop(0)()

    return sleep


def said(runs: RunsFolder, *words: str) -> tuple[int, list[str]]:
    done = CliRunner().invoke(sirt, ["--runs", str(runs.root), *words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output.splitlines()


def begin() -> ev.Event:
    return ev.PhaseStarted(phase="p", attempt=1, host="h", pid=1, devices=())


def first_phase(runs: RunsFolder) -> PhaseDir:
    return runs.phase(read_run(runs, "one").spec.phases[0].id)


def begin_and_fail(phase: PhaseDir) -> None:
    say(phase.new_attempt(), begin(), ev.PhaseFinished(outcome="failed", error="x"))


def test_a_log_is_followed_over_a_retry_until_its_phase_is_done(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = first_phase(runs)
    first = phase.new_attempt()
    say(first, begin(), ev.Activity(text="asking"), ev.Message(level="info", text="one"))

    def fail() -> None:
        say(first, ev.PhaseFinished(outcome="failed", error="no power"))
        queue.retry(runs, "one")

    def again() -> None:
        second = phase.new_attempt()
        say(second, begin(), ev.Metric(step=3, values={"loss": 0.25}))

    def done() -> None:
        last = phase.last_attempt()
        assert last is not None
        (phase.path / "staged").mkdir()
        phase.publish(phase.path / "staged", {})
        say(last, ev.PhaseFinished(outcome="done"))

    monkeypatch.setattr(logs.time, "sleep", in_turn(fail, again, done))
    code, lines = said(runs, "logs", phase.id, "-f", "--tail", "1")
    assert code == 0
    texts = [line if line.startswith("==") else line.partition(" ")[2] for line in lines]
    assert texts == [
        f"== annotate pocket-sums ({phase.id}), attempt 1", "info: one", "failed no power",
        f"== annotate pocket-sums ({phase.id}), attempt 2", "step 3: loss=0.25", "done",
    ]  # fmt: skip


def test_a_run_is_followed_until_nothing_of_it_goes_on_by_itself(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = partial(begin_and_fail, first_phase(runs))
    monkeypatch.setattr(logs.time, "sleep", in_turn(lambda: None, fail))
    code, lines = said(runs, "logs", "one", "--follow")
    assert (code, lines[-1].partition(" ")[2]) == (0, "failed x")
    queue.retry(runs, "one")
    monkeypatch.setattr(logs.time, "sleep", in_turn(lambda: None))
    assert said(runs, "logs", "one", "--follow")[0] == 130  # ctrl+c, while it is queued


def test_stderr_is_followed_by_whole_lines_as_a_terminal_shows_them(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = first_phase(runs)
    attempt = phase.new_attempt()
    attempt.alive.touch()
    attempt.stderr.write_text("loading\n")

    def write(text: str, last: bool = False) -> Callable[[], None]:
        def happens() -> None:
            with attempt.stderr.open("a", newline="") as file:
                file.write(text)
            if last:
                say(attempt, begin(), ev.PhaseFinished(outcome="failed", error="x"))

        return happens

    steps = (write(" 10%\r 5"), write("0%\r100%\nTrace"), write("back\nand no end", last=True))
    monkeypatch.setattr(logs.time, "sleep", in_turn(*steps))
    _, lines = said(runs, "logs", phase.id, "--errors", "-f")
    assert lines[1:] == ["loading", "100%", "Traceback", "and no end"]


# --- the list and a run, redrawn ---


class Screen(io.StringIO):
    """A terminal, as far as the cursor goes up and lines are cleared."""

    def isatty(self) -> bool:
        return True

    @property
    def lines(self) -> list[str]:
        found: list[str] = []
        at = 0
        for whole in self.getvalue().replace("\x1b[", "\0").split("\n"):
            part = whole
            while part.startswith("\0"):
                end = next(n for n, c in enumerate(part) if c in "FJKm")
                if part[end] == "F":
                    at -= int(part[1:end])
                elif part[end] == "J":
                    del found[at:]
                part = part[end + 1 :]
            if part:
                found[at : at + 1] = [part.partition("\0")[0]]
                at += 1
        return found


def test_what_is_redrawn_replaces_itself_and_is_as_high_as_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LINES", "5")
    monkeypatch.setenv("COLUMNS", "20")
    part = Redrawn()
    assert part.live

    def draw(count: int) -> Callable[[], None]:
        lines = (f"line {n} of {count} {'x' * 30 * (n == 1)}\n" for n in range(count))
        return lambda: sys.stdout.writelines(lines)

    for count in (2, 9, 3):
        part.show(draw(count))
        shown = screen.lines
        assert len(shown) == min(count, 4)
        assert shown[0] == f"line 0 of {count} "
        assert all(len(line) <= 20 for line in shown)
    before = screen.getvalue()
    part.show(draw(3))
    assert screen.getvalue() == before  # nothing has changed: nothing is sent
    monkeypatch.setenv("TERM", "dumb")
    assert not Redrawn().live


def test_a_watched_list_tells_changes_in_lines_where_no_terminal_is(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail = partial(begin_and_fail, first_phase(runs))
    pauses: list[float] = []
    steps = in_turn(lambda: None, fail, lambda: None)

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        steps(seconds)

    monkeypatch.setattr(watching.time, "sleep", sleep)
    code, lines = said(runs, "status", "--watch")
    assert code == 0
    assert [line.partition(" ")[2] for line in lines] == [
        "1 run: 1 queued", "one: queued -> failed",
    ]  # fmt: skip
    assert min(pauses) >= watching.EVERY_S
    monkeypatch.setattr(watching.time, "sleep", in_turn(lambda: None, lambda: None))
    nowhere = RunsFolder(runs.root / "nowhere")
    assert [line.partition(" ")[2] for line in said(nowhere, "status", "--watch")[1]] == ["0 runs"]
    monkeypatch.setattr(watching.time, "sleep", in_turn())
    clock = iter([0.0, 0.5, 1.0])
    monkeypatch.setattr(watching.time, "process_time", lambda: next(clock))
    monkeypatch.setattr(watching.time, "sleep", lambda s: pauses.append(s) or in_turn()(s))
    said(runs, "status", "--watch")
    assert pauses[-1] >= 30.0  # a look that took half a second of CPU rests for half a minute


def test_a_watched_list_shows_what_is_at_work_first(
    recorded: RunsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("LINES", "8")
    monkeypatch.setenv("COLUMNS", "110")
    monkeypatch.setattr(watching.time, "sleep", in_turn())
    with pytest.raises(SystemExit) as left:
        watching.watch_all(recorded)
    assert left.value.code == 0
    lines = screen.lines
    assert lines[0].partition(" ")[2] == "9 runs: 6 done, 1 running, 1 lost, 1 failed"
    live = run_of(recorded, "both", "otter-3m")
    assert lines[1].split()[:4] == [live, "running", "elicit", "768/1200"]
    assert "pocket-compass 93.7 [91.4, 95.4]" in "".join(lines)
    assert lines[-1].startswith("and 4 runs more; ctrl+c")
    monkeypatch.setattr(watching.time, "sleep", in_turn())
    with pytest.raises(SystemExit):
        watching.watch_one(recorded, live)
    assert f"{live}: running" in screen.getvalue()


# --- one run in words ---


def test_a_run_is_told_in_words_with_what_it_waits_for_and_costs(recorded: RunsFolder) -> None:
    live = run_of(recorded, "both", "otter-3m")
    text = "\n".join(said(recorded, "status", live)[1])
    assert "arm both: wren-1m, taught by otter-3m, on pocket-compass, seed 0; experiment" in text
    for words in ("evaluate pocket-boxes cot", "after refine", "600/600 questions"):
        assert words in text
    assert "elicit: 768/1200 answers" in text
    assert "elicit: no sign of progress for" in text
    assert "of work, nothing paid" in text
    for phase in read_run(recorded, live).spec.phases:
        assert phase.id not in text
    assert all(
        p.id in "\n".join(said(recorded, "status", live, "--ids")[1])
        for p in read_run(recorded, live).spec.phases
    )
    failed = run_of(recorded, "refine-only", "wren-3m")
    text = "\n".join(said(recorded, "status", failed)[1])
    assert "after refine (failed)" in text
    assert f"to go on with what ended badly: sirt --runs {recorded.root} retry {failed}" in text
    assert run_status(recorded, failed).state == "failed"


# --- the line of a run that is followed ---


def test_a_followed_training_tells_step_loss_rate_and_time_left(
    runs: RunsFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = first_phase(runs)
    attempt = first.new_attempt()
    events = [begin(), *(ev.Progress(done=n, total=75, unit="steps") for n in (0, 12))]
    with attempt.events.open("wb") as file:
        for number, event in enumerate([*events, ev.Metric(step=12, values={"loss": 0.51234})]):
            when = datetime.fromtimestamp(NOW.timestamp() + number * 2 - 60, UTC)
            file.write(ev.encode(event.model_copy(update={"seq": number, "ts": when})))
    attempt.alive.touch()
    follower = follow._Follower(runs, ["one"], read_run(runs, "one").spec.phases, quiet=False)
    follower._tell_progress([read_run(runs, "one").spec.phases[0]])
    line = capsys.readouterr().err.strip()
    assert "annotate t pocket-sums 12/75 steps, loss 0.5123, 10 s left, 6.0/s" in line
    follower._tell_progress([read_run(runs, "one").spec.phases[0]])
    assert capsys.readouterr().err == ""  # in a pipe only every so often


def test_a_live_line_fits_and_says_how_much_it_leaves_out(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr("engine.cli.progress.write_over", shown.append)
    monkeypatch.setenv("COLUMNS", "40")
    line = LiveLine()
    line.live = True
    line.show_parts("1/9 phases", ["instruct a", "evaluate b", "evaluate c"])
    line.show_parts("1/9 phases", ["instruct a", "evaluate b"])
    line.show_parts("1/9 phases", ["x" * 60])
    assert shown[0] == "1/9 phases | +2 more | instruct a"
    assert shown[1] == "1/9 phases | instruct a | evaluate b"
    assert shown[2].endswith("…")
    assert all(len(text) < 40 for text in shown)
