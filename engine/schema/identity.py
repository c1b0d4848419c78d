"""What of a setting counts for a phase's identity.

A field that was added later (``since`` in its schema) is left out while it holds its default:
finished work of before keeps its fingerprint, since it was made just so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from collections.abc import Container


def identity_of(model: BaseModel, exclude: Container[str] = frozenset()) -> dict[str, Any]:
    """The model as plain values, without ``exclude`` and without later fields at their default."""
    found: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if name in exclude:
            continue
        extra = field.json_schema_extra
        if isinstance(extra, dict) and "since" in extra and value == field.get_default():
            continue
        found[name] = identity_of(value) if isinstance(value, BaseModel) else value
    return found
