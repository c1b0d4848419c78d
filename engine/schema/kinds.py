"""Tables of the kinds of phases, sources, events and objectives: name -> class.

A file names a kind; its class is looked up and imported only when the file is read. So a list
of runs, which shows only names of kinds, needs no pydantic.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.schema.errors import UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

METHOD = {
    "annotate": "engine.schema.specs:AnnotateSpec",
    "instruct": "engine.schema.specs:InstructSpec",
    "elicit": "engine.schema.specs:ElicitSpec",
    "refine": "engine.schema.specs:RefineSpec",
    "evaluate": "engine.schema.specs:EvaluateSpec",
}
PHASES = METHOD | {
    "judge": "engine.schema.follow_ups:JudgeSpec",
    "merge": "engine.schema.follow_ups:MergeSpec",
}
SOURCES = {
    "local": "engine.schema.cards:LocalWeights",
    "openai_compatible": "engine.schema.cards:Endpoint",
    "imported": "engine.schema.cards:ImportedAnswers",
}
EVENTS = {
    "phase_started": "engine.schema.events:PhaseStarted",
    "activity": "engine.schema.events:Activity",
    "progress": "engine.schema.events:Progress",
    "metric": "engine.schema.events:Metric",
    "sample": "engine.schema.events:Sample",
    "answering": "engine.schema.events:Answering",
    "score": "engine.schema.events:Scored",
    "resource": "engine.schema.events:Resource",
    "cost": "engine.schema.events:Cost",
    "artefact": "engine.schema.events:Artefact",
    "message": "engine.schema.events:Message",
    "checkpoint_saved": "engine.schema.events:CheckpointSaved",
    "phase_finished": "engine.schema.events:PhaseFinished",
    "allocation": "engine.schema.allocation:Allocation",
}
OBJECTIVES = {  # refine's preference losses
    "dpo": "engine.training.objectives:dpo",
}


def resolve(where: str) -> Any:
    """``package.module:name``, imported now."""
    module, name = where.split(":")
    return getattr(import_module(module), name)


def find(table: Mapping[str, str], what: str, name: str) -> Any:
    """The object that a table names; ``UserError`` with the nearest name if it has none."""
    if name not in table:
        raise UserError(f"unknown {what} {name!r}: {nearest(name, table)}")
    return resolve(table[name])


def one_of(table: Mapping[str, str], handler: GetCoreSchemaHandler) -> CoreSchema:
    """A pydantic schema for models whose ``kind`` field names their class."""
    from pydantic_core import core_schema

    choices = {kind: handler.generate_schema(resolve(where)) for kind, where in table.items()}
    return core_schema.tagged_union_schema(choices, discriminator="kind")
