"""No phase is silent for long, whatever it is at."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from engine.generation.decoding import Moment
from engine.generation.generate import _words
from engine.phases import pulse
from engine.phases.pulse import Pulse
from engine.schema import events as ev


class Heard:
    """Takes what is told, and waits until so much has been."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.waiting: list[bool] = []
        self._more = threading.Condition()

    def __call__(self, event: ev.Event) -> None:
        assert isinstance(event, ev.Activity)
        with self._more:
            self.texts.append(event.text)
            self.waiting.append(event.waiting)
            self._more.notify()

    def until(self, count: int) -> list[str]:
        with self._more:
            assert self._more.wait_for(lambda: len(self.texts) >= count, timeout=10)
            return list(self.texts)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "EVERY_S", 0.01)
    monkeypatch.setattr(pulse, "SILENT_S", 0.02)


def test_what_goes_on_for_long_is_told_again(quick: None) -> None:
    heard = Heard()
    with Pulse(heard) as beat:
        beat.doing("reading 4 prompts")
        texts = heard.until(3)
    assert texts[:3] == ["reading 4 prompts", "reading 4 prompts (0 s)", "reading 4 prompts (0 s)"]


def test_what_a_phase_told_itself_is_not_told_at_once_again(quick: None) -> None:
    heard = Heard()
    with Pulse(heard) as beat:
        beat.heard(ev.Activity(text="waiting for the server", waiting=True))
        heard.until(2)
    assert heard.texts[:2] == ["waiting for the server (0 s)"] * 2
    assert all(heard.waiting)


def test_nothing_is_made_up_before_a_phase_has_said_a_word(quick: None) -> None:
    heard = Heard()
    with Pulse(heard) as beat:
        beat.heard(ev.Progress(done=1, total=2, unit="steps"))
        beat.doing("now")
        assert heard.until(1)[0] == "now"


def test_a_full_disk_ends_the_beat_and_not_the_phase(quick: None) -> None:
    tried = threading.Event()

    def full(_: ev.Event) -> None:
        tried.set()
        raise OSError

    with Pulse(full) as beat:
        beat.doing("training")
        assert tried.wait(10)


def test_what_a_first_look_finds_is_no_rate() -> None:
    """It comes at once when the prompts took long to read."""
    first = Moment(read=256, written=256, open=256)
    assert _words(first, 256, 0, 0.0) == "256 of 256 answers open"
    assert _words(replace(first, written=5256, open=3), 256, 5000, 1.0) == (
        "5,000 tokens/s, 3 of 256 answers open"
    )
