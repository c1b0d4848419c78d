"""A second view of a folder, as a client of NFS has it: what was looked up stays as it was, until
the file, or the folder that it is in, is opened.

No such disk can be mounted where tests run, so the view is made where Python asks the system:
``os.stat`` and ``os.lstat`` answer from a cache that ``open``, ``os.open`` and listing a folder
empty, as the kernel's attribute cache is by its close-to-open promise. Nothing in it ever expires.
"""

from __future__ import annotations

import errno
import io
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

Answer = os.stat_result | OSError


class LaggingView:
    """Lags from its making on, for all paths below ``root``."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = str(root)
        self._kept: dict[tuple[str, str], Answer] = {}
        for module, name in ((os, "stat"), (os, "lstat")):
            monkeypatch.setattr(module, name, self._looking(name, getattr(module, name)))
        for module, name in ((os, "open"), (os, "scandir"), (os, "listdir"), (io, "open")):
            monkeypatch.setattr(module, name, self._opening(getattr(module, name)))

    def _looking(self, name: str, real: Callable[..., os.stat_result]) -> Callable[..., Any]:
        def look(path: Any, *given: Any, **named: Any) -> os.stat_result:
            if isinstance(path, int) or not self._covers(path):
                return real(path, *given, **named)
            key = (name, os.fspath(path))
            if key not in self._kept:
                try:
                    self._kept[key] = real(path, *given, **named)
                except OSError as error:
                    self._kept[key] = error
            found = self._kept[key]
            if isinstance(found, OSError):
                raise OSError(found.errno, os.strerror(found.errno or errno.EIO), str(path))
            return found

        return look

    def _opening(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def opened(path: Any = ".", *given: Any, **named: Any) -> Any:
            found = real(path, *given, **named)
            if not isinstance(path, int) and self._covers(path):
                name = os.fspath(path)
                self._kept = {
                    key: answer
                    for key, answer in self._kept.items()
                    if key[1] != name and os.path.dirname(key[1]) != name  # noqa: PTH120
                }
            return found

        return opened

    def _covers(self, path: Any) -> bool:
        return f"{os.fspath(path)}/".startswith(f"{self._root}/")
