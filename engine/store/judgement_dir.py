"""Folders of judgements that version 0.1 made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from engine.store.layout import REPLIES, VERDICTS

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import RunsFolder


@dataclass(frozen=True, slots=True)
class JudgementDir:
    """``judgements/<key>/``: a judgement made by version 0.1, before judging was a phase. Its
    replies and verdicts are used; nothing is written here any more."""

    path: Path

    @property
    def spec_file(self) -> Path:
        return self.path / "judgement.json"

    @property
    def replies(self) -> Path:
        return self.path / REPLIES

    @property
    def verdicts(self) -> Path:
        """The verdicts; exists once done."""
        return self.path / VERDICTS

    @property
    def seal(self) -> Path:
        """The verdicts' hash; missing in the oldest."""
        return self.path / "seal.json"


def finished(runs: RunsFolder) -> list[JudgementDir]:
    """Finished judgements by key, also those whose verdicts were lost since."""
    found = map(JudgementDir, sorted(runs.judgements.glob("*")))
    return [folder for folder in found if folder.verdicts.exists() or folder.seal.exists()]
