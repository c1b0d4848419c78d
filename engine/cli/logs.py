"""The verb logs: what phases said, from the beginning, the end, or as they go on."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import click

from engine.cli.completion import runs_and_phases
from engine.cli.output import echo, json_option, print_json, say, tell_passed_over
from engine.machine.state import final_event
from engine.queries.finding import find_phase, find_run
from engine.queries.following import at_rest
from engine.queries.remarks import reused
from engine.queries.runs import read_view
from engine.schema import events as ev
from engine.schema.errors import UserError
from engine.schema.sanitize import settled
from engine.store.eventlog import EventReader
from engine.store.run import read_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from engine.schema.specs import PhaseSpec
    from engine.store.layout import AttemptDir, PhaseDir, RunsFolder

POLL_S = 0.5
END_BYTES = 65_536  # of a log, read first for its last lines
INTERRUPTED = 130
ALL = 10_000_000


@click.command()
@click.argument("which", metavar="RUN|PHASE", shell_complete=runs_and_phases)
@click.option("--phase", help="Only phases of this kind (or with this in their id).")
@click.option("--errors", is_flag=True, help="What the processes wrote to stderr instead.")
@click.option(
    "--follow",
    "-f",
    "following",
    is_flag=True,
    help="Print what comes, until they end; over retries.",
)
@click.option("--tail", "-n", type=click.IntRange(0), help="Only the last so many lines.")
@json_option
@click.pass_obj
def logs(
    runs: RunsFolder,
    which: str,
    phase: str | None,
    errors: bool,
    following: bool,
    tail: int | None,
    as_json: bool,
) -> None:
    """Print what the phases of a run, or one phase, have said in their last attempts.

    These are messages, measurements and sampled answers. With -f it goes on while they work, also
    when one is tried again; ctrl+c ends the following, not the run.
    """
    if as_json and following:
        raise UserError("--json and --follow: give one of them")
    specs = _chosen(runs, which, phase)
    launched = None if find_phase(runs, which) else read_run(runs, find_run(runs, which)).created
    voices = [
        _Voice(runs.phase(spec.id), _title(runs.phase(spec.id), spec, launched), errors)
        for spec in specs
    ]
    if not errors and tail is None:  # or a long log would be read whole for its last lines
        tell_passed_over(line for v in voices if (line := read_view(v.folder)[1]))
    if as_json:
        print_json(_records(voices, tail))
        return
    said = _Printer(errors)
    said.print(_last(voices, tail))
    if following:
        try:
            _follow(runs, voices, said)
        except KeyboardInterrupt:
            raise SystemExit(INTERRUPTED) from None


def _title(folder: PhaseDir, spec: PhaseSpec, launched: datetime | None) -> str:
    """A phase's title, and whether the run that was ``launched`` then found it done."""
    attempt = folder.last_attempt()
    if launched is None or attempt is None or not folder.done:
        return spec.title
    final = final_event(attempt)
    said = reused(final.ts if final else None, launched)
    return f"{spec.title}, {said}" if said else spec.title


def _chosen(runs: RunsFolder, which: str, part: str | None) -> Sequence[PhaseSpec]:
    if (phase_id := find_phase(runs, which)) is not None:
        return [runs.phase(phase_id).spec()]
    run_id = find_run(runs, which)
    specs = [p for p in read_run(runs, run_id).spec.phases if (part or "") in p.id]
    if not specs:
        raise UserError(
            f"{run_id}: no phase has {part!r} in its id; see: sirt status {run_id} --ids"
        )
    return specs


class Line(NamedTuple):
    """A line that an attempt of a phase has said."""

    heading: str
    text: str


