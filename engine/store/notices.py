"""What was to be told of a run, and what became of it: ``<run>/notices.jsonl``.

A notice is written before anything else happens (``due``), and again once it was sent or given
up. So none is lost when its sender is killed; one that was just being sent is sent again, since
nobody can know whether it arrived. There is one sender, and it sends one after the other: at most
one is doubled.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.store.layout import RunsFolder


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice by one channel. ``key``: what happened; no two notices of a run and channel have
    the same. ``state``: ``due``, ``sent`` or ``failed``; ``why``: it failed."""

    key: str
    channel: str
    facts: dict[str, Any]
    state: str = "due"
    why: str = ""
    at: str = ""

    @property
    def id(self) -> tuple[str, str]:
        return self.key, self.channel


def read(runs: RunsFolder, run_id: str) -> list[Notice]:
    """All notices of a run as they stand now, oldest first; lines that can't be read are left
    out."""
    found: dict[tuple[str, str], Notice] = {}
    for line in _lines(runs, run_id):
        notice = _notice(line)
        if notice is not None:
            before = found.get(notice.id)
            facts = notice.facts or (before.facts if before else {})
            found[notice.id] = Notice(
                notice.key, notice.channel, facts, notice.state, notice.why, notice.at
            )
    return list(found.values())


def write(runs: RunsFolder, run_id: str, notice: Notice) -> None:
    """Append it, on disk before this returns; ``FileNotFoundError`` when the run was deleted."""
    fields = {name: getattr(notice, name) for name in notice.__slots__}
    fields |= {"at": datetime.now(UTC).isoformat(timespec="seconds")}
    line = json.dumps(fields, ensure_ascii=False) + "\n"
    with runs.notices_file(run_id).open("ab") as file:
        begins = file.tell()
        torn = begins > 0 and not _ends_whole(runs, run_id)
        file.write((b"\n" if torn else b"") + line.encode())
        file.flush()
        os.fsync(file.fileno())


def _ends_whole(runs: RunsFolder, run_id: str) -> bool:
    with runs.notices_file(run_id).open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"


def _lines(runs: RunsFolder, run_id: str) -> Iterator[bytes]:
    try:
        with runs.notices_file(run_id).open("rb") as file:
            yield from file
    except OSError:
        return


def _notice(line: bytes) -> Notice | None:
    try:
        value = json.loads(line)
        texts = {name: str(value[name]) for name in ("key", "channel", "state", "why", "at")}
        return Notice(**texts, facts=dict(value["facts"]))
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
