"""A setting: a field with its default, where that comes from, its meaning and usual range.

Source marks: ``P`` the paper's text, ``A`` the same authors' earlier code or figure, ``I``
inferred, ``?`` unknown and so our choice, ``ours`` an engineering choice outside the paper's scope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import Field, JsonValue

from engine.schema.varied import value_text

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

Source = Literal["P", "A", "I", "?", "ours"]
UNITS = (
    "examples", "looks", "minutes", "pairs", "passes", "prompts", "questions", "requests",
    "seconds", "sequences", "share", "steps", "tokens", "tries", "weights",
)  # fmt: skip


class Usual(NamedTuple):
    """The range of values that people use, told beside a setting and never enforced: from ``low``
    to ``high`` (None: open), and the reason."""

    low: float | None
    high: float | None
    why: str

    @property
    def said(self) -> str:
        """``1e-7 to 1e-4 (reason)``, ``50 and more (reason)``."""
        low, high = (None if end is None else value_text(end) for end in (self.low, self.high))
        span = f"up to {high}" if low is None else f"{low} and more" if high is None else ""
        return f"{span or f'{low} to {high}'} ({self.why})"

    def warning(self, value: Any) -> str:
        """What to say of a value; empty inside the range, and for what is no number."""
        if not isinstance(value, int | float) or isinstance(value, bool):
            return ""
        below = self.low is not None and value < self.low
        above = self.high is not None and value > self.high
        if not (below or above):
            return ""
        return f"{value_text(value)} is unusually {'low' if below else 'high'}; usual: {self.said}"


def setting(
    default: Any,
    source: Source,
    meaning: str,
    usual: Usual | None = None,
    since: str | None = None,
    before: Any = ...,
) -> Any:
    """A field with its default, where that comes from, and what it means.

    The meaning of a number begins with what it counts, which is its unit.
    ``since``: the version that added it; ``before``: the value that matches what was done before
    that, given once the default changes. See :mod:`engine.schema.identity`.
    """
    extra: dict[str, JsonValue] = {"source": source}
    if usual:
        extra["usual"] = list(usual)
    if since:
        extra["since"] = since
    if before is not ...:
        extra["before"] = before
    return Field(default=default, description=meaning, json_schema_extra=extra)


def source_of(model: type[BaseModel], field: str) -> Source:
    """Where the default of a setting comes from."""
    extra = model.model_fields[field].json_schema_extra
    return extra["source"] if isinstance(extra, dict) else "ours"  # type: ignore[return-value]


def usual_of(field: FieldInfo) -> Usual | None:
    """The usual range of a setting."""
    found = _extra(field).get("usual")
    return Usual(*found) if found else None


def unit_in(meaning: str) -> str:
    """What a number counts, with which its meaning begins; empty for a bare number."""
    begins = (word.strip(",;") for word in meaning.split()[:3])
    return next((word for word in begins if word in UNITS), "")


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
