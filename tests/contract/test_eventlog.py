from __future__ import annotations

import errno
import json
import math
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from engine.schema import events as ev
from engine.schema.records import Verdict
from engine.store.eventlog import EventReader, EventWriter

if TYPE_CHECKING:
    from pathlib import Path


def write(folder: Path, *events: ev.Event) -> Path:
    with EventWriter(folder / "events.jsonl", folder / "alive") as writer:
        for event in events:
            writer.emit(event)
    return folder / "events.jsonl"


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = write(
        tmp_path, ev.Activity(text="a\nb \u202e \x1b[31m"), ev.Progress(done=1, total=2, unit="x")
    )
    first, second = EventReader(path).read()
    assert isinstance(first, ev.Activity)
    assert first.text == "a\nb \u202e \x1b[31m"
    assert (first.seq, second.seq) == (0, 1)


def test_a_line_that_was_changed_is_no_event(tmp_path: Path) -> None:
    path = write(tmp_path, ev.Metric(step=3, values={"loss": 0.75}), ev.Activity(text="on"))
    line = path.read_bytes().splitlines(keepends=True)[0]
    path.write_bytes(path.read_bytes().replace(b"0.75", b"0.25"))
    reader = EventReader(path)
    assert [event.kind for event in reader.read()] == ["activity"]
    assert reader.corrupt == 1
    older = json.dumps({k: v for k, v in json.loads(line).items() if k != "sum"})
    assert ev.decode(older.encode() + b"\n") == ev.decode(line)


def test_on_a_full_disk_the_last_event_has_room_even_behind_a_torn_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = EventWriter(tmp_path / "events.jsonl", tmp_path / "alive")
    room = tmp_path / ".room"
    writer.emit(ev.Activity(text="before"))
    write, taken = os.write, []

    def full(fd: int, data: bytes) -> int:
        if not room.exists():
            return write(fd, data)
        if taken:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken.append(True)
        return write(fd, data[:7])

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        writer.emit(ev.Activity(text="torn"))
    writer.emit_last(ev.PhaseFinished(outcome="failed", error="the disk is full"))
    writer.close()
    reader = EventReader(tmp_path / "events.jsonl")
    first, last = reader.read()
    assert isinstance(last, ev.PhaseFinished)
    assert (first.seq, last.seq, reader.corrupt) == (0, 1, 1)


def test_room_is_held_only_while_the_log_is_open(tmp_path: Path) -> None:
    with EventWriter(tmp_path / "events.jsonl", tmp_path / "alive"):
        assert (tmp_path / ".room").stat().st_size >= 4096
    assert not (tmp_path / ".room").exists()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e-300, -0.0])
def test_floats_survive(tmp_path: Path, value: float) -> None:
    path = write(tmp_path, ev.Metric(step=1, values={"loss": value}))
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"bare {name} in JSON"))
    (event,) = EventReader(path).read()
    assert isinstance(event, ev.Metric)
    read = event.values["loss"]
    assert (math.isnan(read) and math.isnan(value)) or read == value


def test_the_writer_is_strict() -> None:
    with pytest.raises(ValidationError):
        ev.Message(level="loud", text="x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (ev.Progress(done=1, total=2, unit="x", bogus=3), "Progress has no field 'bogus'"),
        (
            ev.Sample(
                item="1",
                prompt="p",
                text="t",
                verdict=Verdict(answer="A", tier="boxed", correct=True, mood="calm"),
            ),
            "Sample has no field 'verdict.mood'",
        ),
        (ev.Unknown(kind="telepathy", strength=3), "Unknown has no kind 'telepathy'"),
        (ev.Event(kind="activity"), "Event has no kind 'activity'"),
    ],
)
def test_what_no_kind_declares_is_not_written(tmp_path: Path, event: ev.Event, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        write(tmp_path, ev.Activity(text="before"), event)
    assert [one.kind for one in EventReader(tmp_path / "events.jsonl").read()] == ["activity"]


def test_a_recording_of_another_version_is_copied_whole(tmp_path: Path) -> None:
    with EventWriter(tmp_path / "events.jsonl", tmp_path / "alive") as writer:
        writer.copy(ev.Unknown(kind="telepathy", strength=3))
        writer.copy(ev.Activity(text="t", mood="calm"))
    said = [event.model_extra for event in EventReader(tmp_path / "events.jsonl").read()]
    assert [{k: v for k, v in (one or {}).items() if k != "sum"} for one in said] == [
        {"strength": 3},
        {"mood": "calm"},
    ]


def test_unknown_kinds_and_fields_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(
        '{"v":9,"seq":0,"ts":"2030-01-01T00:00:00Z","kind":"telepathy","strength":3}\n'
        '{"v":9,"seq":1,"ts":"2030-01-01T00:00:00Z","kind":"activity","text":"t","mood":"calm"}\n'
    )
    unknown, activity = EventReader(path).read()
    assert isinstance(unknown, ev.Unknown)
    assert unknown.model_extra == {"strength": 3}
    assert isinstance(activity, ev.Activity)
    assert activity.model_extra == {"mood": "calm"}


def test_a_torn_tail_is_an_ordinary_end(tmp_path: Path) -> None:
    path = write(tmp_path, ev.Activity(text="one"), ev.Activity(text="two"))
    whole = path.read_bytes()
    path.write_bytes(whole[:-7])
    reader = EventReader(path)
    assert [e.seq for e in reader.read()] == [0]
    path.write_bytes(whole)
    assert [e.seq for e in reader.read()] == [1]
    assert reader.corrupt == 0


def test_a_bad_line_hides_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, ev.Activity(text="one"), ev.Activity(text="two"))
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"\x00\x00garbage\n[1]\n" + second)
    reader = EventReader(path)
    assert [e.seq for e in reader.read()] == [0, 1]
    assert reader.corrupt == 2


def test_reading_is_bounded_and_goes_on(tmp_path: Path) -> None:
    path = write(tmp_path, *(ev.Metric(step=i, values={}) for i in range(10)))
    reader = EventReader(path)
    read = [len(reader.read(max_records=4)) for _ in range(4)]
    assert read == [4, 4, 2, 0]


def test_a_replaced_file_is_read_from_its_start(tmp_path: Path) -> None:
    path = write(tmp_path, ev.Activity(text="a long first event"))
    reader = EventReader(path)
    reader.read()
    path.unlink()
    write(tmp_path, ev.Activity(text="new"))
    assert [e.text for e in reader.read()] == ["new"]  # type: ignore[attr-defined]


def test_nothing_is_there_yet(tmp_path: Path) -> None:
    assert EventReader(tmp_path / "events.jsonl").read() == []


WRITER = """
import sys
from pathlib import Path
from engine.schema import events as ev
from engine.store.eventlog import EventWriter
folder = Path(sys.argv[1])
writer = EventWriter(folder / "events.jsonl", folder / "alive")
for i in range(10**9):
    writer.emit(ev.Metric(step=i, values={"loss": i / 7}))
"""


def test_a_reader_beside_a_writer_that_is_killed(tmp_path: Path) -> None:
    """Every event that the file holds is read once, in order, whatever moment the kill hits."""
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)])
    reader = EventReader(tmp_path / "events.jsonl")
    seen: list[int] = []
    deadline = time.monotonic() + 30
    while len(seen) < 2000 and time.monotonic() < deadline:
        seen += [e.seq for e in reader.read(max_records=500)]
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    while more := reader.read():
        seen += [e.seq for e in more]
    assert len(seen) >= 2000
    assert seen == list(range(len(seen)))
    assert reader.corrupt == 0
