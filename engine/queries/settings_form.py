"""List every key of an experiment's file, with its default and meaning, for an editing screen.

Read off the models that check the file, so that a new field appears by itself.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from engine.planning import yaml_file
from engine.planning.sweep import sweepable
from engine.schema.experiment import Experiment
from engine.schema.setting import unit_in, usual_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo

    from engine.schema.setting import Source, Usual

Draft = dict[str, Any]
SETTINGS = "settings"
NONE = "none"  # what people call no value
WORDS: dict[Source, str] = {
    "P": "the paper's",
    "A": "the authors' code",
    "I": "inferred",
    "?": "our choice",
    "ours": "ours (engineering)",
}
EXPLAINED: dict[Source, str] = {
    "P": "the paper's text says so",
    "A": "from earlier code or a figure of the same authors",
    "I": "inferred from the paper and the work that it follows",
    "?": "our choice: the paper does not say",
    "ours": "ours: an engineering choice outside the paper's scope",
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One key of the file, such as ``settings.refine.beta``.

    ``default``: as the file would have it. ``required``: it has none. ``source``: where the
    default comes from, of settings only. ``many``: a list. ``text``: what is typed is meant as
    it stands. ``options``: all that it may be (each item, of a list); empty when that isn't
    known. ``usual``: the range of values that people use. ``unit``: what it counts. ``sweeps``:
    whether several values are a sweep.
    """

    key: str
    default: Any
    required: bool
    source: Source | None
    meaning: str
    many: bool
    text: bool
    options: tuple[Any, ...]
    usual: Usual | None = None
    unit: str = ""
    sweeps: bool = False

    @property
    def path(self) -> tuple[str, ...]:
        return tuple(self.key.split("."))

    @property
    def is_setting(self) -> bool:
        """Whether it belongs to a phase; the other keys are the experiment's own."""
        return self.path[0] == SETTINGS

    @property
    def name(self) -> str:
        """The key without the prefix that all settings share."""
        return self.key.removeprefix(f"{SETTINGS}.")

    @property
    def origin(self) -> str:
        """Where the default comes from, in words."""
        return WORDS[self.source] if self.source else ""


@cache
def settings() -> tuple[Setting, ...]:
    """Return all keys in the file's order, including the settings of every phase."""
    return tuple(_of_model(Experiment, {}, ""))


def setting_of(key: str) -> Setting:
    """Return the key of the file of that name."""
    return next(setting for setting in settings() if setting.key == key)


def _of_model(model: type[BaseModel], given: Mapping[str, Any], prefix: str) -> Iterator[Setting]:
    """Yield a model's keys; ``given`` holds the defaults of a model that is itself a default."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        default = given.get(name, field.get_default(call_default_factory=True))
        if isinstance(default, BaseModel):
            yield from _of_model(type(default), dict(default), f"{key}.")
        else:
            yield _of_field(key, field, default)


def _of_field(key: str, field: FieldInfo, default: Any) -> Setting:
    extra = field.json_schema_extra
    source = extra.get("source") if isinstance(extra, dict) else None
    bare = _unwrapped(field.annotation)
    return Setting(
        key=key,
        default=None if field.is_required() else _plain(default),
        required=field.is_required(),
        source=source,  # type: ignore[arg-type]
        meaning=field.description or "",
        many=get_origin(bare) is tuple,
        text=str in {bare, *get_args(bare)} and get_origin(bare) in {None, Union, UnionType},
        options=_options(bare),
        usual=usual_of(field),
        unit=unit_in(field.description or "") if _is_number(bare) else "",
        sweeps=sweepable(key),
    )


def _is_number(annotation: Any) -> bool:
    parts = [_unwrapped(part) for part in (annotation, *get_args(annotation))]
    return int in parts or float in parts


def _unwrapped(annotation: Any) -> Any:
    return get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation


def _options(annotation: Any) -> tuple[Any, ...]:
    """Return the few values that a type allows: of literals, and of tuples of literals."""
    annotation = _unwrapped(annotation)
    match get_origin(annotation):
        case origin if origin is Literal:
            return get_args(annotation)
        case origin if origin is tuple:
            return _options(get_args(annotation)[0])
        case origin if origin in {Union, UnionType}:
            kinds = [kind for kind in get_args(annotation) if kind is not NoneType]
            known = [_options(kind) if get_origin(kind) is not tuple else () for kind in kinds]
            if not all(known):
                return ()
            empty = (None,) if len(kinds) < len(get_args(annotation)) else ()
            return (*empty, *(value for values in known for value in values))
        case _:
            return (False, True) if annotation is bool else ()


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value.model_dump(mode="json") if isinstance(value, BaseModel) else value


def explained(setting: Setting) -> list[tuple[str, str]]:
    """Everything to know of a setting, as names and texts; what there isn't is left out."""
    default = "none: it must be given" if setting.required else typed(setting, setting.default)
    several = "" if not setting.sweeps else "1e-6, 5e-6 make a run for each (a sweep)"
    if setting.many:
        several = "with commas between"
    known = {
        "what it is": setting.meaning,
        "values": ", ".join(map(said, setting.options)),
        "unit": setting.unit,
        "usual": setting.usual.said if setting.usual else "",
        "default": default or "none",
        "source of default": EXPLAINED[setting.source] if setting.source else "",
        "several": several,
        "in the file": setting.key,
    }
    return [(name, text) for name, text in known.items() if text]


