"""Reading a YAML file into a strict model, with every problem told at once; and writing one.

PyYAML follows YAML 1.1, in which ``1e-6`` is a string, ``010`` is eight, ``1:30`` is ninety and
a repeated key silently wins; all are mended here, since they have spoiled experiments before.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from engine.schema.errors import Problems, UserError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]
_FLOAT = re.compile(
    r"^[-+]?(?:\d[\d_]*\.?[\d_]*|\.\d[\d_]*)(?:[eE][-+]?\d+)?$"
    r"|^[-+]?\.(?:inf|Inf|INF)$|^\.(?:nan|NaN|NAN)$"
)
_INT = re.compile(r"^[-+]?\d[\d_]*$")
_BOOL = re.compile(r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE)$")
_OURS = ("timestamp", "bool", "int", "float")
SHORT = 80  # characters of a value in a message
LARGEST_FILE = 1 << 20  # bytes; PyYAML reads about 3 MB a minute
LARGEST_VALUE = 100_000  # nodes once aliases are written out
HINTS = {
    "cannot start any token": "; indent with spaces, and quote a text that begins so",
    "expected <block end>": "; check the indentation",
    "found undefined alias": "; quote a text that begins with *",
    "mapping values are not allowed": "; quote a text with a colon in it",
    "expected a single document": "; one file holds one, without '---'",
}


class _Loader(yaml.SafeLoader):
    """Numbers as people write them; ``on`` and ``off`` are words, as settings have them."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, exp) for tag, exp in resolvers if tag.rpartition(":")[2] not in _OURS]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _BOOL, list("yYnNtTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _INT, list("-+0123456789"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_Loader.add_constructor(
    "tag:yaml.org,2002:int",
    lambda _, node: int(node.value.replace("_", "")),
)


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
        if (size := path.stat().st_size) > LARGEST_FILE:
            raise UserError(f"{path}: {size / 1e6:.0f} MB are too much for such a file")
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        folder = path.parent
        names = [p.name for p in folder.glob(f"*{path.suffix}")] if folder.is_dir() else []
        raise UserError(f"{path}: no such file; {nearest(path.name, names)}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def parse(text: str, where: Path | str = "value") -> Any:
    """YAML by the rules of this module; ``UserError`` names where and the line."""
    return _parse(text, where)[1]


def _parse(text: str, where: Path | str) -> tuple[yaml.Node | None, Any]:
    """The tree, which knows the lines, and the value."""
    loader = None
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        if root is None:
            return None, None
        if _size(root, {}) > LARGEST_VALUE:
            raise UserError(f"{where}: more than {LARGEST_VALUE:,} values, aliases written out")
        if twice := [f"{where}:{line}: {what}" for line, what in sorted(set(_repeated(root)))]:
            raise Problems(twice)
        return root, loader.construct_document(root)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"a control character (U+{ord(text[error.position]):04X})"
        raise UserError(f"{where}:{line}: not valid YAML: {what}; remove it") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        what = " ".join(part for part in (error.context, error.problem) if part)
        hint = next((hint for words, hint in HINTS.items() if words in what), "")
        raise UserError(f"{where}:{line}: not valid YAML: {what}{hint}") from None
    except RecursionError:
        raise UserError(f"{where}: not valid YAML: nested too deep") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    finally:
        if loader is not None:
            loader.dispose()


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Nodes of a tree in which aliases are written out."""
    if id(node) not in known:
        known[id(node)] = 0
        known[id(node)] = 1 + sum(_size(child, known) for child in _children(node))
    elif not known[id(node)]:
        mark = node.start_mark
        raise yaml.MarkedYAMLError(problem="an alias of what it is in", problem_mark=mark)
    return known[id(node)]


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _repeated(root: yaml.Node) -> Iterator[tuple[int, str]]:
    """Line and what to say of every key that a mapping has twice."""
    waiting, met = [root], set()
    while waiting:
        node = waiting.pop()
        if id(node) in met:
            continue
        met.add(id(node))
        waiting += _children(node)
        keys = [key for key, _ in node.value] if isinstance(node, yaml.MappingNode) else []
        first: set[str] = set()
        for key in keys:
            if isinstance(key, yaml.ScalarNode) and key.value in first:
                line = key.start_mark.line + 1
                yield line, f"key {key.value!r} is given twice; remove one"
            elif isinstance(key, yaml.ScalarNode):
                first.add(key.value)


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
    root, data = _parse(read_text(path), path)
    if not isinstance(data, dict):
        given = "nothing" if data is None else "a list" if isinstance(data, list) else "a value"
        raise UserError(f"{path}: expected keys and values, as in 'name: …', found {given}")
    try:
        return model.model_validate_json(json.dumps(data))
    except TypeError:
        raise UserError(f"{path}: a key is no text; quote it") from None
    except ValidationError as error:
        problems = [_line(path, root, model, data, e) for e in _own(error.errors())]
        raise Problems(in_order(problems)) from None


def with_lines(path: Path, problems: Iterable[str]) -> list[str]:
    """Problems ``FILE: KEY: TEXT`` of a file as ``FILE:LINE: KEY: TEXT``, in the file's order."""
    root = _parse(read_text(path), path)[0]
    return in_order([_with_line(path, root, problem) for problem in problems])


def _with_line(path: Path, root: Any, problem: str) -> str:
    key, colon, _ = problem.removeprefix(f"{path}: ").partition(": ")
    if not (colon and problem.startswith(f"{path}: ") and re.fullmatch(r"[\w.-]+", key)):
        return problem
    location = tuple(int(part) if part.isdigit() else part for part in key.split("."))
    return f"{path}:{_find_line(root, location)}: {problem.removeprefix(f'{path}: ')}"


def _own(errors: list[Any]) -> list[Any]:
    """Without lists called too short only because their items are wrong."""
    deeper = {error["loc"][:-1] for error in errors}
    return [e for e in errors if e["type"] != "too_short" or e["loc"] not in deeper]


def in_order(problems: Iterable[str]) -> list[str]:
    """By line."""
    return sorted(problems, key=_line_number)


def _line_number(problem: str) -> int:
    match = re.search(r":(\d+): ", problem)
    return int(match.group(1)) if match else 0


def _line(path: Path, root: Any, model: type[BaseModel], data: Any, error: Any) -> str:
    named = error["type"] in {"missing", "extra_forbidden"}
    location = _in_data(error["loc"], data, named)
    key = ".".join(str(part) for part in location) or "(top level)"
    where = f"{path}:{_find_line(root, location)}: {key}"
    given = _short(error["input"])
    match error["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key; {nearest(str(location[-1]), _keys(model, error['loc']))}"
        case "missing":
            return f"{where}: is missing; add it"
        case "literal_error" | "enum":
            options = re.findall(r"'([^']+)'", error.get("ctx", {}).get("expected", ""))
            return f"{where}: {given} is not a choice; {nearest(str(error['input']), options)}"
        case "union_tag_invalid":
            tag, options = error["ctx"]["tag"], error["ctx"]["expected_tags"].split(", ")
            hint = nearest(tag, [option.strip("'") for option in options])
            return f"{where}.kind: {tag!r} is not a choice; {hint}"
        case "union_tag_not_found":
            return f"{where}.kind: is missing; add it"
        case "too_short":
            return f"{where}: is empty; name at least {error['ctx']['min_length']}"
        case "string_type" if isinstance(error["input"], int | float):
            return f"{where}: expected a text, got {given}; put it in quotes"
        case "string_pattern_mismatch":
            meant = _schema(model, error["loc"]).get("description", error["msg"])
            return f"{where}: {given} is not valid: {meant}"
        case "value_error":
            return f"{where}: {error['ctx']['error']}"
        case _:
            return f"{where}: {error['msg'][0].lower()}{error['msg'][1:]}, got {given}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= SHORT else f"{text[: SHORT - 1]}…"


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
    return list(_schema(model, location[:-1]).get("properties", {}))


def _schema(model: type[BaseModel], location: Location) -> dict[str, Any]:
    """What may stand at a place, as JSON schema."""
    known: Any = model.model_json_schema()
    definitions = known.get("$defs", {})
    for part in location:
        known = _step(known, part, definitions)
    return known  # type: ignore[no-any-return]


def _step(schema: Any, part: str | int, definitions: dict[str, Any]) -> Any:
    child = schema.get("properties", {}).get(part)
    if child is None and isinstance(part, int):
        child = schema.get("items")
    if child is None and isinstance(schema.get("additionalProperties"), dict):
        child = schema["additionalProperties"]
    if child is None:  # a union's tag
        child = {"$ref": schema.get("discriminator", {}).get("mapping", {}).get(part, "")}
    for option in [child, *child.get("anyOf", [])]:
        if reference := option.get("$ref"):
            return definitions.get(reference.rsplit("/", 1)[-1], {})
    return child
