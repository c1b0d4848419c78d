"""MATH (Hendrycks et al., 2021): competition problems, for evaluation only.

The target is the content of the solution's last ``\\boxed{}``. The prompt asks for such a box: our
choice, since the paper doesn't show its prompt for MATH.

Reads the hub's seven configs, MATH-500 (``hub: HuggingFaceH4/MATH-500``), the original folder tree
with one JSON file a problem, or a JSONL or Parquet file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from engine.interfaces import Item
from engine.schema.cards import TaskSource
from engine.schema.errors import UserError
from engine.scoring.boxed import last_boxed
from engine.tasks.benchmark import Benchmark
from engine.tasks.prompts import BOX_INSTRUCTION, NUMBER_INSTRUCTION
from engine.tasks.row import number_text
from engine.tasks.rows import read_rows

if TYPE_CHECKING:
    from pathlib import Path

    from engine.tasks.row import Row

CONFIGS: Final = (
    "algebra,counting_and_probability,geometry,intermediate_algebra,number_theory,"
    "prealgebra,precalculus"
)


def _item(row: Row, fallback_id: str) -> Item:
    solved = row.values.get("solution") is not None or "answer" not in row
    target = last_boxed(row.text("solution")) if solved else None
    if not target and "answer" in row:
        target = number_text(row["answer"]) or row.text("answer")
    if not target:
        raise row.error("column 'solution' has no \\boxed{} answer")
    group = row.text("type" if "type" in row else "subject")
    return Item(row.key("unique_id", fallback_id), row.text("problem"), (), target, group)


def _read(path: Path) -> list[Row]:
    if not path.is_dir():
        return read_rows(path)
    files = sorted(path.rglob("*.json"))
    if not files:
        raise UserError(f"{path}: no .json file below this folder; give MATH's 'test' folder")
    return [row for file in files for row in read_rows(file)]


TASK: Final = Benchmark(
    name="math",
    instruction=BOX_INSTRUCTION,
    former_instructions=(NUMBER_INSTRUCTION,),
    kind="math",
    default_source=TaskSource(hub="EleutherAI/hendrycks_math", config=CONFIGS, revision="main"),
    hub_splits={"test": "test"},
    sizes=(0, 5000),
    item=_item,
    read=_read,
)
