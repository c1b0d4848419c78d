"""Which fields of a specification a phase's fingerprint covers, and how old ones are read.

Fields of version 0.1 are always hashed. A later field (with ``since`` in its schema) is hashed
only when its value differs from what was done before it existed: its ``before``, or its default
if that has never changed. So finished work keeps its fingerprint when a setting is added or a
default is changed, and a file that lacks a field is read as what was done then, whatever today's
default is.

A change in what a kind of phase does with the same fields is marked by its ``algorithm``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from collections.abc import Container

    from pydantic.fields import FieldInfo

STORED: Final = {"stored": True}  # pydantic's context when a file of the runs folder is read


def identity_of(model: BaseModel, exclude: Container[str] = frozenset()) -> dict[str, Any]:
    """The model's hashed fields as plain values, without ``exclude`` and unchanged later
    fields."""
    found: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if name in exclude or ("since" in _extra(field) and value == _before(field)):
            continue
        found[name] = identity_of(value) if isinstance(value, BaseModel) else value
    return found


M = TypeVar("M", bound=BaseModel)


def as_it_was(stored: M) -> M:
    """A stored model, with fields that it lacks set to what was done before they
    existed."""
    later = {n: f for n, f in type(stored).model_fields.items() if "before" in _extra(f)}
    lacking = {n: _before(f) for n, f in later.items() if n not in stored.model_fields_set}
    return stored.model_copy(update=lacking) if lacking else stored


def algorithm(number: int) -> Any:
    """A field for the version of a phase's algorithm; files of 0.1 mean the first."""
    return Field(default=number, json_schema_extra={"before": 1})


def _before(field: FieldInfo) -> Any:
    return _extra(field).get("before", field.get_default())


def _extra(field: FieldInfo) -> dict[str, Any]:
    return field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
