"""Model cards, and the sources of models and benchmarks."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from engine.schema.errors import UserError
from engine.schema.identity import STORED, as_it_was, identity_of
from engine.schema.kinds import SOURCES, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

Precision = Literal["nf4", "bf16", "fp32"]
SECONDS_A_REPLY = 4.0  # a rough guess for endpoints
Engine = Literal["auto", "builtin", "vllm"]


class Frozen(BaseModel):
    """Strict and immutable: an unknown key or a wrong type is an error, never a guess."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True
    )

    @model_validator(mode="after")
    def _as_it_was(self, info: ValidationInfo) -> Self:
        return as_it_was(self) if info.context is STORED else self


class Origin(NamedTuple):
    """A model's origin to show: a hub id, a folder or a server, and its revision."""

    place: str
    revision: str | None = None
    precision: Precision | None = None


class ModelSource(Frozen):
    """Where a model's answers come from: the base of all kinds of sources.

    ``provider``: the class that answers (:class:`engine.interfaces.Provider`). ``note``: what it
    is, in two words, unless it is weights on this machine. ``needs_device``: answering takes
    a GPU, or CPU cores and memory. ``ready_made``: the answers exist, and no others can be
    generated. ``files``: fields with a local file or folder -> the fields that receive its
    content's hash; ``folders``: those of them that hold weights.
    """

    provider: ClassVar[str]
    note: ClassVar[str] = ""
    needs_device: ClassVar[bool] = False
    ready_made: ClassVar[bool] = False
    files: ClassVar[Mapping[str, str]] = {}
    folders: ClassVar[frozenset[str]] = frozenset()

    kind: str

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler, /
    ) -> CoreSchema:
        """Pydantic reads any source with the class named by its kind."""
        return one_of(SOURCES, handler) if cls is ModelSource else handler(source)

    def identity(self) -> dict[str, Any]:
        """The fields that determine the answers: a local file by its content, not its path."""
        return identity_of(self, exclude={name for name in self.files if getattr(self, name)})

    @property
    def origin(self) -> Origin:
        places = (getattr(self, name) for name in self.files)
        return Origin(next((place for place in places if place), self.kind))

    @property
    def weights(self) -> LocalWeights | None:
        """Weights this machine can load, to train, merge or read probabilities; else None."""
        return None

    @property
    def key_variables(self) -> tuple[str, ...]:
        """Names of environment variables with its keys."""
        return ()

    @property
    def bills_in(self) -> str | None:
        """The currency of its prices; None where it costs nothing."""
        return None

    @property
    def cap(self) -> float | None:
        """The most a phase may spend."""
        return None

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """The price of these tokens, in the currency :attr:`bills_in`."""
        return 0.0

    def seconds(self, questions: int) -> float:
        """About how long these answers take, unless this machine generates them."""
        return 0.0

    def contradictions(self, max_new_tokens: int) -> Iterator[str]:
        """A line for each setting that can't work, to follow the card's name."""
        return iter(())


class LocalWeights(ModelSource):
    """Weights that this machine loads: a hub id or a folder, never both.

    ``revision`` is a hub commit, or for a folder a hash of its content, filled in by the
    program, so that replaced weights are noticed.
    """

    provider = "engine.generation.engines:LocalModel"
    needs_device = True
    files: ClassVar[Mapping[str, str]] = {"path": "revision", "chat_template": "template_revision"}
    folders = frozenset({"path"})

    kind: Literal["local"] = Field(default="local", description="weights on this machine")
    hub: str | None = Field(default=None, description="the model's id on the hub")
    path: str | None = Field(default=None, description="folder with the weights, in its place")
    revision: str | None = Field(
        default=None, description="commit on the hub, or hash of the folder; filled in"
    )
    precision: Precision = Field(
        default="nf4", description="of the weights: 4 bits, 16 bits or 32 bits"
    )
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
    trust_remote_code: bool = Field(
        default=False, description="run Python code that comes with the weights"
    )
    engine: Engine = Field(
        default="auto",
        description="who runs it where it answers: builtin, or vllm; as generation.engine says "
        "where this is auto",
        json_schema_extra={"since": "0.2"},
    )

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

    def identity(self) -> dict[str, Any]:
        """The fields that determine the answers' distribution; engine and device change only
        rounding and random draws."""
        hidden = {"engine", "path"} if self.path else {"engine"}
        hidden.add("chat_template" if self.template_revision else "template_revision")
        return identity_of(self, exclude=hidden)

    @property
    def origin(self) -> Origin:
        return Origin(self.hub or str(self.path), self.revision, self.precision)

    @property
    def weights(self) -> LocalWeights:
        return self


