"""Reads and writes ``run.json``: a run's cell, its name and notes, and its phases' ids.

A phase's specification is only in its folder's ``phase.json``. Version 0.1 wrote it into
``run.json`` too: such files are read as they are.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from engine.schema.errors import UserError, nearest
from engine.schema.identity import STORED
from engine.schema.jsonfile import digest, read_as
from engine.schema.run_spec import RunCell, RunSpec
from engine.store.specification import own_spec
from engine.store.writing import write_json

if TYPE_CHECKING:
    from engine.schema.specs import PhaseSpec
    from engine.store.layout import RunsFolder

SEALED = ("run_id", "created", "spec", "experiment_file")  # all but what a person may change


class RunRecord(BaseModel):
    """Content of ``run.json``. ``name``, ``tags``, ``note`` and ``left_out`` may change; the rest
    may not, and is hashed in ``seal`` ("" in older files). ``left_out``: a person wants it in no
    table and no report. ``experiment_file``: name in ``experiments/``."""

    model_config = ConfigDict(frozen=True, extra="allow")

    run_id: str
    name: str
    created: AwareDatetime
    tags: tuple[str, ...] = ()
    note: str = ""
    left_out: bool = False
    seal: str = ""
    experiment_file: Annotated[str, Field(pattern=r"^([0-9a-f]{16}\.yaml)?$")] = ""
    spec: RunCell


class RunFile(RunRecord):
    """A run with the specifications of its phases."""

    spec: RunSpec


def read_record(runs: RunsFolder, run_id: str) -> RunRecord:
    """The run's file; ``UserError`` when there is no such run or its file is damaged."""
    path = runs.run_file(run_id)
    todo = "launch its experiment again to restore it, or move its folder away"
    try:
        return read_as(path, _record_of, todo)
    except FileNotFoundError:
        raise UserError(f"no run {run_id!r}: {nearest(run_id, runs.run_ids())}") from None


def read_run(runs: RunsFolder, run_id: str) -> RunFile:
    """The run with its phases; ``UserError`` also when the file of one of them can't be read."""
    file, lost = with_phases(runs, read_record(runs, run_id))
    for why in lost.values():
        raise UserError(why)
    return file


def with_phases(runs: RunsFolder, record: RunRecord) -> tuple[RunFile, dict[str, str]]:
    """The run with its readable phases, and phase id -> why another can't be read."""
    found: list[PhaseSpec] = []
    lost: dict[str, str] = {}
    for phase in record.spec.phases:
        try:
            found.append(own_spec(runs.phase(phase)) if isinstance(phase, str) else phase)
        except UserError as error:
            lost[str(phase)] = str(error)
    cell = {name: getattr(record.spec, name) for name in RunCell.model_fields}
    spec = RunSpec(**cell | {"phases": tuple(found)})
    return RunFile(**{name: value for name, value in record} | {"spec": spec}), lost


def write_run(runs: RunsFolder, record: RunRecord) -> None:
    """Replace the run's file, sealed; call it under the folder's lock, once the phases' folders
    exist."""
    value = record.model_dump(mode="json")
    if isinstance(record, RunFile):
        value["spec"]["phases"] = record.spec.phase_ids
    write_json(runs.run_file(record.run_id), value | {"seal": _seal_of(value)})


def _record_of(raw: bytes) -> RunRecord:
    found = RunRecord.model_validate_json(raw, context=STORED)
    if found.seal and found.seal != _seal_of(json.loads(raw)):
        raise ValueError("what the run consists of was changed after it was written")
    return found


def _seal_of(value: dict[str, Any]) -> str:
    return digest([value[name] for name in SEALED if value.get(name)])
