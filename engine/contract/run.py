"""A run as its own file says it, and as a list shows it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict

from engine.contract.spec import Arm, Kind, RunSpec
from engine.contract.view import State


class RunFile(BaseModel):
    """Content of ``run.json``. ``name``, ``tags`` and ``note`` may change; ``spec`` may not."""

    model_config = ConfigDict(frozen=True, extra="allow")

    run_id: str
    name: str
    created: datetime
    tags: tuple[str, ...] = ()
    note: str = ""
    spec: RunSpec


class Cellmark(BaseModel):
    """One accuracy of a run: task x prompt style x method, with its Wilson 95 % interval."""

    model_config = ConfigDict(frozen=True, extra="allow")

    task: str
    prompt: str
    method: Literal["match", "logprob"] = "match"
    split: str = "test"
    accuracy: float
    low: float
    high: float
    correct: int
    total: int
    unparsed: float
    truncated: float = 0.0
    mean_tokens: float = 0.0
    with_steps: float = 0.0
    legacy: float | None = None


class RunRow(BaseModel):
    """What a list of runs shows, and what the registry keeps: scalars and accuracies only.

    ``state`` and ``marks`` are as of the last look; for a run that isn't finished they are
    read from the folders again.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    run_id: str
    name: str
    experiment: str
    arm: Arm
    teacher: str | None = None
    student: str | None = None
    in_family: bool | None = None
    task: str | None = None
    refine_task: str | None = None
    fraction: int = 100
    seed: int = 0
    created: datetime
    finished: datetime | None = None
    tags: tuple[str, ...] = ()
    note: str = ""
    state: State = "waiting"
    phases: tuple[tuple[Kind, str], ...] = ()
    marks: tuple[Cellmark, ...] = ()
