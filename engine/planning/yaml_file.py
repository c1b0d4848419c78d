"""Reads YAML 1.2 files into strict models, reporting all problems at once; and writes YAML.

In YAML 1.2 ``1e-6`` is a number, ``010`` is ten, ``1:30`` and ``on`` are words. A key that is
repeated, a file that is too large and aliases that grow without end are refused.
"""

from __future__ import annotations

import io
import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError, RoundTripConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.representer import RoundTripRepresenter

from engine.schema.errors import Problems, UserError, nearest
from engine.schema.varied import ELSEWHERE, SHORT, SMALL, small_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

M = TypeVar("M", bound=BaseModel)
Location = tuple[str | int, ...]
LONGEST = 80  # characters of a value in a message
_ADDRESS = re.compile(r"(https?://[^/\s'\"]*)/[^\s'\"]+")
LARGEST_FILE = 1 << 20  # bytes
LARGEST_VALUE = 100_000  # values once aliases are expanded
HINTS = {
    "cannot start any token": "; indent with spaces, and quote a text that begins so",
    "expected <block end>": "; check the indentation",
    "found undefined alias": "; quote a text that begins with *",
    "mapping values are not allowed": "; quote a text with a colon in it",
    "expected a single document": "; one file holds one, without '---'",
}


class _TooLarge(Exception):
    """More values than any such file needs."""


class _Constructor(RoundTripConstructor):
    """Keeps dates as text, and refuses documents whose aliases grow without end."""

    def construct_document(self, node: Node) -> Any:
        if _size(node, {}) > LARGEST_VALUE:
            raise _TooLarge
        return super().construct_document(node)


class _Representer(RoundTripRepresenter):
    """Floats as people write them: ``9e-4``, ``0.03``, never rounded."""

    def represent_short_float(self, value: float) -> Any:
        if not 0 < abs(value) < SMALL:
            return self.represent_float(value)
        return self.represent_scalar("tag:yaml.org,2002:float", small_text(value))


_Constructor.add_constructor(
    "tag:yaml.org,2002:timestamp", lambda loader, node: loader.construct_scalar(node)
)
_Representer.add_representer(float, _Representer.represent_short_float)


def _yaml() -> YAML:
    yaml = YAML()
    yaml.Constructor, yaml.Representer = _Constructor, _Representer
    return yaml


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
    """The value of a YAML text; ``UserError`` names where and the line."""
    return plain(_parse(text, where))


def _parse(text: str, where: Path | str) -> Any:
    """The value; its mappings and lists know their lines."""
    return _told(text, where, _yaml().load)


def entries(path: Path) -> list[tuple[int, str, list[str] | None]]:
    """A file's keys with their lines and the words of each value, repeated keys too; None where a
    value is neither a word nor a list of words."""
    root = _told(read_text(path), path, _yaml().compose)
    if root is None:
        return []
    if not isinstance(root, MappingNode):
        raise UserError(f"{path}:1: expected keys and values, as in 'name: …'")
    return [(key.start_mark.line + 1, str(key.value), _words(value)) for key, value in root.value]


def _words(node: Node) -> list[str] | None:
    nodes = node.value if isinstance(node, SequenceNode) else [node]
    if not all(isinstance(child, ScalarNode) for child in nodes):
        return None
    return [str(child.value) for child in nodes if child.value]


