"""Whose a phase's outputs are, when they were taken from another runs folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from engine.schema.errors import UserError
from engine.schema.jsonfile import read_object
from engine.store.writing import write_json

if TYPE_CHECKING:
    from engine.store.layout import PhaseDir


@dataclass(frozen=True, slots=True)
class Taken:
    """``folder``: the phase's folder where it was made. ``owner``: whose files those were, as the
    system names them. ``when``: when they came here, in UTC."""

    folder: str
    owner: str
    when: str

    @property
    def told(self) -> str:
        """One line."""
        return f"reused from {self.folder}, made by {self.owner}, taken {self.when}"


def taken(phase: PhaseDir) -> Taken | None:
    """Where a phase's outputs come from; None for those made here. ``UserError`` if the record is
    damaged."""
    path = phase.taken_file
    try:
        said = read_object(path)
        return Taken(str(said["folder"]), str(said["owner"]), str(said["when"]))
    except FileNotFoundError:
        return None
    except KeyError as error:
        raise UserError(f"{path}: does not say the {error.args[0]} that it comes from") from None


def write_taken(phase: PhaseDir, theirs: PhaseDir) -> None:
    """Note in ``phase`` that its outputs are a copy of ``theirs``; of a copy that was itself taken,
    where that was made."""
    first = taken(theirs)
    folder = first.folder if first else str(theirs.path)
    owner = first.owner if first else _owner(theirs)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    write_json(phase.taken_file, asdict(Taken(folder, owner, now)))


def _owner(phase: PhaseDir) -> str:
    try:
        return phase.manifest_file.owner()
    except (KeyError, OSError, NotImplementedError):  # a user of another machine
        return f"user {phase.manifest_file.stat().st_uid}"
