"""The base of all benchmarks: reads rows from a source and turns them into items."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from engine.schema.errors import UserError
from engine.tasks.checking import left_out, refusal, sound
from engine.tasks.hub import read_hub
from engine.tasks.prompts import LETTERS
from engine.tasks.revision import with_defaults
from engine.tasks.row import Row, shown
from engine.tasks.rows import read_rows, with_labels

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from engine.interfaces import AnswerKind, Item, Split
    from engine.schema.cards import TaskSource

Part = tuple[int, Row]  # a row and its number within its file


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A benchmark; follows the ``Task`` protocol of :mod:`engine.interfaces`.

    Attributes:
        item: makes an item of a row; its second argument is the id when the row has none.
        hub_splits: the hub's name of each of our splits; a missing one does not exist.
        read: reads a local file or folder in the benchmark's own format.
        divide: picks a split's rows out of a single local file that holds both.
        sizes: how many rows train and test have, about: for estimates before they are read.
    """

    name: str
    instruction: str
    kind: AnswerKind
    default_source: TaskSource
    hub_splits: dict[Split, str]
    item: Callable[[Row, str], Item]
    read: Callable[[Path], list[Row]] = read_rows
    former_instructions: tuple[str, ...] = ()
    divide: Callable[[list[Row], Split], list[Part]] | None = None
    sizes: tuple[int, int] = (4000, 600)

    @property
    def trains(self) -> bool:
        return "train" in self.hub_splits

    def load(
        self, source: TaskSource, split: Split, tell: Callable[[str], None] = lambda _: None
    ) -> list[Item]:
        """All valid items of a split, in the source's order.

        ``UserError`` when the source can't be read, or has rows that can't be asked or scored;
        if the source allows it, these are left out, and ``tell`` gets a line about them.
        """
        if split not in self.hub_splits:
            raise UserError(
                f"{self.name}: has no {split} split, it is for evaluation only; "
                "name it under 'evaluate_on', not under 'tasks'"
            )
        source = with_defaults(source, self.default_source)
        rows = self._local(source, split) if source.is_local else self._hub(source, split)
        if not rows:
            raise UserError(f"{self.name}: there are no rows for the {split} split")
        items, faults = sound(
            rows, lambda number, row: self.item(row, f"{split}-{number:05d}"), self.kind
        )
        if faults and not (items and source.skip_bad_rows):
            raise refusal(self.name, faults, len(rows))
        if faults:
            tell(left_out(self.name, split, faults, len(rows)))
        return unique(items)

    def _hub(self, source: TaskSource, split: Split) -> list[Part]:
        assert source.hub is not None
        name = self.hub_splits[split]
        rows = read_hub(self.name, source.hub, source.config, source.revision, name)
        return list(enumerate(rows))

    def _local(self, source: TaskSource, split: Split) -> list[Part]:
        files = {"train": source.train, "test": source.test}
        given = {file for file in files.values() if file}
        if self.divide is not None and len(given) == 1:
            return self.divide(self._read(given.pop()), split)
        file = files[split]
        if file is None:
            raise UserError(
                f"{self.name}: no file for the {split} split; "
                f"give one under 'sources: {self.name}: {split}: <file>'"
            )
        rows = self._read(file)
        labels = source.train_labels if split == "train" else source.test_labels
        return list(enumerate(with_labels(rows, Path(labels)) if labels else rows))

    def _read(self, file: str) -> list[Row]:
        path = Path(file)
        if not path.exists():
            raise UserError(f"{self.name}: {path}: no such file or folder")
        rows = self.read(path)
        if not rows:
            raise UserError(f"{path}: no rows in it")
        return rows


def unique(items: Sequence[Item]) -> list[Item]:
    """The items with ``#2``, ``#3``, ... appended to repeated ids."""
    seen: dict[str, int] = {}
    taken: set[str] = set()
    result = []
    for item in items:
        seen[item.id] = count = seen.get(item.id, 0) + 1
        key = item.id if count == 1 else f"{item.id}#{count}"
        while key in taken:  # a row's own id may look like that
            key += "#"
        taken.add(key)
        result.append(item if key == item.id else replace(item, id=key))
    return result


def letter_of(row: Row, label: str, labels: Sequence[str]) -> str:
    """The letter of an option by its position in ``labels``, whatever their names."""
    if label not in labels:
        raise row.error(f"the answer is {shown(label)}, but the options are {_listed(labels)}")
    place = labels.index(label)
    if label in labels[place + 1 :]:
        raise row.error(f"the answer is {shown(label)}, and two options are called that")
    if place >= len(LETTERS):
        raise row.error(f"it has {len(labels)} options; at most {len(LETTERS)} can be asked")
    return LETTERS[place]


def _listed(labels: Sequence[str]) -> str:
    short = (label if label.isalnum() and len(label) <= 9 else shown(label) for label in labels)
    return ", ".join(islice(short, len(LETTERS)))


def nested_choices(row: Row, stem: str) -> tuple[str, list[str], list[str]]:
    """Question, option labels and option texts of a CSQA or OBQA row.

    The hub's rows are flat (column ``stem``, ``choices`` as two lists); the original files nest
    ``question: {stem, choices: [{label, text}]}``.
    """
    if isinstance(row.values.get("question"), dict):
        nested = row.record("question")
        options = nested.records("choices")
        texts = [option.text("text") for option in options]
        return nested.text("stem"), [option.text("label") for option in options], texts
    flat = row.record("choices")
    labels, texts = flat.labels("label"), flat.texts("text")
    if len(labels) != len(texts):
        raise row.error(f"it has {len(labels)} labels for {len(texts)} options")
    return row.text(stem), labels, texts
