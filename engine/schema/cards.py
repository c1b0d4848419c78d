"""Cards: which model answers, and where a benchmark's rows are."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Precision = Literal["nf4", "bf16", "fp32"]


class Frozen(BaseModel):
    """Strict and immutable: an unknown key or a wrong type is an error, never a guess."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True
    )


class LocalWeights(Frozen):
    """Weights that this machine loads: a hub id or a folder, never both.

    ``revision`` is a hub commit; for a folder it is filled in with a hash of the content,
    so that replaced weights are told apart.
    """

    kind: Literal["local"] = "local"
    hub: str | None = None
    path: str | None = None
    revision: str | None = None
    precision: Precision = "nf4"
    chat_template: str | None = Field(
        default=None, description="file with a Jinja chat template; the tokenizer's own otherwise"
    )
    template_revision: str | None = Field(
        default=None, description="hash of that file's content; filled in"
    )
    date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")] | None = Field(
        default=None,
        description="the day, YYYY-MM-DD, that a chat template sees which writes the date",
        json_schema_extra={"since": "0.2"},
    )
    trust_remote_code: bool = False

    @field_validator("date")
    @classmethod
    def _a_day(cls, value: str | None) -> str | None:
        if value is not None:
            datetime.date.fromisoformat(value)
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.hub is None) == (self.path is None):
            raise ValueError("give exactly one of 'hub' (a hub id) and 'path' (a folder)")
        return self


class Endpoint(Frozen):
    """A model behind an OpenAI-compatible HTTP endpoint.

    Prices are in ``currency`` per million tokens; ``max_spend`` is a hard cap for a phase.
    """

    kind: Literal["openai_compatible"]
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s]")] = Field(
        description="begins with http:// or https://"
    )
    model: Annotated[str, Field(min_length=1)]
    api_key_env: str | None = Field(
        default=None, description="environment variable that holds the key; the key is never kept"
    )
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    connect_s: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="seconds for a connection"
    )
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=120.0, description="seconds for a request as a whole, its reply's body included"
    )
    http_retries: Annotated[int, Field(ge=0)] = 5
    patience_s: Annotated[float, Field(ge=0)] = Field(
        default=180.0,
        description="seconds for which a server that fails or is away is waited for, besides the "
        "http_retries",
    )
    content_retries: Annotated[int, Field(ge=0)] = 2
    price_in: Annotated[float, Field(ge=0)] = 0.0
    price_out: Annotated[float, Field(ge=0)] = 0.0
    currency: str = "USD"
    max_spend: Annotated[float, Field(gt=0)] | None = None

    @property
    def uncapped(self) -> bool:
        """A cap that can't hold, since nothing has a price."""
        return self.max_spend is not None and not (self.price_in or self.price_out)

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """What so many tokens cost, in ``currency``."""
        return (prompt_tokens * self.price_in + completion_tokens * self.price_out) / 1_000_000


class ImportedAnswers(Frozen):
    """Demonstrations that somebody has already made: a JSONL or Parquet file."""

    kind: Literal["imported"]
    path: str
    revision: str | None = None
    answer_column: str | None = Field(
        default=None,
        description="the column with the answers, where several could be",
        json_schema_extra={"since": "0.2"},
    )
    question_column: str | None = Field(
        default=None,
        description="the column with the questions, where it has a name of its own",
        json_schema_extra={"since": "0.2"},
    )


ModelSource = Annotated[LocalWeights | Endpoint | ImportedAnswers, Field(discriminator="kind")]


class Sampling(Frozen):
    """How answers are drawn. ``temperature: 0`` is greedy."""

    temperature: Annotated[float, Field(ge=0, le=2)] = 0.1
    top_p: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_new_tokens: Annotated[int, Field(ge=1)] = 512


class ModelCard(Frozen):
    """A model's preset.

    ``family`` decides in-family and out-family; ``provenance`` says for each choice whether
    the paper states it, it was inferred, or it is ours.
    """

    name: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=100)] = Field(
        description="a line of text without control characters"
    )
    family: str
    description: str = ""
    provenance: str = ""
    source: ModelSource
    sampling: Sampling = Sampling()
    parameters: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="number of weights, for estimates of time and memory"
    )
    lora_targets: tuple[str, ...] | None = Field(
        default=None, description="module names that get LoRA; the settings' own otherwise"
    )


class TaskSource(Frozen):
    """Where a benchmark's rows are: the hub, or local files in the benchmark's own format.

    With no field set, the task's own hub id and revision are used. ``*_labels`` are the label
    lists that PIQA and SIQA keep beside their rows. ``revision`` of local files is filled in
    with a hash of their content.
    """

    hub: str | None = None
    config: str | None = None
    revision: str | None = None
    train: str | None = None
    test: str | None = None
    train_labels: str | None = None
    test_labels: str | None = None
    skip_bad_rows: bool = Field(
        default=False,
        description="leave out rows that can't be asked or scored, instead of refusing them all",
        json_schema_extra={"since": "0.2"},
    )

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if self.hub is not None and (self.train or self.test):
            raise ValueError("give 'hub' or local files ('train', 'test'), not both")
        return self

    @property
    def is_local(self) -> bool:
        return bool(self.train or self.test)
