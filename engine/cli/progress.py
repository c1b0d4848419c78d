"""One live line on a terminal for what takes minutes: how far, how fast, how long still."""

from __future__ import annotations

import sys
import time

import click

from engine.cli.output import duration

EVERY_S = 0.2


class Progress:
    """Tells ``stderr``, and only where that is a terminal."""

    def __init__(self) -> None:
        self._live = sys.stderr.isatty()
        self._what = ""
        self._began = self._told = 0.0

    def watch(self, what: str, done: int, total: int) -> None:
        """``what`` may change on the way: rate and time left are of each alone."""
        now = time.monotonic()
        if what != self._what:
            self._what, self._began, self._told = what, now, 0.0
        if not self._live or now - self._told < EVERY_S:
            return
        self._told = now
        text, took = f"{what}: {done}/{total}", now - self._began
        if done and took:
            text += f", {done / took:.1f}/s, {duration(took / done * (total - done))} left"
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)

    def clear(self) -> None:
        if self._live:
            click.echo("\r\x1b[K", err=True, nl=False)