@dataclass
class _Voice:
    """What a phase says, attempt after attempt, from its last one on: events, or its stderr."""

    folder: PhaseDir
    title: str
    errors: bool
    attempt: AttemptDir | None = None
    _log: EventReader | None = None
    _read: int = 0  # bytes of stderr
    _over: bool = False

    def lines(self, most: int | None = None, over: bool = False) -> list[Line]:
        """Return what is new; at first the last attempt's last ``most`` lines. ``over``: nothing
        more will come, so a last line is whole without its end."""
        self._over = over
        found: list[Line] = []
        for attempt in self._attempts():
            begins = attempt != self.attempt
            if begins:
                self.attempt, self._log, self._read = attempt, EventReader(attempt.events), 0
            texts = self._end(most) if begins and most is not None else self._new()
            heading = f"== {self.title} ({self.folder.id}), attempt {attempt.number}"
            found += [Line(heading, text) for text in texts]
        return found

    def _attempts(self) -> list[AttemptDir]:
        """Return the attempt that is being read, and those after it."""
        there = self.folder.attempts()
        known = self.attempt.number if self.attempt else there[-1].number if there else 0
        return [attempt for attempt in there if attempt.number >= known]

    def _new(self) -> list[str]:
        assert self.attempt is not None
        assert self._log is not None
        if self.errors:
            return self._new_errors(self.attempt)
        events = iter(lambda: self._log.read(ALL, 1_000), [])  # type: ignore[union-attr]
        return [line for some in events for event in some for line in _said(event)]

    def _new_errors(self, attempt: AttemptDir) -> list[str]:
        """Return whole new lines; one without its end at first, and once the attempt is over."""
        try:
            with attempt.stderr.open("rb") as file:
                file.seek(self._read)
                raw = file.read()
        except OSError:
            return []
        over = self._over or attempt != self.folder.last_attempt()
        whole = raw if over or self._read == 0 else raw[: raw.rfind(b"\n") + 1]
        self._read += len(whole)
        return settled(whole.decode(errors="replace")).splitlines()

    def _end(self, most: int) -> list[str]:
        """Return the last lines; of a long log only its end is read."""
        assert self.attempt is not None
        path, size = self.attempt.events, END_BYTES if most else 1
        if self.errors:
            said = self._new()
            return said[len(said) - most :] if most < len(said) else said
        while path.exists():
            self._log = EventReader(path, _line_after(path, size))
            begin, texts = self._log.offset, self._new()
            if begin == 0 or len(texts) >= most:
                return texts[max(0, len(texts) - most) :]
            size *= 4
        return []


def _line_after(path: Path, size: int) -> int:
    """Return where the first whole line of a file's last ``size`` bytes begins."""
    with path.open("rb") as file:
        begin = max(0, file.seek(0, 2) - size)
        file.seek(begin)
        return begin + len(file.readline()) if begin else 0


@dataclass
class _Printer:
    """Prints lines, with a heading wherever another attempt speaks. ``as_they_are``: what programs
    have laid out themselves."""

    as_they_are: bool
    heading: str = field(default="")

    def print(self, lines: Iterable[Line]) -> None:
        for line in lines:
            if line.heading != self.heading:
                self.heading = line.heading
                echo(line.heading)
            echo(line.text) if self.as_they_are else say(line.text)


def _last(voices: Sequence[_Voice], most: int | None) -> list[Line]:
    """Return what all have said, or the last lines of it."""
    if most is None:
        return [line for voice in voices for line in voice.lines()]
    found: list[Line] = []
    for voice in reversed(voices):
        found = [*voice.lines(most - len(found)), *found]
    return found


def _follow(runs: RunsFolder, voices: Sequence[_Voice], said: _Printer) -> None:
    phases = [voice.folder.id for voice in voices]
    over = False
    while not over:
        over = at_rest(runs, phases)  # before reading: what is said last is still read
        for voice in voices:
            said.print(voice.lines(over=over))
        if not over:
            time.sleep(POLL_S)


def _said(event: ev.Event) -> Iterator[str]:
    """Put an event in words, with its time (UTC); nothing for those that only move a bar."""
    when = f"{event.ts:%H:%M:%S}"
    match event:
        case ev.Message():
            yield f"{when} {event.level}: {event.text}"
        case ev.Activity():
            yield f"{when} {event.text}"
        case ev.Metric():
            values = " ".join(f"{name}={value:.4g}" for name, value in event.values.items())
            yield f"{when} step {event.step}: {values}"
        case ev.Sample():
            right = event.verdict and ("right" if event.verdict.correct else "wrong")
            label = f"{right or event.label} ".lstrip()
            yield f"{when} {label}{event.item}: {event.text!r}"
        case ev.PhaseFinished():
            yield f"{when} {event.outcome} {event.error}".rstrip()
        case _:
            pass


def _records(voices: Sequence[_Voice], tail: int | None) -> list[dict[str, object]]:
    """Return each phase's last attempt with its events (the last ``tail``), or its stderr."""
    found: list[dict[str, object]] = []
    for voice in voices:
        attempt = voice.folder.last_attempt()
        if attempt is None:
            continue
        said: object = "\n".join(line.text for line in voice.lines(tail))
        if not voice.errors:
            events = EventReader(attempt.events).read(ALL, 60_000)
            said = events if tail is None else events[max(0, len(events) - tail) :]
        found.append({"phase": voice.folder.id, "attempt": attempt.number, "said": said})
    return found
