"""One record of a benchmark's file; errors in its columns name its file and line."""

from __future__ import annotations

import math
import re
import reprlib
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from engine.schema.errors import UserError, nearest
from engine.scoring.quantity import LONGEST

if TYPE_CHECKING:
    from collections.abc import Sequence

_THOUSANDS: Final = r"[0-9]{1,3}(?:,[0-9]{2,3})*,[0-9]{3}"
_NUMBER: Final = re.compile(rf"-?(?:(?:{_THOUSANDS}|[0-9]+)(?:\.[0-9]+)?|\.[0-9]+)(?:/[0-9]+)?")

_shown: Final = reprlib.Repr()
_shown.maxstring = _shown.maxother = _shown.maxlong = 60
_shown.maxlevel = 2
_shown.maxlist = _shown.maxdict = 3


class RowError(UserError):
    """An error in one row: ``where`` it is, and ``what`` is wrong."""

    def __init__(self, where: str, what: str) -> None:
        self.where, self.what = where, what
        super().__init__(f"{where}: {what}")


@dataclass(frozen=True, slots=True)
class Row:
    """A row. ``where``: file and line. ``broken``: why it couldn't be read; then it has no
    columns, and reading one raises an error."""

    values: dict[str, Any]
    where: str
    broken: str | None = None

    def __contains__(self, column: str) -> bool:
        return column in self.values

    def __getitem__(self, column: str) -> Any:
        if self.broken is not None:
            raise self.error(self.broken)
        if column not in self.values:
            names = [name for name in map(str, self.values) if name.isprintable()]
            raise self.error(f"no column {column!r}; {nearest(column, names)}")
        return self.values[column]

    def text(self, column: str) -> str:
        """A text column, outer blanks removed."""
        return self._text(self[column], f"column {column!r}")

    def texts(self, column: str) -> list[str]:
        """A column that holds a list of texts."""
        return [
            self._text(value, f"column {column!r}, value {number}")
            for number, value in enumerate(self._list(column), start=1)
        ]

    def labels(self, column: str) -> list[str]:
        """A column that holds a list of labels: texts or whole numbers."""
        found = [_label(value) for value in self._list(column)]
        for value, label in zip(self._list(column), found, strict=True):
            if not label:
                raise self.error(f"column {column!r} has {shown(value)} among the labels")
        return [label for label in found if label]

    def label(self, column: str) -> str:
        """The answer's label as text (``1``, ``1.0`` and ``"1"`` are the same label)."""
        value = self[column] if self.broken else self.values.get(column)
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        label = "" if missing else _label(value)
        if label is None:
            raise self.error(f"column {column!r} holds {shown(value)}, not a label")
        if label in ("", "-1"):
            raise self.error(f"no answer in {column!r}")
        return label

    def number(self, column: str) -> str:
        """A number, or a text that is one, as plain decimal text without thousands commas."""
        found = number_text(self[column])
        if found is None:
            raise self.error(f"column {column!r} holds {shown(self[column])}, not a number")
        return found

    def record(self, column: str) -> Row:
        """A column that holds named values itself."""
        value = self[column]
        if not isinstance(value, dict):
            raise self.error(f"column {column!r} holds {shown(value)}, not named values")
        return Row(value, self.where)

    def records(self, column: str) -> list[Row]:
        """A column that holds a list of records."""
        values = self._list(column)
        for value in values:
            if not isinstance(value, dict):
                raise self.error(f"column {column!r} has {shown(value)}, not named values")
        return [Row(value, self.where) for value in values]

    def key(self, column: str, fallback: str) -> str:
        """The row's own id; ``fallback`` where it has no usable one."""
        value = self.values.get(column)
        named = isinstance(value, str | int) and not isinstance(value, bool) and value
        return str(value) if named and _is_unicode(str(value)) else fallback

    def error(self, what: str) -> RowError:
        return RowError(self.where, what)

    def _list(self, column: str) -> Sequence[Any]:
        value = self[column]
        if not isinstance(value, list):
            raise self.error(f"column {column!r} holds {shown(value)}, not a list")
        return value

    def _text(self, value: Any, what: str) -> str:
        if not isinstance(value, str):
            raise self.error(f"{what} holds {shown(value)}, not text")
        if not _is_unicode(value):
            raise self.error(
                f"{what} holds half a surrogate pair, which is no text: {shown(value)}"
            )
        return value.strip()


def shown(value: Any) -> str:
    """A value for a message: on one line, shortened; ``nothing`` for none."""
    return "nothing" if value is None else _shown.repr(value)


def number_text(value: Any) -> str | None:
    """Plain decimal text of a number, or of a text that is one (a fraction like ``1/3`` stays
    one); None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float | Decimal):
        if not math.isfinite(value):
            return None
        value = int(value) if value == int(value) else f"{Decimal(str(value)):f}"
    text = str(value).strip() if isinstance(value, str | int) else ""
    digits = sum(character.isdigit() for character in text)
    return text.replace(",", "") if _NUMBER.fullmatch(text) and digits <= LONGEST else None


def _label(value: Any) -> str | None:
    if isinstance(value, float) and value.is_integer():  # a column with gaps, through pandas
        value = int(value)
    named = isinstance(value, str | int) and not isinstance(value, bool)
    return str(value).strip() if named else None


def _is_unicode(text: str) -> bool:
    """False for a lone surrogate, which JSON can escape but no file can hold."""
    return not any("\ud800" <= character <= "\udfff" for character in text)
