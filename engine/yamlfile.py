"""Reading a YAML file into a strict model, with every problem told at once; and writing one.

PyYAML follows YAML 1.1, in which ``1e-6`` is a string and a repeated key silently wins; both
are mended here, since both have spoiled experiments before.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from engine.contract.errors import Problems, UserError, nearest

if TYPE_CHECKING:
    from pathlib import Path

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]
_FLOAT = re.compile(r"^[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?$")


class _Loader(yaml.SafeLoader):
    """Floats as people write them; a repeated key is an error."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, expression) for tag, expression in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    for index, key in enumerate(keys):
        if key in keys[:index]:
            mark = node.value[index][0].start_mark
            raise yaml.MarkedYAMLError(problem=f"key {key!r} is given twice", problem_mark=mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


class _Dumper(yaml.SafeDumper):
    """Floats as short as they can be, lists of plain values in one line."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def represent_sequence(self, tag: str, sequence: Any, flow_style: bool | None = None) -> Any:
        flat = not any(isinstance(item, dict | list) for item in sequence)
        return super().represent_sequence(tag, sequence, flow_style=flat or flow_style)


_Dumper.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers


def _float(dumper: _Dumper, value: float) -> Any:
    """``9e-4`` and ``0.03``: as people write them, and never rounded."""
    text = repr(value)
    if 0 < abs(value) < 1e-3:
        text = f"{Decimal(text).normalize():e}"
    return dumper.represent_scalar("tag:yaml.org,2002:float", text)


_Dumper.add_representer(float, _float)


def read_text(path: Path) -> str:
    """The file's text; ``UserError`` naming the nearest file when it is not there."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        folder = path.parent
        names = [p.name for p in folder.glob(f"*{path.suffix}")] if folder.is_dir() else []
        raise UserError(f"{path}: no such file; {nearest(path.name, names)}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def parse(text: str, where: Path | str = "value") -> Any:
    """YAML by the rules of this module; ``UserError`` names where and the line."""
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = error.problem or error.context
        raise UserError(f"{where}:{line}: not valid YAML: {what}") from None
    except yaml.YAMLError as error:
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None


def dump(value: Any, in_one_line: bool = False) -> str:
    """Text that :func:`parse` reads back as the same value."""
    width, style = (1_000_000, True) if in_one_line else (98, False)
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=style,
        width=width,
    )
    return text.removesuffix("\n").removesuffix("\n...") if in_one_line else text


def load(path: Path, model: type[M]) -> M:
    """A file as ``model``; ``Problems`` with one line each: file:line, key, what, what to do."""
    text = read_text(path)
    data = parse(text, path)
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected keys and values, got {type(data).__name__}")
    try:
        return model.model_validate_json(json.dumps(data))
    except ValidationError as error:
        root = yaml.compose(text, Loader=_Loader)
        problems = [_line(path, root, model, data, e) for e in _own(error.errors())]
        raise Problems(sorted(problems, key=_line_number)) from None


def _own(errors: list[Any]) -> list[Any]:
    """Without lists called too short only because their items are wrong."""
    deeper = {error["loc"][:-1] for error in errors}
    return [e for e in errors if e["type"] != "too_short" or e["loc"] not in deeper]


def _line_number(problem: str) -> int:
    match = re.search(r":(\d+): ", problem)
    return int(match.group(1)) if match else 0


def _line(path: Path, root: Any, model: type[BaseModel], data: Any, error: Any) -> str:
    named = error["type"] in {"missing", "extra_forbidden"}
    location = _in_data(error["loc"], data, named)
    key = ".".join(str(part) for part in location) or "(top level)"
    where = f"{path}:{_find_line(root, location)}: {key}"
    match error["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key; {nearest(str(location[-1]), _keys(model, error['loc']))}"
        case "missing":
            return f"{where}: is missing; add it"
        case "literal_error" | "enum":
            options = re.findall(r"'([^']+)'", error.get("ctx", {}).get("expected", ""))
            given = error["input"]
            return f"{where}: {given!r} is not a choice; {nearest(str(given), options)}"
        case "value_error":
            return f"{where}: {error['ctx']['error']}"
        case _:
            return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]}, got {error['input']!r}"


def _in_data(location: Location, data: Any, last_is_key: bool) -> Location:
    """Pydantic's location without the tags of unions, which the file doesn't have."""
    kept: list[str | int] = []
    for index, part in enumerate(location):
        if (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        ):
            data = data[part]  # type: ignore[index]
        elif index < len(location) - 1 or not last_is_key:
            continue
        kept.append(part)
    return tuple(kept)


def _find_line(node: Any, location: Location) -> int:
    line: int = node.start_mark.line + 1
    for part in location:
        found = None
        if isinstance(node, yaml.MappingNode):
            found = next((kv for kv in node.value if kv[0].value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            found = (node.value[part], node.value[part]) if part < len(node.value) else None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _keys(model: type[BaseModel], location: Location) -> list[str]:
    """Valid keys at the place where an unknown one stands."""
    known: Any = model.model_json_schema()
    definitions = known.get("$defs", {})
    for part in location[:-1]:
        known = _step(known, part, definitions)
    return list(known.get("properties", {}))


def _step(schema: Any, part: str | int, definitions: dict[str, Any]) -> Any:
    child = schema.get("properties", {}).get(part)
    if child is None and isinstance(part, int):
        child = schema.get("items")
    if child is None:  # a union's tag
        child = {"$ref": schema.get("discriminator", {}).get("mapping", {}).get(part, "")}
    for option in [child, *child.get("anyOf", [])]:
        if reference := option.get("$ref"):
            return definitions.get(reference.rsplit("/", 1)[-1], {})
    if "additionalProperties" in child and isinstance(child["additionalProperties"], dict):
        return {"properties": {}, "additionalProperties": child["additionalProperties"]}
    return child
