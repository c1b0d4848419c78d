"""Stores a phase's replies in an append-only file, flushed to disk before they are counted.

A reply is never paid for twice, and a finished batch is never generated twice: a retry reads
the file and asks only what is missing. An incomplete last line (killed while writing) is cut off; a
damaged line elsewhere is skipped, and its question asked again. Replies that broke off
in transit are stored beside them: they may have been billed.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields, replace
from typing import TYPE_CHECKING, Any, get_args

from engine.interfaces import Question, Reply
from engine.machine import ranks
from engine.schema.jsonfile import with_sum, without_sum
from engine.schema.records import Finish

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from engine.interfaces import BrokenOff
    from engine.schema.cards import ModelCard


class ReplyStore:
    """All replies of one phase, by question key.

    A key may have several: faulty ones come before the final one. ``requests``,
    ``prompt_tokens`` and ``completion_tokens`` count every reply that this phase paid for,
    faulty ones too, but not those that it took from another phase: ``taken``. ``broken``: prompt
    and completion tokens, at most, of replies that broke off. ``own`` is False for another phase's
    file, which is only read: another process may be writing it. So is a phase's own file in all of
    its processes but the first one. ``damaged``: lines that were skipped.
    """

    def __init__(self, path: Path, own: bool = True) -> None:
        self.path = path
        self._own = own and ranks.is_first()
        self.reload()

    def reload(self) -> None:
        """Read the file anew, as another process has written it."""
        self._replies: dict[str, list[Reply]] = {}
        self.prompt_tokens = 0
        self.completion_tokens = 0
        self.requests = self.taken = 0
        self.broken = (0, 0)
        self.damaged = 0
        if self.path.exists():
            self._load()

    def _load(self) -> None:
        whole = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                try:
                    row = json.loads(without_sum(line) or b"")
                    if "broke_off" in row:
                        self._add_broken(*_counts(row["broke_off"]))
                        continue
                    key, taken = row["key"], row.get("taken", False)
                    self._remember(key, _reply(row), paid=not taken)
                except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                    self.damaged += 1
        if self._own and whole < self.path.stat().st_size:
            os.truncate(self.path, whole)

    def _remember(self, key: str, reply: Reply, paid: bool) -> None:
        self._replies.setdefault(key, []).append(reply)
        self.taken += not paid
        if paid:
            self.requests += 1
            self.prompt_tokens += reply.prompt_tokens
            self.completion_tokens += reply.completion_tokens

    def append(self, batch: Iterable[tuple[Question, Reply]]) -> None:
        """Store a batch of replies; returns when it is on the disk."""
        self._file([(question.key, reply) for question, reply in batch], paid=True)

    def append_broken(self, broken: Sequence[BrokenOff]) -> None:
        """Store replies that broke off, so that a retry knows what they may have cost."""
        self._write(
            {"key": b.key, "broke_off": [b.prompt_tokens, b.completion_tokens], "why": b.why}
            for b in broken
        )
        for one in broken:
            self._add_broken(one.prompt_tokens, one.completion_tokens)

    def _add_broken(self, prompt: int, completion: int) -> None:
        self.broken = (self.broken[0] + prompt, self.broken[1] + completion)

    def take(self, other: ReplyStore) -> int:
        """Copy final replies that are missing here from another phase's store; return how many."""
        missing = [
            (key, replies[-1])
            for key, replies in other._replies.items()
            if replies[-1].final and key not in self
        ]
        self._file(missing, paid=False)
        return len(missing)

    def _file(self, rows: list[tuple[str, Reply]], paid: bool) -> None:
        origin: dict[str, Any] = {} if paid else {"taken": True}
        self._write({"key": key} | _row(reply) | origin for key, reply in rows)
        for key, reply in rows:
            self._remember(key, reply, paid)

    def _write(self, rows: Iterable[dict[str, Any]]) -> None:
        texts = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
        lines = [with_sum(text.encode("utf-8", "surrogatepass")) for text in texts]
        if not lines or not self._own:
            return
        with self.path.open("ab") as file:
            file.write(b"".join(b"%b\n" % line for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def spent(self, card: ModelCard) -> float:
        """What the phase has paid so far, over all attempts, in the model card's currency."""
        return card.source.price(self.prompt_tokens, self.completion_tokens)

    def usage(self, card: ModelCard) -> dict[str, Any]:
        """The tokens used, and for an endpoint the money spent, as a phase's figures."""
        used = {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}
        if (currency := card.source.bills_in) is None:
            return used
        money = {"spent": self.spent(card), "possibly_spent": self.possibly_spent(card)}
        return used | money | {"currency": currency}

    def most_spent(self, card: ModelCard) -> float:
        """The most that the phase can have paid in all; a spending cap counts all of it."""
        return self.spent(card) + self.possibly_spent(card)

    def possibly_spent(self, card: ModelCard) -> float:
        """The most that replies that broke off can have cost."""
        return card.source.price(*self.broken)

    def ask_again(self) -> None:
        """Mark empty final replies to be asked again if all are empty: with those alone a phase
        can only fail, and a retry would change nothing. Their cost still counts."""
        if not any(reply.text.strip() for replies in self._replies.values() for reply in replies):
            for replies in self._replies.values():
                replies[-1] = replace(replies[-1], final=False)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and self.get(key) is not None

    def get(self, key: str) -> Reply | None:
        """The final reply to a question, if there is one."""
        replies = self._replies.get(key)
        return replies[-1] if replies and replies[-1].final else None

    def __getitem__(self, key: str) -> Reply:
        return self._replies[key][-1]

    def __len__(self) -> int:
        return sum(replies[-1].final for replies in self._replies.values())

    def tries(self, key: str) -> int:
        """The number of faulty replies stored for a question."""
        return sum(not reply.final for reply in self._replies.get(key, ()))


def _row(reply: Reply) -> dict[str, Any]:
    """A reply's fields as stored; rarely set fields only if they are set."""
    return {k: v for k, v in asdict(reply).items() if v != "" or k not in ("thinking", "why")}


def _reply(row: dict[str, Any]) -> Reply:
    """A stored reply, without fields of later versions; ``ValueError`` if it is not a reply."""
    reply = Reply(**{f.name: row[f.name] for f in fields(Reply) if f.name in row})
    texts = (reply.text, reply.thinking, reply.why)
    if not all(isinstance(t, str) for t in texts) or reply.finish not in get_args(Finish):
        raise ValueError(row)
    _counts((reply.prompt_tokens, reply.completion_tokens))
    return reply


def _counts(found: Any) -> tuple[int, int]:
    prompt, completion = found
    if not all(type(n) is int and 0 <= n < 2**53 for n in (prompt, completion)):
        raise ValueError(found)
    return prompt, completion