# --- reading and changing a draft ---


def value_of(draft: Draft, setting: Setting) -> Any:
    """Return the draft's value, or else the default."""
    node: Any = draft
    for part in setting.path:
        if not isinstance(node, dict) or part not in node:
            return setting.default
        node = node[part]
    return node


def listed(draft: Draft, setting: Setting) -> list[Any]:
    """Return the value as a list, even where its brackets were forgotten."""
    value = value_of(draft, setting)
    return list(value) if isinstance(value, list) else [] if value is None else [value]


def own_models(draft: Draft) -> list[str]:
    """Return the names of the cards that the draft itself holds."""
    cards = draft.get("cards")
    given = [c for c in cards if isinstance(c, dict)] if isinstance(cards, list) else []
    return [str(card["name"]) for card in given if card.get("name")]


def is_changed(draft: Draft, setting: Setting) -> bool:
    return bool(value_of(draft, setting) != setting.default)


def with_value(draft: Draft, setting: Setting, value: Any) -> Draft:
    """Return a draft with another value; defaults and empty sections are left out of the file."""
    changed = copy.deepcopy(draft)
    nodes = [changed]
    for part in setting.path[:-1]:
        inner = nodes[-1].get(part)
        if not isinstance(inner, dict):
            inner = nodes[-1][part] = {}
        nodes.append(inner)
    nodes[-1][setting.path[-1]] = value
    if value == setting.default or (setting.required and value in ("", [])):
        del nodes[-1][setting.path[-1]]
    for part, outer, inner in reversed(list(zip(setting.path, nodes, nodes[1:], strict=False))):
        if not inner:
            del outer[part]
    return changed


def toggled(draft: Draft, setting: Setting, option: Any) -> Draft:
    """Add an item to a list or remove it; choose a single value or return to the default."""
    if not setting.many:
        same = value_of(draft, setting) == option
        return with_value(draft, setting, setting.default if same else option)
    chosen = listed(draft, setting)
    kept = [item for item in chosen if item != option]
    return with_value(draft, setting, kept if option in chosen else [*chosen, option])


def next_option(draft: Draft, setting: Setting) -> Draft:
    """Choose the option after the present one; return the draft unchanged if it has none."""
    if setting.many or not setting.options:
        return draft
    now = value_of(draft, setting)
    at = setting.options.index(now) if now in setting.options else -1
    return with_value(draft, setting, setting.options[(at + 1) % len(setting.options)])


# --- text ---


def said(value: Any) -> str:
    """Write a value as in the file, in one line; ``none`` where it has ``null``."""
    if value is None:
        return NONE
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e6:
        value = int(value)
    return yaml_file.dump(value, in_one_line=True)


def typed(setting: Setting, value: Any) -> str:
    """Write a value as a person would type it, so that :func:`read` understands it."""
    if (
        (setting.many or setting.sweeps)
        and isinstance(value, list)
        and not any(isinstance(i, dict | list) for i in value)
    ):
        return ", ".join(said(item) for item in value)
    return str(value) if setting.text and isinstance(value, str) else said(value)


def read(setting: Setting, text: str) -> Any:
    """Parse what a person typed; nothing means the default, values with commas between are a list.
    ``UserError`` when it is no YAML."""
    text = text.strip()
    if not text:
        return setting.default
    if text == NONE and setting.default is None:
        return None
    if setting.text and not (setting.sweeps and "," in text):
        return text
    if (setting.many or setting.sweeps) and "," in text and not text.startswith(("[", "{")):
        return yaml_file.parse(f"[{text}]", setting.name)
    if setting.many and not text.startswith("["):
        text = f"[{text}]"
    return yaml_file.parse(text, setting.name)
