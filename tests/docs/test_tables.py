"""The reference is written from the code: what the program has is there, with its facts."""

from __future__ import annotations

import re

import pytest

from engine import catalog
from engine.cli.verbs import VERBS
from engine.planning import presets
from engine.queries import item_filter
from engine.queries.rows import row_of
from engine.queries.settings_form import EXPLAINED, WORDS, settings
from engine.schema.kinds import SOURCES
from engine.schema.site import Need, Site
from engine.store.layout import RunsFolder
from sirt_tui.actions import ACTIONS
from sirt_tui.screens.filtering import parse
from tests.docs.pages import DOCS, blocks, headings, spans, tables, text_of
from tests.tui.conftest import RECORDED

KEY = re.compile(r"\*\*([^*`]+)\*\*\s\(`([^`]+)`\)")  # **Stop** (`x`)
CONDITION = re.compile(r"-?[a-z][\w.]*([<>=:]+[\w.-]+)")

GUIDE = sorted((DOCS / "guide").glob("*.md"))
SETTINGS = text_of(DOCS / "reference" / "settings.md")


def section(text: str, heading: str) -> str:
    return text.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("setting", settings(), ids=lambda setting: setting.key)
def test_every_setting_is_told(setting):
    if setting.key in {"cards", "sources"}:
        return  # they have tables of their own
    where = f"`settings.{setting.path[1]}`" if setting.is_setting else "The experiment's file"
    key = ".".join(setting.path[2:] if setting.is_setting else setting.path)
    rows = [x for x in section(SETTINGS, where).splitlines() if re.match(rf"\| `{key}[`.]", x)]
    assert rows
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells[1]) > 3, "what it is"
        assert not setting.source or setting.source in cells


def test_marks_mean_what_compose_says():
    told = text_of(DOCS / "method.md")
    for mark, words in WORDS.items():
        assert f"| {mark} | {words} | {EXPLAINED[mark]} |" in told


def test_bounds_choices_defaults_and_versions_are_told():
    refine = section(SETTINGS, "`settings.refine`")
    assert "| above 0 and below 0.5 |" in refine.replace("a number ", "")
    assert "| `best` | `best`, `last` | – | P | – |" in refine
    assert "| `1e-6` |" in refine
    assert "| 0.005 to 2 (published: 0.01 to 0.5; " in refine
    assert "`dpo` | – | P | 0.2 |" in refine


def test_whole_numbers_have_a_unit():
    rows = [line for line in SETTINGS.splitlines() if "| a whole number" in line]
    alone = {"lora.r", "lora.alpha", "data_seed", "max_new_tokens"}
    bare = [row.split("`")[1] for row in rows if f"| {tables().NOTHING} | `" in row]
    assert len(rows) > 15
    assert set(bare) <= alone


def test_signs_of_markdown_are_shown_as_they_are():
    told = text_of(DOCS / "reference" / "commands.md")
    assert "| `--format [text|markdown|csv|json]` |" in told
    assert "(&lt;think> and the like)" in SETTINGS


def test_every_kind_of_source_is_told():
    for kind in SOURCES:
        assert f"### `source: {{kind: {kind}}}`" in SETTINGS


def test_every_key_of_a_site_is_told():
    told = section(SETTINGS, "A site's file")
    assert not [key for key in (*Site.model_fields, *Need.model_fields) if f"{key}: " not in told]


def test_every_key_says_what_it_is():
    rows = [line.strip("|").split(" | ") for line in SETTINGS.splitlines() if line[:3] == "| `"]
    assert len(rows) > 100
    assert not [row[0] for row in rows if row[1].strip() in {"", tables().NOTHING}]


def test_every_verb_is_told():
    told = headings(DOCS / "reference" / "commands.md")
    assert [f"`sirt {verb}`" for verb in VERBS] == [
        head for head in told if head.startswith("`sirt")
    ]


def test_every_verb_has_its_place_in_the_guide():
    pages = [page for page in DOCS.rglob("*.md") if page.parent.name != "reference"]
    told = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    assert not [verb for verb in VERBS if not re.search(rf"sirt {verb}\b", told)]


def test_every_screen_has_its_keys():
    keys = tables().key_tables()
    assert len(keys) >= 7
    assert all(rows for rows in keys.values())
    named = {name.strip("`") for rows in keys.values() for _, _, name in rows if name}
    assert named <= ACTIONS.keys()  # what keys.yaml takes


def test_keys_on_the_pages_are_those_of_the_interface():
    told = [found for page in GUIDE for found in KEY.findall(text_of(page))]
    assert len(told) > 15
    for words, key in told:
        assert [
            action
            for action in ACTIONS.values()
            if action.words.lower().startswith(words.lower()) or action.label == words
            if key in [tables()._key(one) for one in action.keys.split(",")]
        ], f"{words}: {key}"


@pytest.mark.parametrize("page", ["reference/filters.md", "guide/watch.md"])
def test_conditions_on_the_pages_are_understood(page):
    recorded = RunsFolder(RECORDED)
    rows = [row_of(recorded, run_id) for run_id in recorded.run_ids()]
    found = [span for span in spans(DOCS / page) if CONDITION.fullmatch(span)]
    assert len(found) >= 4
    problems = {x: parse(x, rows).problem and item_filter.parse(x, {}).problem for x in found}
    assert problems == dict.fromkeys(found, "")


def test_filters_of_pairs_in_commands_are_understood():
    found = [w for b in blocks("sh") for w in re.findall(r"--filter '([^']*)'", b.text)]
    assert found
    assert {words: item_filter.parse(words, {}).problem for words in found} == dict.fromkeys(
        found, ""
    )


def test_everything_shipped_is_told():
    told = text_of(DOCS / "reference" / "presets.md")
    names = [*presets.experiments(), *presets.card_names(), *catalog.TASKS]
    assert not [name for name in names if f"| `{name}` |" not in told]
    assert "| `math` | math | – | 5,000 |" in told
