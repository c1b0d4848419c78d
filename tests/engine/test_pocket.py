"""The pocket tasks and models: disjoint splits, same draws everywhere, reasoning that helps."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from engine.pocket.problems import CHOICES, LARGEST, draw, pool, split_of
from engine.pocket.recipes import MODELS, RECIPES
from engine.pocket.tasks import SIZES, TASKS
from engine.pocket.voices import VOICES
from engine.tasks.prompts import render

if TYPE_CHECKING:
    from engine.interfaces import Split
    from engine.schema.specs import TaskSource

ROOT = Path(__file__).parents[2]
NO_SOURCE = cast("TaskSource", None)
ODD_TEXTS = (
    "naïve café",
    "\U0001f9d1\u200d\U0001f680 and \U0001f30d",
    "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627",
    "\u6f22\u5b57\u304b\u306a \ud55c\uad6d\uc5b4",
    "\x01\x1b[31m\x7f\u200b",
    "  two  spaces\t\n\n a tab, \r\n lines ",
    "Mia has 1234567 shells_and 3.5%",
)


@pytest.mark.parametrize("task", list(TASKS))
def test_no_form_of_a_test_question_is_in_the_train_pool(task: str) -> None:
    """The two pools share no form and no question."""
    train, test = pool(task, "train", SIZES["train"]), pool(task, "test", SIZES["test"])
    assert len(train) == SIZES["train"]
    assert len(test) == SIZES["test"]
    assert not {p.form for p in train} & {p.form for p in test}
    assert not {p.question for p in train} & {p.question for p in test}
    assert {split_of(p.form) for p in test} == {"test"}


def test_boxes_form_ignores_what_the_boxes_are_called() -> None:
    """Renaming the boxes, or the two sides of a swap, leaves a problem's form as it was."""
    from engine.pocket.problems import _relabel

    steps = [("", "red", "blue", ""), ("", "blue", "pink", ""), ("", "pink", "red", "")]
    renamed = [("", "grey", "brown", ""), ("", "grey", "white", ""), ("", "brown", "white", "")]
    assert _relabel("green", steps) == _relabel("green", renamed)
    assert _relabel("red", steps) != _relabel("green", steps)


def test_draws_do_not_depend_on_the_hash_seed() -> None:
    """Other processes, with other hash seeds, draw the same pools."""
    code = (
        "import hashlib; from engine.pocket.problems import MAKERS, pool;"
        "print(hashlib.sha256(repr([pool(t, s, 50) for t in MAKERS"
        " for s in ('train', 'test')]).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_problems_load_without_torch_and_numpy() -> None:
    """The interface may list the tasks in a process that never loads a training library."""
    code = (
        "import sys; import engine.pocket.tasks; "
        "assert not {'torch', 'numpy', 'transformers', 'tokenizers'} & set(sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True
    )


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("name", list(TASKS))
def test_items_are_well_formed(name: str, split: Split) -> None:
    """Ids are unique, targets in range, letters balanced, and the options all different."""
    task = TASKS[name]
    items = task.load(NO_SOURCE, split)
    assert len({item.id for item in items}) == len(items) == SIZES[split]
    if task.kind == "number":
        assert all(1 <= int(item.target) <= LARGEST for item in items)
        return
    counts = Counter(item.target for item in items)
    assert all(item.group == item.target for item in items)
    assert all(len(set(item.choices)) == CHOICES[name] for item in items)
    assert len(counts) == CHOICES[name]
    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("name", list(TASKS))
def test_reasoning_ends_in_the_right_answer(name: str) -> None:
    """Each voice's last step names the answer, and its last sentence concludes it."""
    rng = Random(3)
    for _ in range(50):
        problem = draw(name, rng, "train")
        assert problem.steps[-1][-1] == problem.answer
        for voice in VOICES.values():
            assert voice.reasoning(problem).endswith(voice.conclusion(problem))


@pytest.mark.parametrize("family", list(VOICES))
def test_built_tokenizer_is_lossless(family: str) -> None:
    """Any text comes back, and a number of the sums is one token."""
    from engine.pocket.tokenizer import build_tokenizer

    tokenizer = build_tokenizer(family)
    for text in ODD_TEXTS:
        assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert all(len(tokenizer(f" {n}").input_ids) == 1 for n in range(LARGEST + 1))
    assert 500 <= len(tokenizer) <= 800


@pytest.mark.parametrize("name", list(RECIPES))
def test_shipped_tokenizer(name: str) -> None:
    """The saved tokenizer loads with plain transformers; its template begins a turn once."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(MODELS / name)
    for text in ODD_TEXTS:
        assert tokenizer.decode(tokenizer(text).input_ids) == text
    assert tokenizer.pad_token_id is not None
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    turns = [{"role": "user", "content": "Answer:"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    ids = tokenizer(text).input_ids
    assert tokenizer.decode(ids) == text
    if tokenizer.bos_token_id is not None:
        assert ids.count(tokenizer.bos_token_id) == 1
    turns.append({"role": "assistant", "content": "The answer is 9."})
    whole = tokenizer.apply_chat_template(turns, tokenize=False)
    assert whole.startswith(text)
    assert tokenizer(whole).input_ids[-1] == tokenizer.eos_token_id


@pytest.mark.parametrize("name", list(TASKS))
def test_prompts_and_answers_are_short(name: str) -> None:
    """A prompt stays under 110 tokens and an answer near 60, in every family."""
    from engine.pocket.tokenizer import build_tokenizer
    from engine.pocket.train import chat

    task = TASKS[name]
    for family, voice in VOICES.items():
        tokenizer = build_tokenizer(family)
        for problem in pool(name, "test", 50):
            message = render(task.instruction, problem.question, problem.choices, "cot")
            assert len(chat(tokenizer, message)) < 110
            assert len(tokenizer(voice.reasoning(problem)).input_ids) <= 64


def test_models_are_small_and_hold_no_pickles() -> None:
    """All model folders together stay within 30 MB, weights in safetensors only."""
    files = [path for path in MODELS.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == set(RECIPES)
    assert sum(path.stat().st_size for path in files) <= 30_000_000
    assert {path.suffix for path in files} <= {".json", ".jinja", ".safetensors"}


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n, recipe in RECIPES.items() if recipe.at_once])
def test_reasoning_helps_the_students(name: str) -> None:
    """On a few test questions a student is much better with the CoT prompt."""
    from engine.pocket.measure import accuracy, load

    model, tokenizer = load(MODELS / name)
    for task in TASKS:
        plain = accuracy(model, tokenizer, task, "plain", 40)
        assert accuracy(model, tokenizer, task, "cot", 40) >= plain + 0.25
