"""Checks benchmarks' rows: those that can't be asked or scored are reported, never counted.

Plans and phases both read rows through it, so that a plan is refused where a phase would fail.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from engine.schema.errors import UserError
from engine.tasks.prompts import LETTERS
from engine.tasks.row import RowError, number_text, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from engine.interfaces import AnswerKind, Item
    from engine.tasks.row import Row

SHOWN: Final = 3
_WRAPPER: Final = re.compile(r"\\(?:text|mathrm|mbox|boxed|fbox)\b")


class BadRows(UserError):
    """Rows of a split can't be asked or scored. (Unreachable sources raise another error.)"""


def sound(
    rows: Iterable[tuple[int, Row]], make: Callable[[int, Row], Item], kind: AnswerKind
) -> tuple[list[Item], list[RowError]]:
    """The items of valid rows, and what is wrong with the others."""
    items: list[Item] = []
    faults: list[RowError] = []
    for number, row in rows:
        try:
            if row.broken is not None:
                raise row.error(row.broken)
            item = make(number, row)
            why = fault(item, kind)
            if why is not None:
                raise row.error(why)
        except RowError as error:
            faults.append(error)
        else:
            items.append(item)
    return items, faults


def fault(item: Item, kind: AnswerKind) -> str | None:
    """Why an item can't be asked, or no answer could be right; None for a valid item."""
    if not item.question:
        return "the question is empty"
    if kind == "choice":
        return _options_fault(item.choices) or _letter_fault(item)
    if not item.target:
        return "the target is empty"
    if kind == "number" and number_text(item.target) is None:
        return f"the target {shown(item.target)} is no number"
    if kind == "math" and not _is_formula(item.target):
        return f"the target {shown(item.target)} is no formula"
    return None


def _options_fault(choices: Sequence[str]) -> str | None:
    if not 2 <= len(choices) <= len(LETTERS):
        return f"it has {len(choices)} options; 2 to {len(LETTERS)} can be asked"
    empty = [letter for letter, text in zip(LETTERS, choices, strict=False) if not text]
    return f"option {empty[0]} is empty" if empty else None


def _letter_fault(item: Item) -> str | None:
    letters = LETTERS[: len(item.choices)]
    if len(item.target) == 1 and item.target in letters:
        return None
    return f"the target is {shown(item.target)}, but the options are {', '.join(letters)}"


def _is_formula(target: str) -> bool:
    """Whether it isn't empty and its braces close."""
    depth = 0
    for brace in re.findall(r"(?<!\\)[{}]", target):
        depth += 1 if brace == "{" else -1
        if depth < 0:
            return False
    said = _WRAPPER.sub("", target)
    missing = target.casefold() in {"none", "null", "nan"}
    return depth == 0 and not missing and any(character.isalnum() for character in said)


def refusal(task: str, faults: Sequence[RowError], total: int) -> BadRows:
    """All that is wrong with a split's rows, in one line."""
    if len(faults) == total:
        return BadRows(
            f"{task}: none of its {total} rows can be used: {listed(faults)}; give the benchmark's "
            "own file, and for an unlabelled split its label file (train_labels, test_labels)"
        )
    return BadRows(
        f"{task}: {len(faults)} of {total} rows can't be used: {listed(faults)}; mend the file, or "
        f"leave them out with 'sources: {task}: skip_bad_rows: true'"
    )


def left_out(task: str, split: str, faults: Sequence[RowError], total: int) -> str:
    return f"{task} {split}: {len(faults)} of {total} rows are left out: {listed(faults)}"


def listed(faults: Sequence[RowError]) -> str:
    """The first few, and how many are left out."""
    first, *others = faults[:SHOWN]
    if others and all(other.what == first.what for other in others):
        told = f"{first}; so are {' and '.join(other.where for other in others)}"
    else:
        told = "; ".join(map(str, faults[:SHOWN]))
    return told + (f"; and {len(faults) - SHOWN} more" if len(faults) > SHOWN else "")
