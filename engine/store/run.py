"""A run as its own file says it."""

from __future__ import annotations

from pydantic import AwareDatetime, BaseModel, ConfigDict

from engine.schema.specs import RunSpec


class RunFile(BaseModel):
    """Content of ``run.json``. ``name``, ``tags`` and ``note`` may change; ``spec`` may not, and
    has a ``seal`` (empty in older files)."""

    model_config = ConfigDict(frozen=True, extra="allow")

    run_id: str
    name: str
    created: AwareDatetime
    tags: tuple[str, ...] = ()
    note: str = ""
    seal: str = ""
    spec: RunSpec