class Endpoint(ModelSource):
    """A model behind an OpenAI-compatible HTTP endpoint.

    Prices are in ``currency`` per million tokens; ``max_spend`` is a hard cap for a phase.
    """

    provider = "engine.generation.endpoint.openai_compatible:EndpointProvider"
    note = "endpoint"

    kind: Literal["openai_compatible"] = Field(description="a server")
    base_url: Annotated[str, Field(pattern=r"^https?://[^/\s]")] = Field(
        description="begins with http:// or https://"
    )
    model: Annotated[str, Field(min_length=1)] = Field(description="its name at the server")
    api_key_env: str | None = Field(
        default=None, description="environment variable that holds the key; the key is never kept"
    )
    concurrency: Annotated[int, Field(ge=1, le=256)] = Field(
        default=8, description="requests at a time"
    )
    connect_s: Annotated[float, Field(gt=0)] = Field(
        default=10.0, description="seconds for a connection"
    )
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=120.0, description="seconds for a request as a whole, its reply's body included"
    )
    http_retries: Annotated[int, Field(ge=0)] = Field(
        default=5, description="further tries of a question before its server counts as away"
    )
    patience_s: Annotated[float, Field(ge=0)] = Field(
        default=180.0,
        description="seconds for which a server that fails or is away is waited for, besides the "
        "http_retries",
    )
    content_retries: Annotated[int, Field(ge=0)] = Field(
        default=2, description="further requests for a question whose reply is of no use"
    )
    price_in: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="price of a million tokens of prompts"
    )
    price_out: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="price of a million tokens of answers"
    )
    currency: str = Field(default="USD", description="of the prices and the cap")
    max_spend: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="hard cap on what a phase may spend; needs the prices"
    )

    def identity(self) -> dict[str, Any]:
        return self.model_dump(include={"kind", "base_url", "model"})

    @property
    def origin(self) -> Origin:
        return Origin(f"{self.model} at {self.base_url}")

    @property
    def key_variables(self) -> tuple[str, ...]:
        return (self.api_key_env,) if self.api_key_env else ()

    @property
    def bills_in(self) -> str:
        return self.currency

    @property
    def cap(self) -> float | None:
        return self.max_spend

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        return (prompt_tokens * self.price_in + completion_tokens * self.price_out) / 1_000_000

    def seconds(self, questions: int) -> float:
        return questions * SECONDS_A_REPLY / self.concurrency

    def contradictions(self, max_new_tokens: int) -> Iterator[str]:
        if self.max_spend is None:
            return
        if not (self.price_in or self.price_out):
            yield "has a max_spend but no price_in and price_out to hold it by"
        if (most := self.price(0, max_new_tokens)) > self.max_spend:
            yield (
                f"has a max_spend of {self.max_spend:g} {self.currency}, less than one reply of "
                f"max_new_tokens may cost ({most:g})"
            )


class ImportedAnswers(ModelSource):
    """Demonstrations from an existing JSONL or Parquet file."""

    provider = "engine.generation.imported:ImportedProvider"
    note = "ready answers"
    ready_made = True
    files: ClassVar[Mapping[str, str]] = {"path": "revision"}

    kind: Literal["imported"] = Field(description="a file of ready answers")
    path: str = Field(description="the file: JSON Lines, JSON or Parquet")
    revision: str | None = Field(default=None, description="hash of the file; filled in")
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

    @property
    def origin(self) -> Origin:
        return Origin(self.path, self.revision)


class Sampling(Frozen):
    """How answers are sampled. ``temperature: 0`` is greedy."""

    temperature: Annotated[float, Field(ge=0, le=2)] = Field(
        default=0.1,
        description="randomness of the answers; 0: always the likeliest token",
        json_schema_extra={"usual": [0, 1.2, "above it answers become incoherent"]},
    )
    top_p: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="share of the probability that tokens are drawn from",
        json_schema_extra={"usual": [0.5, 1, "below it only the likeliest words are left"]},
    )
    max_new_tokens: Annotated[int, Field(ge=1)] = Field(
        default=512,
        description="tokens of an answer at most; what is longer is cut off",
        json_schema_extra={"usual": [8, 16_384, "fewer cut answers off"]},
    )


class ModelCard(Frozen):
    """A model's preset.

    ``family`` decides in-family and out-family; ``provenance`` says whether each choice is
    the paper's, inferred, or ours.
    """

    name: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]+$", max_length=100)] = Field(
        description="a line of text without control characters"
    )
    family: str = Field(description="decides which pairs of models are in-family")
    description: str = Field(default="", description="what it is for")
    provenance: str = Field(
        default="", description="what in it is the paper's, what was inferred, what is ours"
    )
    source: ModelSource
    sampling: Sampling = Sampling()
    parameters: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="number of weights, for estimates of time and memory"
    )
    lora_targets: tuple[str, ...] | None = Field(
        default=None, description="module names that get LoRA; the settings' own otherwise"
    )

    @property
    def weights(self) -> LocalWeights:
        """The weights; ``UserError`` when the model can't be loaded here."""
        found = self.source.weights
        if found is None:
            raise UserError(
                f"card {self.name!r}: source: is {self.source.kind}; local weights are needed"
            )
        return found


class TaskSource(Frozen):
    """Where a benchmark's rows are: the hub, or local files in the benchmark's own format.

    With no field set, the task's own hub id and revision are used. ``*_labels`` are the label
    lists that PIQA and SIQA keep beside their rows. ``revision`` of local files is filled in
    with a hash of their content.
    """

    hub: str | None = Field(default=None, description="the benchmark's id on the hub")
    config: str | None = Field(default=None, description="its configuration on the hub")
    revision: str | None = Field(
        default=None, description="commit on the hub, or hash of the files; filled in"
    )
    train: str | None = Field(default=None, description="file of the training questions")
    test: str | None = Field(default=None, description="file of the test questions")
    train_labels: str | None = Field(default=None, description="labels of the training questions")
    test_labels: str | None = Field(default=None, description="labels of the test questions")
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