def _told(text: str, where: Path | str, read: Callable[[str], Any]) -> Any:
    """What ``read`` makes of the text; what is wrong with it as one ``UserError``."""
    try:
        return read(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        what = f"a control character (U+{ord(text[error.position]):04X})"
        raise UserError(f"{where}:{line}: not valid YAML: {what}; remove it") from None
    except DuplicateKeyError as error:
        key = re.search(r'duplicate key "(.*?)" with', error.problem, re.DOTALL)
        what = f"key {key[1] if key else ''!r} is given twice; remove one"
        raise UserError(f"{where}:{_line_of(error)}: {what}") from None
    except MarkedYAMLError as error:
        what = " ".join(part for part in (error.context, error.problem) if part)
        hint = next((hint for words, hint in HINTS.items() if words in what), "")
        raise UserError(f"{where}:{_line_of(error)}: not valid YAML: {what}{hint}") from None
    except _TooLarge:
        much = f"more than {LARGEST_VALUE:,} values, aliases written out"
        raise UserError(f"{where}: {much}") from None
    except RecursionError:
        raise UserError(f"{where}: not valid YAML: nested too deep") from None
    except (YAMLError, ValueError) as error:
        raise UserError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None


def _line_of(error: MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _size(node: Node, known: dict[int, int]) -> int:
    """Number of values in a tree once aliases are expanded."""
    if id(node) not in known:
        known[id(node)] = 0
        known[id(node)] = 1 + sum(_size(child, known) for child in _children(node))
    elif not known[id(node)]:
        raise MarkedYAMLError(problem="an alias of what it is in", problem_mark=node.start_mark)
    return known[id(node)]


def _children(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [child for pair in node.value for child in pair]
    return node.value if isinstance(node, SequenceNode) else []


def plain(value: Any) -> Any:
    """The value without the library's own types, which keep its notation."""
    match value:
        case dict():
            return {key: plain(child) for key, child in value.items()}
        case list():
            return [plain(child) for child in value]
        case bool() | None:
            return value
        case int() | float() | str():
            return next(kind for kind in (int, float, str) if isinstance(value, kind))(value)
    return value


def dump(value: Any, in_one_line: bool = False) -> str:
    """Text that :func:`parse` reads back as the same value."""
    yaml, out = _yaml(), io.StringIO()
    yaml.width = 1_000_000 if in_one_line else 98
    yaml.default_flow_style = in_one_line
    yaml.indent(mapping=2, sequence=2, offset=0)
    yaml.dump(value if in_one_line else _laid_out(value), out)
    text = out.getvalue()
    return text.removesuffix("\n").removesuffix("\n...") if in_one_line else text


def _laid_out(value: Any) -> Any:
    """Put lists of plain values in one line."""
    if isinstance(value, dict):
        return {key: _laid_out(child) for key, child in value.items()}
    if not isinstance(value, list | tuple):
        return value
    listed = CommentedSeq(map(_laid_out, value))
    if not any(isinstance(child, dict | list | tuple) for child in value):
        listed.fa.set_flow_style()
    return listed


def load(path: Path, model: type[M]) -> M:
    """A file as ``model``; ``Problems`` with one line each: file:line, key, what, what to do."""
    data = read_mapping(path)
    return checked(path, model, data, data)


def read_mapping(path: Path) -> dict[str, Any]:
    """A file's keys and values, which know their lines; ``UserError`` when it has none."""
    data = _parse(read_text(path), path)
    if not isinstance(data, dict):
        given = "nothing" if data is None else "a list" if isinstance(data, list) else "a value"
        raise UserError(f"{path}: expected keys and values, as in 'name: …', found {given}")
    return data


def checked(path: Path, model: type[M], lines: Any, data: dict[str, Any]) -> M:
    """``data`` as ``model``; problems are told with the lines of :func:`read_mapping`."""
    try:
        return model.model_validate_json(json.dumps(data))
    except TypeError:
        raise UserError(f"{path}: a key is no text; quote it") from None
    except ValidationError as error:
        problems = [_line(path, model, lines, e) for e in _own(error.errors())]
        raise Problems(in_order(problems)) from None


def with_lines(path: Path, problems: Iterable[str]) -> list[str]:
    """Problems ``FILE: KEY: TEXT`` of a file as ``FILE:LINE: KEY: TEXT``, in the file's order."""
    root = _parse(read_text(path), path)
    return in_order([_with_line(path, root, problem) for problem in problems])


def _with_line(path: Path, root: Any, problem: str) -> str:
    key, colon, _ = problem.removeprefix(f"{path}: ").partition(": ")
    if not (colon and problem.startswith(f"{path}: ") and re.fullmatch(r"[\w.-]+", key)):
        return problem
    location = tuple(int(part) if part.isdigit() else part for part in key.split("."))
    return f"{path}:{_find_line(root, location)}: {problem.removeprefix(f'{path}: ')}"


def _own(errors: list[Any]) -> list[Any]:
    """The errors without lists called too short because their items are wrong."""
    deeper = {error["loc"][:-1] for error in errors}
    return [e for e in errors if e["type"] != "too_short" or e["loc"] not in deeper]


def in_order(problems: Iterable[str]) -> list[str]:
    """Problems sorted by line."""
    return sorted(problems, key=_line_number)


def _line_number(problem: str) -> int:
    match = re.search(r":(\d+): ", problem)
    return int(match.group(1)) if match else 0


def _line(path: Path, model: type[BaseModel], data: Any, error: Any) -> str:
    named = error["type"] in {"missing", "extra_forbidden"}
    location = _in_data(error["loc"], data, named)
    key = ".".join(str(part) for part in location) or "(top level)"
    where = f"{path}:{_find_line(data, location)}: {key}"
    given = _short(error["input"])
    match error["type"]:
        case "extra_forbidden":
            return f"{where}: unknown key; {_meant(str(location[-1]), _keys(model, error['loc']))}"
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


def _meant(key: str, keys: list[str]) -> str:
    """The key that was meant: by the name that other programs have for it, or by spelling."""
    meant = SHORT.get(key) or ELSEWHERE.get(key)
    return f"did you mean {meant!r}?" if meant in keys else nearest(key, keys)


def _short(value: Any) -> str:
    """A value in a message, without the paths of web addresses: a webhook's is a secret."""
    text = _ADDRESS.sub(r"\1/…", repr(value))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _in_data(location: Location, data: Any, last_is_key: bool) -> Location:
    """Pydantic's location without union tags, which are not in the file."""
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
    """Line (from 1) of the deepest part of ``location`` in the file."""
    line = node.lc.line if isinstance(node, CommentedMap | CommentedSeq) else 0
    for part in location:
        if isinstance(node, CommentedMap):
            key = next((key for key in node if str(key) == str(part)), None)
            if key not in (node.lc.data or ()):  # not there, or merged from elsewhere
                break
            line, node = node.lc.key(key)[0], node[key]
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line, node = node.lc.item(part)[0], node[part]
        else:
            break
    return int(line) + 1


def _keys(model: type[BaseModel], location: Location) -> list[str]:
    """The valid keys at the place of an unknown one."""
    return list(_schema(model, location[:-1]).get("properties", {}))


def _schema(model: type[BaseModel], location: Location) -> dict[str, Any]:
    """The JSON schema of what is allowed at a location."""
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
