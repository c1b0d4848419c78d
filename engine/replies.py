"""Replies on file: append-only, flushed to the disk before the next is counted.

A paid reply is never paid twice, and a finished batch is never generated twice: a retry reads
the file and asks only what is missing. A torn last line (killed while writing) is cut off; a
damaged line elsewhere is passed over, and its question asked again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from engine.contract.cards import Endpoint
from engine.interfaces import Question, Reply

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from engine.contract.cards import ModelCard


class ReplyStore:
    """All replies of one phase, by question key.

    A key may have several: faulty ones come before the final one. ``requests``,
    ``prompt_tokens`` and ``completion_tokens`` count every reply that this phase paid for,
    faulty ones too, but not those that it took from another phase.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._replies: dict[str, list[Reply]] = {}
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.requests = 0
        if path.exists():
            self._load()

    def _load(self) -> None:
        whole = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                try:
                    row = json.loads(line)
                    key, taken = row.pop("key"), row.pop("taken", False)
                    self._remember(key, Reply(**row), paid=not taken)
                except (ValueError, LookupError, TypeError, AttributeError):
                    continue
        if whole < self.path.stat().st_size:
            os.truncate(self.path, whole)

    def _remember(self, key: str, reply: Reply, paid: bool) -> None:
        self._replies.setdefault(key, []).append(reply)
        if paid:
            self.requests += 1
            self.prompt_tokens += reply.prompt_tokens
            self.completion_tokens += reply.completion_tokens

    def append(self, batch: Iterable[tuple[Question, Reply]]) -> None:
        """File a batch; returns when it is on the disk."""
        self._file([(question.key, reply) for question, reply in batch], paid=True)

    def take(self, other: ReplyStore) -> int:
        """File the final replies of another phase's store that are missing here; how many."""
        missing = [
            (key, replies[-1])
            for key, replies in other._replies.items()
            if replies[-1].final and key not in self
        ]
        self._file(missing, paid=False)
        return len(missing)

    def _file(self, rows: list[tuple[str, Reply]], paid: bool) -> None:
        if not rows:
            return
        origin: dict[str, Any] = {} if paid else {"taken": True}
        lines = [
            json.dumps({"key": k} | asdict(r) | origin, ensure_ascii=False, separators=(",", ":"))
            for k, r in rows
        ]
        with self.path.open("ab") as file:
            file.write("".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass"))
            file.flush()
            os.fsync(file.fileno())
        for key, reply in rows:
            self._remember(key, reply, paid)

    def spent(self, card: ModelCard) -> float:
        """What the phase has paid so far, over all attempts, in the card's currency."""
        if not isinstance(card.source, Endpoint):
            return 0.0
        return card.source.price(self.prompt_tokens, self.completion_tokens)

    def ask_again(self) -> None:
        """Final replies without a word are final no more, when there are no others: with those
        alone a phase can only fail, and a retry would change nothing. Paid they stay."""
        if not any(reply.text.strip() for replies in self._replies.values() for reply in replies):
            for replies in self._replies.values():
                replies[-1] = replace(replies[-1], final=False)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def get(self, key: str) -> Reply | None:
        """The final reply, if there is one."""
        replies = self._replies.get(key)
        return replies[-1] if replies and replies[-1].final else None

    def __getitem__(self, key: str) -> Reply:
        return self._replies[key][-1]

    def __len__(self) -> int:
        return sum(replies[-1].final for replies in self._replies.values())

    def tries(self, key: str) -> int:
        """Faulty replies on file for a key."""
        return sum(not reply.final for reply in self._replies.get(key, ()))
