"""What the list of pairs costs, in a real terminal (tmux), for files of any size.

    python -m benchmarks.pairs [--pairs 5000 200000] [--repeats 3] [--folders DIR]

One finished run whose pairs are generated: two texts of about 600 characters each, made of words,
so that a pair is 2.5 kB in the file. CPU seconds are those of the interface's process alone, user
and system. *To the screen*: from the program's start, over the list of runs, until the first pair
with both texts is painted. *Opening alone*: that less what it took to the list of runs. *To the
end*: ``G``, until the last pair is painted. *Filter*: words that few pairs hold, until the whole
file has been gone through. Prints one table.
"""

from __future__ import annotations

import argparse
import random
import shutil
import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.folders import make
from benchmarks.interface import first_name, interface
from benchmarks.pane import Pane
from engine.queries.runs import registry
from engine.schema.records import Pair, PairScore, Verdict
from engine.store.layout import PAIR_SCORES, PAIRS, RunsFolder
from engine.store.writing import write_json

SIZE = (120, 40)
WORDS = (
    "so", "then", "the", "answer", "because", "first", "left", "right", "takes", "away", "twelve",
    "market", "bridge", "turns", "faces", "north", "east", "therefore", "total", "means",
)  # fmt: skip
RARE = "heliotrope"


def folder_of(folders: Path, count: int) -> RunsFolder:
    """Made once, kept for the next time."""
    root = folders / f"pairs-{count}"
    if not (root / "registry").exists():
        shutil.rmtree(root, ignore_errors=True)
        runs = make(root, 1, live=1)
        _write_pairs(runs, count)
    return RunsFolder(root)


def _write_pairs(runs: RunsFolder, count: int) -> None:
    (row,) = registry(runs).rows()
    ids = dict(row.phases)
    elicit, refine = runs.phase(ids["elicit"]), runs.phase(ids["refine"])
    refine.out.mkdir()
    chance = random.Random(0)
    with (elicit.out / PAIRS).open("w") as pairs, (refine.out / PAIR_SCORES).open("w") as scores:
        for number in range(count):
            pairs.write(_pair(number, chance).model_dump_json() + "\n")
            scores.write(_score(number, chance).model_dump_json() + "\n")
    figures = {"pairs": count, "questions": count}
    now = datetime.now(UTC).isoformat()
    for phase in (elicit, refine):
        write_json(phase.manifest_file, {"finished": now, "files": {}, "figures": figures})


def _pair(number: int, chance: random.Random) -> Pair:
    question = f"{number}. " + _text(chance, 25)
    right = Verdict(answer="B", tier="statement", correct=True)
    wrong = Verdict(answer="A", tier="statement", correct=False)
    rare = f" {RARE}" if number % 1000 == 999 else ""
    plain = f"Choose the answer.\nQuestion: {question}\nAnswer:"
    return Pair(
        id=f"train-{number:06}",
        question=question,
        choices=("north", "east", "south", "west"),
        target="B",
        group="B",
        prompt=plain,
        prompt_plain=plain,
        prompt_cot=f"{plain} Let's think step by step",
        chosen=f"{_text(chance, 110)}{rare}. The answer is B) east.",
        rejected=f"{_text(chance, 110)}. The answer is A) north.",
        winner=chance.choice(("student", "teacher")),
        chosen_verdict=right,
        rejected_verdict=wrong,
        plain_has_steps=False,
    )


def _text(chance: random.Random, words: int) -> str:
    return " ".join(chance.choices(WORDS, k=words))


def _score(number: int, chance: random.Random) -> PairScore:
    before, after = -chance.random() * 90, -chance.random() * 90
    return PairScore(
        id=f"train-{number:06}",
        held_out=False,
        reference_chosen=before,
        reference_rejected=before,
        policy_chosen=after,
        policy_rejected=before,
    )


def measure(runs: RunsFolder, count: int) -> dict[str, float]:
    """CPU seconds by what was done, and the wall time and memory at the first pair."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Pane(interface(runs), Path(folder), *SIZE) as pane,
    ):
        pane.until(lambda screen: first_name(runs) in screen)
        listed = pane.used()
        pane.press("p")
        pane.until(lambda screen: "chosen" in screen and "log p" in screen)
        opened = pane.used()
        found = {
            "to the screen, CPU s": opened.cpu,
            "opening alone, CPU s": opened.cpu - listed.cpu,
            "opening alone, wall s": opened.at - listed.at,
            "RSS, MiB": pane.rss_mib(),
        }
        pane.press("G")
        pane.until(lambda screen: f" {count}  train-" in screen)
        ended = pane.used()
        pane.press("/")
        pane.press(RARE)
        pane.until(lambda screen: f"{count // 1000} of" in screen and "looked at" not in screen)
        sifted = pane.used()
        return found | {
            "to the end, CPU s": ended.cpu - opened.cpu,
            "filter, CPU s": sifted.cpu - ended.cpu,
            "filter, wall s": sifted.at - ended.at,
            "RSS after that, MiB": pane.rss_mib(),
        }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pairs")
    parser.add_argument("--pairs", type=int, nargs="+", default=[5_000, 200_000])
    parser.add_argument("--repeats", type=int, default=3)
    default = Path(tempfile.gettempdir()) / "sirt-bench"
    parser.add_argument("--folders", type=Path, default=default)
    arguments = parser.parse_args()
    arguments.folders.mkdir(parents=True, exist_ok=True)
    columns: list[dict[str, list[float]]] = []
    for count in arguments.pairs:
        runs = folder_of(arguments.folders.absolute(), count)
        repeats: list[Any] = [measure(runs, count) for _ in range(arguments.repeats)]
        columns.append({what: [r[what] for r in repeats] for what in repeats[0]})
    print("| | " + " | ".join(f"{count:,} pairs" for count in arguments.pairs) + " |")
    print("| --- |" + " --- |" * len(columns))
    for what in columns[0]:
        cells = (_cell(column[what]) for column in columns)
        print(f"| {what} | " + " | ".join(cells) + " |", flush=True)


def _cell(values: list[float]) -> str:
    """The median, and the range."""
    low, high = min(values), max(values)
    return f"{statistics.median(values):.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
