"""Writes the tables of the reference pages from the code, while the site is built.

A page holds a line ``<!-- table: NAME -->``; it is replaced by what the function of that name
in ``TABLES`` returns. So no table can be older than the program.

    python docs/tables.py NAME      prints one of them
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import click

CHECKOUT = Path(__file__).resolve().parents[1]
README = CHECKOUT / "README.md"
sys.path.insert(0, str(CHECKOUT))  # mkdocs loads this file by its path

Schema = dict[str, Any]
PLACE = re.compile(r"^<!-- table: (\S+) -->$", re.MULTILINE)
NOTHING = "–"
COLUMNS = ("key", "what it is", "unit", "default", "may be", "usual", "source", "since")
NUMBERS = {"integer", "number"}
BOUNDS = (
    ("minimum", "at least {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "at most {}"),
    ("exclusiveMaximum", "below {}"),
)
TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true` or `false`",
    "string": "text",
    "null": "nothing",
}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the places of tables; mkdocs calls it for each page. Nothing is taken for HTML."""
    return PLACE.sub(lambda found: _outside_code(TABLES[found[1]](), "<", "&lt;"), markdown)


# --- settings, cards and sources, from the models that check the files ---


def settings() -> str:
    """Every setting of the phases, a table for each phase."""
    from engine.schema.experiment import Settings

    return "\n\n".join(_phases(Settings.model_json_schema()))


def _phases(schema: Schema) -> Iterator[str]:
    for phase, reference in schema["properties"].items():
        model = _resolved(reference, schema)
        table = _table(COLUMNS, _rows(model, schema, reference.get("default", {})))
        yield f"## `settings.{phase}`\n\n{_paragraphs(model['description'])}\n\n{table}"


def experiment() -> str:
    """The keys of an experiment's file, without its settings."""
    from engine.schema.experiment import Experiment

    schema = Experiment.model_json_schema()
    leave_out = {"settings", "cards", "sources"}
    kept = {k: v for k, v in schema["properties"].items() if k not in leave_out}
    return _table(COLUMNS, _rows(schema | {"properties": kept}, schema))


def cards() -> str:
    """The keys of a model card, and of each kind of source."""
    from engine.schema.cards import ModelCard
    from engine.schema.kinds import SOURCES, resolve

    schema = ModelCard.model_json_schema()
    card = {k: v for k, v in schema["properties"].items() if k != "source"}
    parts = [_table(COLUMNS, _rows(schema | {"properties": card}, schema))]
    for kind, where in SOURCES.items():
        model = resolve(where).model_json_schema()
        parts.append(
            f"### `source: {{kind: {kind}}}`\n\n{_paragraphs(model['description'])}\n\n"
            f"{_table(COLUMNS, _rows(model, model))}"
        )
    return "\n\n".join(parts)


def sources() -> str:
    """The keys that say where a benchmark's rows are."""
    from engine.schema.cards import TaskSource

    schema = TaskSource.model_json_schema()
    return f"{_paragraphs(schema['description'])}\n\n{_table(COLUMNS, _rows(schema, schema))}"


def site() -> str:
    """The shipped site's file, which explains every key."""
    from engine.planning.sites import SHIPPED

    return f"```yaml\n{(SHIPPED / 'plain-slurm.yaml').read_text(encoding='utf-8')}```"


def _rows(
    model: Schema, whole: Schema, given: Mapping[str, Any] | None = None, prefix: str = ""
) -> Iterator[tuple[str, ...]]:
    """A row for each field, in the order of ``COLUMNS``; models within a model lend theirs."""
    for name, field in model["properties"].items():
        default = (given or {}).get(name, field.get("default", ...))
        if inner := _model_in(field, whole):
            lent = default if isinstance(default, dict) else None
            yield from _rows(inner, whole, lent, f"{prefix}{name}.")
        else:
            yield (
                f"`{prefix}{name}`",
                field.get("description", ""),
                _unit(field),
                _default(default),
                _values(field),
                _usual(field.get("usual")),
                field.get("source", ""),
                field.get("since", ""),
            )


