"""The reference's log-probabilities of all pairs, on file, so that an attempt that goes on does not
make them again: that takes as long as half of a pass of training."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from engine.schema.errors import UserError
from engine.schema.jsonfile import read_sealed, with_seal
from engine.store.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

REMEMBERED: Final = ("ref_chosen_logps", "ref_rejected_logps")  # TRL's names
Scores = dict[str, dict[str, list[float]]]  # split -> REMEMBERED -> one score a pair


def keep_scores(file: Path, scores: Scores) -> None:
    with replacing(file) as out:
        out.write(json.dumps(with_seal({"scores": scores})).encode())


def kept_scores(file: Path, sizes: Mapping[str, int]) -> Scores | None:
    """The scores of an earlier attempt, if they are whole; ``sizes``: split -> number of pairs."""
    if not file.exists():
        return None
    try:
        scores: Scores = read_sealed(file, "")["scores"]
        found = {split: {len(scores[split][name]) for name in REMEMBERED} for split in sizes}
    except (UserError, KeyError, TypeError):  # changed since: they can be made again
        return None
    return scores if found == {split: {size} for split, size in sizes.items()} else None
