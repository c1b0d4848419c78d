"""Parameter types of the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


class GivenPath(click.Path):
    """A path that may not be empty, as a script's unset variable would be, nor an option."""

    def __init__(self, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not str(value).strip():
            self.fail("an empty path", param, ctx)
        if str(value).startswith("-") and not Path(value).exists():
            self.fail(
                f"{value!r} looks like an option; a path that begins so: ./{value}", param, ctx
            )
        return super().convert(value, param, ctx)
