"""Links lead somewhere, and what stands in code is what the program understands."""

from __future__ import annotations

import ast
import json
import re
import shlex
from pathlib import Path
from typing import Any

import click
import pytest

from engine import catalog
from engine.cli.main import sirt
from engine.commands.experiments import plan_experiment
from engine.planning import yaml_file
from engine.planning.sites import load_site
from engine.planning.sweep import read_combinations
from engine.schema.cards import TaskSource
from engine.store.layout import RunsFolder
from sirt_tui import keymap
from sirt_tui.actions import ACTIONS
from tests.docs.pages import (
    CHECKOUT,
    DOCS,
    PAGES,
    README,
    Block,
    anchors,
    blocks,
    links,
    spans,
    tables,
    text_of,
)

KINDS = {"sh", "yaml", "python", "json", "text"}
ANY = "name: any\nteachers: [wren-3m]\nstudents: [wren-1m]\ntasks: [pocket-sums]\n"
PLACEHOLDERS = {"VERB"}


def named(block: Block) -> str:
    return block.place


def test_every_link_leads_somewhere():
    broken = []
    for page in PAGES:
        for link in links(page):
            if link.startswith(("https://", "http://")):
                continue
            path, _, anchor = link.partition("#")
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                broken.append(f"{page.name}: {link}: no such file")
            elif DOCS in page.parents and DOCS not in target.parents:
                broken.append(f"{page.name}: {link}: the site has the pages of docs/ only")
            elif anchor and anchor not in anchors(target):
                broken.append(f"{page.name}: {link}: has {sorted(anchors(target))}")
    assert not broken


def test_every_page_stands_in_the_navigation():
    nav = yaml_file.parse((CHECKOUT / "mkdocs.yml").read_text(encoding="utf-8"), "mkdocs.yml")[
        "nav"
    ]
    listed = re.findall(r"[\w/-]+\.md", json.dumps(nav))
    assert sorted(listed) == sorted(str(page.relative_to(DOCS)) for page in PAGES if page != README)


def test_blocks_of_code_say_what_they_are():
    assert not [block.place for block in blocks() if block.kind not in KINDS]


@pytest.fixture
def understood(monkeypatch):
    """Whether the command line takes some words; nothing is done."""
    monkeypatch.setattr(click.Command, "invoke", lambda self, context: None)

    def check(words: list[str]) -> None:
        sirt.main(words, prog_name="sirt", standalone_mode=False)

    return check


def commands(text: str) -> list[list[str]]:
    """The words of each command of a shell's lines, without comments."""
    found: list[list[str]] = []
    for line in text.splitlines():
        parts = shlex.shlex(line, posix=True, punctuation_chars=";&|")
        parts.whitespace_split = True
        words: list[str] = []
        for word in [*parts, ";"]:
            if set(word) <= set(";&|"):
                found += [words] if words else []
                words = []
            else:
                words.append(word)
    return found


@pytest.mark.parametrize("block", blocks("sh"), ids=named)
def test_commands_are_understood(block, understood):
    targets = re.findall(r"^([\w-]+):", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
    for program, *words in commands(block.text):
        match program:
            case "sirt":
                understood(words)
            case "make":
                assert set(words) <= set(targets), words
            case "tensorboard" | "source" | "eval" | "export" | "hf" | "pip" | "cd" | "ssh":
                pass  # not ours
            case _:
                pytest.fail(f"{block.place}: {program} is no command of this program")


def test_commands_in_the_prose_are_understood(understood):
    """A verb that is only named may lack what it needs."""
    for page in PAGES:
        for span in spans(page):
            program, *words = shlex.split(span) if span.startswith("sirt ") else [""]
            if program and not PLACEHOLDERS & set(words) and "[OPTIONS]" not in span:
                try:
                    understood(words)
                except click.MissingParameter:
                    pass
                except click.ClickException as error:
                    pytest.fail(f"{page.name}: `{span}`: {error.format_message()}")


@pytest.mark.parametrize("block", blocks("yaml"), ids=named)
def test_files_can_be_read_and_experiments_planned(block, tmp_path):
    (tmp_path / "data").mkdir()
    rows = [{"question": f"What is {n} plus {n}?", "final_ans": str(2 * n)} for n in range(1, 41)]
    (tmp_path / "data" / "MultiArith.json").write_text(json.dumps(rows))
    file = tmp_path / "experiment.yaml"
    given = yaml_file.parse(block.text, block.place)
    if "launcher" in given:
        file.write_text(block.text)
        assert load_site(file).asked("instruct")
        return
    if ACTIONS.keys() >= given.keys():
        file.write_text(block.text)
        assert keymap.read(file)[1] == []
        return
    whole = "students" in given
    file.write_text(block.text if whole else ANY + block.text)
    assert read_combinations(file)
    if whole:
        assert plan_experiment(RunsFolder(tmp_path / "runs"), str(file)).plan.runs


def test_rows_of_own_questions_can_be_asked(tmp_path):
    page = text_of(DOCS / "guide" / "compose.md")
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| `(\{.*\})` \|$", page, re.MULTILINE))
    assert rows.keys() == {name for name in catalog.TASKS if not name.startswith("pocket")}
    for name, row in rows.items():
        files = {split: str(tmp_path / f"{name}-{split}.jsonl") for split in ("train", "test")}
        for file in files.values():
            Path(file).write_text(row)
        task = catalog.task(name)
        for split in ("train", "test") if task.trains else ("test",):
            assert len(task.load(TaskSource(**files), split)) == 1, name


def test_other_code_can_be_read():
    for block in blocks("python", "json"):
        (ast.parse if block.kind == "python" else json.loads)(block.text)


def test_the_example_of_a_benchmark_reads_rows(tmp_path):
    (block,) = blocks("python")
    names: dict[str, Any] = {}
    exec(compile(block.text, block.place, "exec"), names)
    file = tmp_path / "ages.jsonl"
    file.write_text('{"id": "a", "problem": "How old is Ann?", "years": 41}\n')
    (item,) = names["TASK"].load(TaskSource(test=str(file)), "test")
    assert (item.id, item.question, item.target) == ("a", "How old is Ann?", "41")


def test_the_readme_lists_every_package():
    listed = set(re.findall(r"^ +(\w+)/", tables().packages(), re.MULTILINE))
    there = {
        folder.name
        for top in ("engine", "sirt_tui")
        for folder in (CHECKOUT / top).iterdir()
        if (folder / "__init__.py").exists()
    }
    assert there <= listed | {"engine", "sirt_tui"}
    assert listed <= there | {"engine", "sirt_tui", "presets", "benchmarks", "docs"}


def test_the_page_of_the_folder_names_every_place():
    layout = (CHECKOUT / "engine" / "store" / "layout.py").read_text(encoding="utf-8")
    places = set(re.findall(r'self\.root / "(\w+)(?:\.json)?"', layout))
    told = text_of(DOCS / "architecture.md")
    assert len(places) > 6
    assert not [place for place in places if f"runs/{place}" not in told]


def test_no_page_holds_a_place_of_a_machine():
    told = re.compile(r"(?<![\w.~])/(home|root|work|mnt|Users)/")
    assert not [page.name for page in PAGES if told.search(text_of(page))]
