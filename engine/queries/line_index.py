"""Read a file's lines by number; opening it takes equally long whatever its size.

Lines are indexed only as far as they are asked for: the first screenful of 200,000 lines costs
what that of 5,000 costs. Only the offsets are kept (8 bytes a line). Any thread may ask.
"""

from __future__ import annotations

import threading
from array import array
from typing import TYPE_CHECKING

from engine.schema.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

CHUNK = 1 << 20


class Lines:
    """The lines of a finished file, which never changes again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._starts = array("Q", [0])
        self._lock = threading.Lock()
        try:
            self._size = path.stat().st_size
        except OSError as error:
            raise UserError(f"{path}: can't be read ({error.strerror})") from error

    def reach(self, count: int) -> int:
        """Find the first ``count`` lines; return how many of them exist."""
        with self._lock:
            starts = self._starts
            if len(starts) <= count and starts[-1] < self._size:
                self._index(count)
            return min(count, len(starts) - 1)

    def all(self) -> int:
        """Find every line; return how many there are."""
        return self.reach(self._size)

    def read(self, numbers: Sequence[int]) -> list[bytes]:
        """Return lines by number, from 0; one that does not exist is empty."""
        known = self.reach(max(numbers, default=-1) + 1)
        found = []
        with self.path.open("rb") as file:
            for number in numbers:
                if 0 <= number < known:
                    start, end = self._starts[number], self._starts[number + 1]
                    file.seek(start)
                    found.append(file.read(end - start))
                else:
                    found.append(b"")
        return found

    def scan(self) -> Iterator[bytes]:
        """Yield every line in order, without indexing."""
        with self.path.open("rb") as file:
            yield from file

    def _index(self, count: int) -> None:
        starts = self._starts
        with self.path.open("rb") as file:
            at = starts[-1]
            file.seek(at)
            while len(starts) <= count and (chunk := file.read(CHUNK)):
                end = chunk.find(b"\n")
                while end >= 0:
                    starts.append(at + end + 1)
                    end = chunk.find(b"\n", end + 1)
                at += len(chunk)
        if at >= self._size and starts[-1] < at:  # no newline at the end
            starts.append(at)
