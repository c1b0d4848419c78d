"""The benchmarks' own files: every row parses, and a gold answer scores 100 %."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from engine import catalog
from engine.schema.cards import TaskSource
from engine.scoring.verdict import score_answer
from engine.tasks.prompts import LETTERS

if TYPE_CHECKING:
    from engine.interfaces import Item, Split

DATA = Path(__file__).parents[2].parent / "shared" / "data"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not DATA.is_dir(), reason="../shared/data is not here"),
]

FILES: dict[str, dict[str, str]] = {
    "csqa": {
        "train": "commonsense_qa/train_rand_split.first1500.jsonl",
        "test": "commonsense_qa/dev_rand_split.jsonl",
    },
    "obqa": {
        "train": "openbookqa/train.reconstructed.jsonl",
        "test": "openbookqa/test.reconstructed.jsonl",
    },
    "piqa": {
        "train": "piqa/train.partial5500.jsonl",
        "train_labels": "piqa/train.partial5500-labels.lst",
        "test": "piqa/valid.jsonl",
        "test_labels": "piqa/valid-labels.lst",
    },
    "siqa": {
        "train": "social_i_qa/train.first1500.jsonl",
        "train_labels": "social_i_qa/train-labels.first1500.lst",
        "test": "social_i_qa/dev.jsonl",
        "test_labels": "social_i_qa/dev-labels.lst",
    },
    "gsm8k": {"train": "gsm8k/train.first1500.jsonl", "test": "gsm8k/test.jsonl"},
    "multiarith": {"train": "multiarith/MultiArith.json"},
    "mmlu": {"test": "mmlu/test"},
}
SIZES: dict[str, tuple[int, int, int]] = {  # train, test, number of options
    "csqa": (1500, 1221, 5),
    "obqa": (4957, 500, 4),
    "piqa": (5500, 1838, 2),
    "siqa": (1500, 1954, 3),
    "gsm8k": (1500, 1319, 0),
    "multiarith": (420, 180, 0),
    "mmlu": (0, 2425, 4),
}
SPLITS: tuple[Split, ...] = ("train", "test")
PARTS = [(t, s) for t, sizes in SIZES.items() for s, n in zip(SPLITS, sizes, strict=False) if n]


@cache
def items(task: str, split: Split) -> list[Item]:
    source = TaskSource(**{role: str(DATA / path) for role, path in FILES[task].items()})
    return catalog.task(task).load(source, split)


def gold_texts(item: Item) -> list[str]:
    if not item.choices:
        return [
            f"The answer is {item.target}",
            f"So it is {item.target} in all.\n#### {item.target}",
        ]
    option = item.choices[LETTERS.index(item.target)]
    return [
        f"The answer is: {item.target}) {option}",
        f"The answer is {item.target}) {option}. It follows from what is said.",
        f"Let me think about it first. The correct answer is: {item.target}) {option}",
        f"{item.target}) {option}",
        f"**({item.target})** {option}",
        item.target,
    ]


@pytest.mark.parametrize(("task", "split"), PARTS)
def test_every_row_parses(task, split):
    rows = items(task, split)
    assert len(rows) == SIZES[task][SPLITS.index(split)]
    assert len({item.id for item in rows}) == len(rows)
    letters = LETTERS[: SIZES[task][2]]
    for item in rows:
        assert item.question
        assert len(item.choices) == len(letters)
        assert item.target in letters if letters else float(item.target) is not None
        assert item.group if letters else item.group == ""


@pytest.mark.parametrize(("task", "split"), PARTS)
def test_gold_answers_score_100_percent(task, split):
    kind = catalog.task(task).kind
    texts = [  # every row once, every wording on a share of the rows: all of both take minutes
        (gold_texts(item)[number % len(gold_texts(item))], item)
        for number, item in enumerate(items(task, split))
    ]
    wrong = [
        (text, item.choices)
        for text, item in texts
        if not score_answer(kind, text, item.target, item.choices).correct
    ]
    assert not wrong


def test_gsm8k_own_solutions_score_100_percent():
    lines = (DATA / FILES["gsm8k"]["test"]).read_text(encoding="utf-8").splitlines()
    for item, line in zip(items("gsm8k", "test"), lines, strict=True):
        assert score_answer("number", json.loads(line)["answer"], item.target).correct, line


@pytest.mark.parametrize(("split", "count"), [("train", 24), ("test", 24)])
def test_equal_options_are_never_told_by_their_text(split, count):
    twins = [item for item in items("csqa", split) if len(set(item.choices)) < 5]
    assert len(twins) == count
    for item in twins:
        text, times = Counter(item.choices).most_common(1)[0]
        assert times > 1
        assert score_answer("choice", text, item.target, item.choices).answer is None
        assert (
            score_answer("choice", f"The answer is {text}.", item.target, item.choices).tier is None
        )
        assert score_answer("choice", f"{item.target}) {text}", item.target, item.choices).correct


def test_multiarith_repeats_stay_on_one_side():
    train, test = ({" ".join(i.question.split()) for i in items("multiarith", s)} for s in SPLITS)
    assert not train & test
    assert len(train | test) == 580, "20 of the 600 repeat another"


def test_mmlu_subjects():
    assert len({item.group for item in items("mmlu", "test")}) == 8
    dev = catalog.task("mmlu").load(TaskSource(test=str(DATA / "mmlu" / "dev")), "test")
    assert len(dev) == 8 * 5
    assert any("\n" in item.question for item in [*dev, *items("mmlu", "test")])


# --- rows in the hub's shape, through the library ----------------------------------------------

TASK_OF_HUB = {
    "openai/gsm8k": "gsm8k",
    "ChilleD/MultiArith": "multiarith",
    "tau/commonsense_qa": "csqa",
    "allenai/openbookqa": "obqa",
    "ybisk/piqa@refs/convert/parquet": "piqa",
    "lighteval/siqa": "siqa",
    "EleutherAI/hendrycks_math": "math",
    "cais/mmlu": "mmlu",
}


def shapes() -> list[dict]:
    return json.loads((DATA / "hf_row_shapes.json").read_text()) if DATA.is_dir() else []


def feature(described):
    import datasets

    if isinstance(described, dict):
        return {name: feature(inner) for name, inner in described.items()}
    if described.startswith("List("):
        return datasets.List(datasets.Value("string"))
    if described.startswith("ClassLabel("):
        return datasets.ClassLabel(names=described.split("'")[1::2])
    return datasets.Value(described)


@pytest.mark.parametrize("file_format", ["parquet", "json"])
@pytest.mark.parametrize("shape", shapes(), ids=lambda s: f"{s['id']}:{s['split']}")
def test_hub_shapes(tmp_path, monkeypatch, shape, file_format):
    import datasets

    task = catalog.task(TASK_OF_HUB[shape["id"]])
    features = datasets.Features(feature(shape["features"]))
    table = datasets.Dataset.from_list(shape["rows"], features=features)
    path = tmp_path / ("rows.parquet" if file_format == "parquet" else "rows.jsonl")
    write = table.to_parquet if file_format == "parquet" else table.to_json
    write(str(path))

    load = datasets.load_dataset

    def from_file(_hub, _config, **_):
        return load(
            file_format,
            data_files=str(path),
            features=features,
            split="train",
            cache_dir=str(tmp_path / "cache"),
        )

    monkeypatch.setattr(datasets, "load_dataset", from_file)
    hub = TaskSource(hub="some/mirror")
    if any(row.get("answerKey") == "" for row in shape["rows"]):
        with pytest.raises(Exception, match="unlabelled"):
            task.load(hub, "test")
        return
    through_library = task.load(hub, "test")
    assert len(through_library) == len(shape["rows"])
    if task.name == "multiarith":  # one local file would be divided
        return
    assert task.load(TaskSource(test=str(path)), "test") == through_library
