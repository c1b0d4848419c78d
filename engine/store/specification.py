"""Reads ``phase.json``, a phase's specification; version 0.1 wrote no seal into it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from engine.schema.errors import UserError
from engine.schema.identity import STORED
from engine.schema.jsonfile import SEAL, read_as, with_seal
from engine.schema.phase import PhaseSpec

if TYPE_CHECKING:
    from pathlib import Path

    from engine.store.layout import PhaseDir


def read_specification(file: Path) -> PhaseSpec:
    """The specification; ``UserError`` if damaged, ``FileNotFoundError`` if missing."""
    return read_as(file, _parsed, f"retry its run, or move {file.parent} away")


def _parsed(raw: bytes) -> PhaseSpec:
    value = json.loads(raw)
    if isinstance(value, dict) and SEAL in value:
        if with_seal(value)[SEAL] != value.pop(SEAL):
            raise ValueError("was changed after it was written")
        raw = json.dumps(value).encode()
    return PhaseSpec.model_validate_json(raw, context=STORED)


def own_spec(folder: PhaseDir) -> PhaseSpec:
    """A phase's specification; ``UserError`` if missing or another phase's."""
    try:
        spec = read_specification(folder.spec_file)
    except FileNotFoundError:
        raise UserError(f"{folder.spec_file}: not there; retry its run") from None
    if spec.id != folder.id:
        raise UserError(f"{folder.spec_file}: its settings belong to {spec.id}; retry its run")
    return spec


def has_own_spec(folder: PhaseDir) -> bool:
    try:
        return bool(own_spec(folder))
    except UserError:
        return False
