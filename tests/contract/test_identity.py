"""What of a setting counts for a phase's identity."""

from __future__ import annotations

from pathlib import Path

from engine.schema.cards import Frozen
from engine.schema.identity import identity_of
from engine.schema.settings import setting
from engine.schema.specs import PhaseSpec


class Inner(Frozen):
    rate: float = setting(0.5, "P", "there from the beginning")
    pull: float = setting(0.0, "ours", "added later", since="0.2")


class Outer(Frozen):
    steps: int = setting(10, "P", "there from the beginning")
    look: str = setting("off", "ours", "added later", since="0.2")
    inner: Inner = Inner()


def test_a_later_field_counts_only_where_it_was_changed() -> None:
    assert identity_of(Outer()) == {"steps": 10, "inner": {"rate": 0.5}}
    assert identity_of(Outer(look="on", inner=Inner(pull=1.0))) == {
        "steps": 10,
        "look": "on",
        "inner": {"rate": 0.5, "pull": 1.0},
    }


def test_finished_phases_of_before_keep_their_identity() -> None:
    """The recorded runs were made by an earlier version; their folders' names are their ids."""
    files = sorted(Path("tests/fixtures/runs").glob("phases/*/phase.json"))
    assert files
    for file in files:
        assert PhaseSpec.model_validate_json(file.read_bytes()).id == file.parent.name
