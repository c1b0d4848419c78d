"""What a person chose on the screens, remembered for each runs folder.

A screen reads and writes it by name, in plain JSON values::

    order = self.sirt.remembered.get("runs.columns", [])    # the default when nothing fits
    self.sirt.remembered.put("runs.columns", ["state", "name", "lr"])

Neither waits for a disk: the file is read once, before the first screen, and written by a thread
a moment after the last change. It is ``$XDG_STATE_HOME/sirt/folders/NAME-HASH.json``, where the
hash is of the folder's path.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from engine.schema import jsonfile
from engine.schema.errors import UserError, explain
from engine.store.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
REST_S = 0.3  # changes within this time are written together
END_S = 2.0  # at most so long the program waits for its last write


class Remembered:
    """The choices of one folder. Without a ``file`` they last as long as the program.

    ``problem``: one line if the file could not be read; it is written anew with the next choice.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._values: dict[str, Any] = {}
        self._mine: dict[str, Any] = {}  # chosen and not yet written
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None
        self._closing = threading.Event()
        self.problem = ""
        self.on_failure: Callable[[str], object] | None = None  # called by the writing thread
        if file is not None:
            try:
                self._values = _read(file)
            except UserError as error:
                self.problem = f"{error}; what it remembered is forgotten"

    @classmethod
    def of(cls, folder: Path) -> Remembered:
        """Read what is remembered of a runs folder."""
        return cls(file_of(folder))

    def get(self, name: str, default: T) -> T:
        """Return the value of that name, or the default if there is none of the default's type."""
        value = self._values.get(name)
        return value if type(value) is type(default) else default

    def put(self, name: str, value: object) -> None:
        """Remember a value that JSON has. It is written soon, by a thread."""
        if name in self._values and self._values[name] == value:
            return
        self._values[name] = value
        if self._file is None:
            return
        with self._lock:
            self._mine[name] = value
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="remembered", daemon=True)
                self._writer.start()

    def close(self) -> None:
        """Write what is left to write; a disk that hangs does not keep the program."""
        self._closing.set()
        if (writer := self._writer) is not None:
            writer.join(END_S)

    def _write(self) -> None:
        """Write until nothing has changed meanwhile. Another window's choices stay."""
        assert self._file is not None
        while True:
            self._closing.wait(REST_S)
            with self._lock:
                mine = dict(self._mine)
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                write_json(self._file, self._there() | mine)
            except OSError as error:
                if self.on_failure is not None:
                    self.on_failure(f"your choices are not remembered: {explain(error)}")
            else:
                with self._lock:  # from now on another window may choose otherwise
                    self._mine = {n: v for n, v in self._mine.items() if (n, v) not in mine.items()}
            with self._lock:
                if not self._mine or self._mine == mine:
                    self._writer = None
                    return

    def _there(self) -> dict[str, Any]:
        """What the file says now; what this window knows where that can't be read."""
        assert self._file is not None
        try:
            return _read(self._file) or dict(self._values)
        except UserError:
            return dict(self._values)


def file_of(folder: Path) -> Path:
    """Return the file that keeps a runs folder's choices."""
    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state")
    path = folder.absolute()
    name = hashlib.sha256(str(path).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    return state / "sirt" / "folders" / f"{path.name}-{name}.json"


def _read(file: Path) -> dict[str, Any]:
    try:
        return jsonfile.read_object(file)
    except FileNotFoundError:
        return {}