def _default(value: Any) -> str:
    from engine.queries.settings_form import said

    if value is ...:
        return "required"
    return NOTHING if value in (None, "", {}) else f"`{said(value)}`"


def _unit(field: Schema) -> str:
    """What a number counts: its meaning begins with it."""
    from engine.schema.setting import unit_in

    kinds = {kind.get("type") for kind in field.get("anyOf", [field])}
    return unit_in(field.get("description", "")) if kinds & NUMBERS else ""


def _usual(limits: Any) -> str:
    from engine.schema.setting import Usual

    return Usual(*limits).said if limits else ""


def _values(schema: Schema) -> str:
    """The values that a field may have, in words."""
    if "anyOf" in schema:
        return " or ".join(_values(choice) for choice in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", "")
    if kind == "array":
        return f"a list of: {_values(schema['items'])}"
    bounds = [words.format(f"{schema[key]:,}") for key, words in BOUNDS if key in schema]
    return " ".join([TYPES.get(kind, ""), " and ".join(bounds)]).strip()


def _model_in(field: Schema, whole: Schema) -> Schema | None:
    """The model that a field holds, if it holds one."""
    choices = [_resolved(choice, whole) for choice in field.get("anyOf", [field])]
    return next((choice for choice in choices if "properties" in choice), None)


def _resolved(schema: Schema, whole: Schema) -> Schema:
    name = schema.get("$ref", "").rpartition("/")[2]
    found: Schema = whole["$defs"][name] if name else schema
    return found


# --- verbs, from the command line itself ---


def commands() -> str:
    """Every verb with its options, in the groups of ``sirt --help``."""
    import click

    from engine.cli.main import sirt
    from engine.cli.verbs import VERBS

    context = click.Context(sirt, info_name="sirt")
    parts = [_table(("option", "what it does"), _options(sirt, context))]
    group = ""
    for name, verb in VERBS.items():
        if verb.group != group:
            group = verb.group
            parts.append(f"## {group}")
        command = sirt.get_command(context, name)
        assert command is not None
        parts += [*_command(command, context), f"Example: `{verb.example}`"]
    return "\n\n".join(parts)


def _command(command: click.Command, parent: click.Context) -> Iterator[str]:
    """A verb's usage, what it does, and its options without those that all verbs have."""
    import click

    context = click.Context(command, info_name=command.name, parent=parent)
    usage = " ".join((context.command_path, *command.collect_usage_pieces(context)))
    yield f"### `{context.command_path}`\n\n    {usage}\n\n{_paragraphs(command.help or '')}"
    known = {option for parameter in parent.command.params for option in parameter.opts}
    options = [
        row for row in _options(command, context) if row[0].strip("`").split()[0] not in known
    ]
    if options:
        yield _table(("option", "what it does"), options)
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            yield from _command(inner, context)


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record and record[1] and "--help" not in parameter.opts:
            yield f"`{record[0]}`", record[1]


# --- keys, from the interface ---


def keys() -> str:
    """Every key, a table for each screen, panel and dialog."""
    return "\n\n".join(
        f"## {where}\n\n{_table(('key', 'what it does', 'its name in keys.yaml'), rows)}"
        for where, rows in key_tables().items()
    )


def key_tables() -> dict[str, list[tuple[str, str, str]]]:
    """Place -> keys, what they do, and the action's name, if it may have other keys."""
    from sirt_tui.actions import ACTIONS, ANSWERS
    from sirt_tui.places import PLACES

    actions = ACTIONS | ANSWERS
    return {
        place.capitalize(): [
            (
                " ".join(f"`{_key(key)}`" for key in actions[use.name].keys.split(",")),
                use.words or actions[use.name].words,
                f"`{use.name}`" if use.name in ACTIONS else "",
            )
            for use in uses
        ]
        for place, uses in PLACES.items()
    }


def _key(name: str) -> str:
    from textual.keys import format_key

    from sirt_tui.actions import SPELT

    return name if name in SPELT else format_key(name)


# --- filters, from the languages that read them ---


def filters() -> str:
    """What a filter may ask for: of the list of runs, then of pairs and answers."""
    from engine.queries import item_filter
    from sirt_tui.screens.filtering import RUNS

    named = {"Runs": RUNS, "Pairs, demonstrations, answers": item_filter.language({})}
    return "\n\n".join(
        f"## {what}\n\n{_table(('condition', 'asks for', 'may be'), _conditions(language))}"
        for what, language in named.items()
    )


def _conditions(language: Any) -> Iterator[tuple[str, str, str]]:
    for name in language.fields:
        known = ", ".join(f"`{value}`" for value in language.values.get(name, ()))
        kind = "the whole text" if name in language.exact else "a part of the text"
        yield f"`{name}:`", kind, known
    for name in language.figures:
        yield f"`{name}>` `{name}<`", "a time" if name in language.times else "a number", ""
    for word in language.words:
        yield f"`{word}`", "the word alone", ""


# --- what is shipped ---


def experiments() -> str:
    """The shipped experiments."""
    from engine.planning import presets
    from engine.schema.counts import counted

    rows = []
    for name in presets.experiments():
        found = presets.load_experiment(name).experiment
        lists = f"{counted(len(found.students), 'student')}, {', '.join(found.tasks)}"
        rows.append((f"`{name}`", found.description, lists))
    return _table(("experiment", "what it is for", "has"), rows)


def models() -> str:
    """The shipped model cards."""
    from engine.planning import presets

    found = [presets.load_card(name) for name in presets.card_names()]
    return _table(
        ("model", "what it is for", "family", "weights", "from"),
        [
            (
                f"`{card.name}`",
                card.description,
                card.family,
                f"{card.parameters / 1e6:,.0f} million" if card.parameters else "",
                "embedded" if getattr(card.source, "path", None) else card.source.origin.place,
            )
            for card in found
        ],
    )


def tasks() -> str:
    """The benchmarks."""
    from engine import catalog

    found = [catalog.task(name) for name in catalog.TASKS]
    return _table(
        ("task", "answer", "train", "test", "hub"),
        [
            (
                f"`{task.name}`",
                task.kind,
                f"{task.sizes[0]:,}" if task.trains else "",
                f"{task.sizes[1]:,}",
                task.default_source.hub or "embedded",
            )
            for task in found
        ],
    )


# --- the packages, from the README ---


def packages() -> str:
    """The list of packages, which stands in the README."""
    text = README.read_text(encoding="utf-8")
    found = re.search(r"^## Architecture on one page\n\n((?: {4}.*\n)+)", text, re.MULTILINE)
    assert found, f"{README}: no list of packages under 'Architecture on one page'"
    return found[1].rstrip()


# --- Markdown ---


def _table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table without the columns that are empty in all rows."""
    found = [[_cell(text) or NOTHING for text in row] for row in rows]
    kept = [n for n in range(len(headers)) if any(row[n] != NOTHING for row in found)]
    lines = [[headers[n] for n in kept], ["---"] * len(kept)]
    lines += [[row[n] for n in kept] for row in found]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    """Text in one line; a bar in it does not end the cell."""
    return _outside_code(" ".join(text.split()), "|", r"\|")


def _paragraphs(text: str) -> str:
    return "\n".join(line.strip() for line in text.replace("``", "`").splitlines()).strip()


def _outside_code(text: str, old: str, new: str) -> str:
    parts = text.split("`")
    return "`".join(part if n % 2 else part.replace(old, new) for n, part in enumerate(parts))


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings,
    "experiment": experiment,
    "cards": cards,
    "sources": sources,
    "site": site,
    "commands": commands,
    "keys": keys,
    "filters": filters,
    "experiments": experiments,
    "models": models,
    "tasks": tasks,
    "packages": packages,
}

if __name__ == "__main__":
    sys.stdout.write(TABLES[sys.argv[1]]() + "\n")
