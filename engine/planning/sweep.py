"""Sweeps: a list where a setting takes one value stands for several runs, one for each value.

A setting that is a list by its own type (``evaluate.prompts``) means itself; a list of such lists
sweeps it. Several swept settings give every combination.
"""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from functools import cache
from itertools import product
from math import prod
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from engine.planning import yaml_file
from engine.schema.errors import Problems
from engine.schema.experiment import Experiment, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pydantic.fields import FieldInfo

MOST_COMBINATIONS = 256
BESIDE_SETTINGS = ("precision", "data_seed")  # the file's own keys that may be swept


@dataclass(frozen=True, slots=True)
class Axis:
    """A swept setting. ``path``: its place in the file; ``values``: at least one, each once."""

    path: tuple[str, ...]
    values: tuple[Any, ...]

    @property
    def key(self) -> str:
        """Its name, without the ``settings`` that most begin with."""
        return ".".join(self.path[1:] if self.path[0] == "settings" else self.path)


@dataclass(frozen=True, slots=True)
class Combination:
    """One value of each swept setting, and the experiment with these values. ``varied``: key ->
    value; empty without a sweep."""

    varied: Mapping[str, Any]
    experiment: Experiment


def read_combinations(path: Path) -> tuple[Combination, ...]:
    """Read an experiment's file: one combination, or those of its sweep in the order of its lists.
    ``Problems`` lists all that is wrong in it."""
    data = yaml_file.read_mapping(path)
    plain = yaml_file.plain(data)
    axes, problems = _axes(plain, str(path))
    if problems:
        others = _problems_beside(path, data, plain)
        raise Problems(yaml_file.in_order([*yaml_file.with_lines(path, problems), *others]))
    found: dict[tuple[int, ...], Experiment] = {}
    wrong: dict[str, None] = {}
    for picked in product(*(range(len(axis.values)) for axis in axes)):
        if wrong and sum(map(bool, picked)) > 1:
            continue  # a value that is wrong was told where it alone differs from the first ones
        try:
            found[picked] = yaml_file.checked(path, Experiment, data, _at(plain, axes, picked))
        except Problems as error:
            wrong |= dict.fromkeys(error.problems)
    if wrong:
        raise Problems(yaml_file.in_order(wrong))
    several = [axis for axis in axes if len(axis.values) > 1]
    return tuple(
        Combination(
            {a.key: a.values[n] for a, n in zip(axes, picked, strict=True) if a in several},
            experiment,
        )
        for picked, experiment in found.items()
    )


def _axes(plain: dict[str, Any], path: str) -> tuple[list[Axis], list[str]]:
    """Find the swept settings, and what is wrong with them as ``FILE: KEY: TEXT``."""
    axes: list[Axis] = []
    problems: list[str] = []
    for keys, field in _sweepable():
        axis = _axis(plain, keys, field)
        if axis is None:
            continue
        where, values = f"{path}: {'.'.join(keys)}", axis.values
        if twice := [v for n, v in enumerate(values) if v in values[:n]]:
            problems.append(f"{where}: {twice[0]!r} is listed twice")
        elif not values:
            problems.append(f"{where}: is empty; give one value, or several to sweep over")
        else:
            axes.append(axis)
    count = prod(len(axis.values) for axis in axes)
    if count > MOST_COMBINATIONS:
        listed = " x ".join(f"{len(axis.values)} of {axis.key}" for axis in axes)
        problems.append(
            f"{path}: settings: {count:,} combinations ({listed}) are more than the "
            f"{MOST_COMBINATIONS} that one experiment may sweep over; give fewer values, or sweep "
            "one setting after the other"
        )
    return axes, problems


def sweepable(key: str) -> bool:
    """Whether a list at this key of the file (``settings.refine.beta``) would be a sweep."""
    return any(
        ".".join(keys) == key and not takes_lists(field.annotation) for keys, field in _sweepable()
    )


def narrowed(draft: dict[str, Any], varied: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment's keys and values with one run's in place of swept ones. What the run doesn't
    depend on gets the first value of its list."""
    axes = [axis for keys, field in _sweepable() if (axis := _axis(draft, keys, field))]
    mine = [varied.get(axis.key, axis.values[0]) for axis in axes]
    picked = (a.values.index(v) if v in a.values else 0 for a, v in zip(axes, mine, strict=True))
    return _at(draft, axes, tuple(picked))


def _problems_beside(path: Path, data: dict[str, Any], plain: dict[str, Any]) -> tuple[str, ...]:
    """What else is wrong in a file whose swept settings are."""
    rest = copy.deepcopy(plain)
    for keys, field in _sweepable():
        if _axis(rest, keys, field):
            _value(rest, keys[:-1]).pop(keys[-1])
    try:
        yaml_file.checked(path, Experiment, data, rest)
    except Problems as error:
        return error.problems
    return ()


def _axis(plain: dict[str, Any], keys: tuple[str, ...], field: FieldInfo) -> Axis | None:
    value = _value(plain, keys)
    swept = isinstance(value, list) and _sweeps(field, value)
    return Axis(keys, tuple(value)) if swept else None


@cache
def _sweepable() -> tuple[tuple[tuple[str, ...], FieldInfo], ...]:
    own = ((("settings", *keys), field) for keys, field in leaves(Settings, ()))
    beside = (((name,), Experiment.model_fields[name]) for name in BESIDE_SETTINGS)
    return (*own, *beside)


def leaves(
    model: type[BaseModel], above: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    """Every setting of a model, with its path below ``above``."""
    for name, field in model.model_fields.items():
        if isinstance(field.default, BaseModel):
            yield from leaves(type(field.default), (*above, name))
        else:
            yield (*above, name), field


def _value(plain: Any, keys: tuple[str, ...]) -> Any:
    for key in keys:
        plain = plain.get(key) if isinstance(plain, dict) else None
    return plain


def _sweeps(field: FieldInfo, value: list[Any]) -> bool:
    """Whether a list stands for several values of a setting. Where the setting is itself a list,
    that needs a list that isn't valid, of items that are."""
    if not takes_lists(field.annotation):
        return True
    return bool(value) and not _valid(field, value) and all(_valid(field, one) for one in value)


def takes_lists(annotation: Any) -> bool:
    """Whether a value of this type may be a list."""
    origin = get_origin(annotation)
    if origin in {Annotated, Union, UnionType}:
        return any(takes_lists(part) for part in get_args(annotation))
    return origin is tuple


def _valid(field: FieldInfo, value: Any) -> bool:
    kind: Any = (
        Annotated[(field.annotation, *field.metadata)] if field.metadata else field.annotation
    )
    try:
        TypeAdapter(kind, config=ConfigDict(strict=True)).validate_json(json.dumps(value))
    except ValidationError:
        return False
    return True


def _at(plain: dict[str, Any], axes: list[Axis], picked: tuple[int, ...]) -> dict[str, Any]:
    """The file's content with one value of each swept setting."""
    if not axes:
        return plain
    changed = copy.deepcopy(plain)
    for axis, n in zip(axes, picked, strict=True):
        inner = changed
        for key in axis.path[:-1]:
            inner = inner[key]
        inner[axis.path[-1]] = axis.values[n]
    return changed
