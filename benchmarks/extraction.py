"""Whether answers are read as a careful person reads them: ours, and the peers' ways.

    python -m benchmarks.extraction --labelled FILE
    python -m benchmarks.extraction --labelled FILE --peers DIR [--install]

FILE holds texts that a person has read, one JSON object a line: ``id``, ``kind`` (choice, number,
math), ``question``, ``options``, ``text``, ``truth`` (null: the text gives no single answer) and
``stratum``. Two tables come out: everyone's agreement with the person in per cent, with Wilson
95 % intervals; and what each reader of each peer agrees on.

Peers live in environments of their own, DIR/NAME; ``--install`` makes the missing ones with the
versions below. An environment that isn't there is left out. Each peer runs as its users get it
(``extraction_peers.py``): shipped filters, postprocessors, scorers and metrics. It may have several
for a kind; the one that agrees most over all of FILE counts. It agrees on a text

- that has an answer: when its own equality or ours takes what it extracts for that answer;
- that has none: when it extracts nothing, no letter of the row, or no number.

A reader that raises on a text has read nothing there. Scorers that look for the known target
anywhere in a text read no answer and are left out, and so are those that ask a model. Peers ask
models for the form that they read best; FILE's texts were written under many prompts. A reader
that never finds anything is right wherever there is no answer: look at the last two columns.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from engine.interfaces import AnswerKind
from engine.schema.accuracy import NOTHING
from engine.schema.records import Record
from engine.scoring.extraction import extract
from engine.scoring.formula import same_formula
from engine.scoring.number import same_number
from engine.scoring.statistics import share
from engine.store.jsonlines import read_records
from engine.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

Stratum = Literal["agreement", "disagreement", "variant", "synthetic"]
SCRIPT = Path(__file__).with_name("extraction_peers.py")
CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"
KINDS: tuple[AnswerKind, ...] = get_args(AnswerKind)
OURS = "ours"
BEST = "the best peer on each, with its best reader there"
PEERS = {
    "lm_eval": ("lm-eval[math]==0.4.13", "torch"),
    # its NumPy is older than 2, which later releases of pyarrow refuse
    "opencompass": ("opencompass==0.5.4", "math-verify==0.9.0", "pyarrow==20.0.0"),
    "inspect": ("inspect_ai[math]==0.3.285", "inspect_evals==0.26.0"),
    "lighteval": ("lighteval[math]==0.13.0",),
    "math_verify": ("math-verify[antlr4_13_2]==0.9.0",),
}


class Labelled(Record):
    """A text and what a person takes its answer to be."""

    id: str
    kind: AnswerKind
    question: str
    options: tuple[str, ...]
    text: str
    truth: str | None
    stratum: Stratum


class Reading(Record):
    """What one reader takes a text's answer to be; ``equal``: it says itself that it is right."""

    id: str
    reader: str
    answer: str | None
    equal: bool = False


GROUPS: dict[str, Callable[[Labelled], bool]] = {
    "all": lambda _: True,
    **{name: lambda row, name=name: row.stratum == name for name in get_args(Stratum)},
    **{name: lambda row, name=name: row.kind == name for name in KINDS},
    "an answer": lambda row: row.truth is not None,
    "no answer": lambda row: row.truth is None,
}


class Reader(NamedTuple):
    """``agreed`` holds the ids of the rows that it reads as the person does."""

    who: str
    kind: AnswerKind
    name: str
    agreed: frozenset[str]


def ours(rows: Iterable[Labelled]) -> Iterator[Reading]:
    for row in rows:
        found = extract(row.kind, row.text, row.options, question=row.question)
        yield Reading(id=row.id, reader="extract", answer=found.answer)


def peer(name: str, python: Path, labelled: Path) -> list[Reading]:
    with tempfile.TemporaryDirectory() as folder:
        readings = Path(folder) / "readings.jsonl"
        command = [python, "-I", "-W", "ignore", SCRIPT, name, labelled.absolute(), readings]
        subprocess.run(command, check=True)
        return list(read_records(readings, Reading))


def install(python: Path, requirements: Sequence[str]) -> None:
    """With the release of torch that this project is tested with, where a peer wants one."""
    subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--constraint", CONSTRAINTS]
    subprocess.run([*pip, *requirements], check=True)


def agrees(row: Labelled, reading: Reading) -> bool:
    answer = (reading.answer or "").strip()
    if row.kind == "number":
        answer = answer.strip("$.")
        answer = answer if same_number(answer, answer) else ""
    elif row.kind == "choice":
        answer = answer if answer in {chr(ord("A") + n) for n in range(len(row.options))} else ""
    if row.truth is None or not answer:
        return (row.truth is None and not answer) or reading.equal
    same = {"choice": str.__eq__, "number": same_number, "math": same_formula}[row.kind]
    return reading.equal or bool(same(row.truth, answer))


def readers(who: str, rows: Iterable[Labelled], readings: Iterable[Reading]) -> list[Reader]:
    """Best first for each kind."""
    by_id = {row.id: row for row in rows}
    agreed: dict[tuple[AnswerKind, str], set[str]] = defaultdict(set)
    for reading in readings:
        row = by_id[reading.id]
        agreed[row.kind, reading.reader] |= {row.id} if agrees(row, reading) else set()
    found = [Reader(who, kind, name, frozenset(ids)) for (kind, name), ids in agreed.items()]
    return sorted(found, key=lambda reader: (KINDS.index(reader.kind), -len(reader.agreed)))


def agreement(rows: Sequence[Labelled], found: Sequence[Reader]) -> Table:
    """One line each, with the best reader for each kind; a dash where a kind has no reader.

    The last line is no peer: each of its figures is the best peer's with the readers that agree
    most on just that column's texts.
    """
    columns = {name: [row for row in rows if within(row)] for name, within in GROUPS.items()}
    everyone = dict.fromkeys(reader.who for reader in found)
    lines = []
    for who in everyone:
        best = [next((r for r in found if (r.who, r.kind) == (who, kind)), None) for kind in KINDS]
        mine = [reader for reader in best if reader]
        lines.append((who, *(_share(group, [_agreed(group, mine)]) for group in columns.values())))
    theirs = [[r for r in found if r.who == who] for who in everyone if who != OURS]
    if theirs:
        most = (_share(group, [_agreed(group, r) for r in theirs]) for group in columns.values())
        lines.append((BEST, *most))
    headers = ("", *(f"{name} ({len(group)})" for name, group in columns.items()))
    return Table(headers, tuple(lines))


def _agreed(group: Sequence[Labelled], mine: Iterable[Reader]) -> int | None:
    """Texts of ``group`` that the best of these readers for each kind agree on."""
    total = 0
    for kind in {row.kind for row in group}:
        ids = {row.id for row in group if row.kind == kind}
        counts = [len(ids & reader.agreed) for reader in mine if reader.kind == kind]
        if not counts:
            return None
        total += max(counts)
    return total


def _share(group: Sequence[Labelled], counts: Iterable[int | None]) -> str:
    known = [count for count in counts if count is not None]
    if not group or not known:
        return NOTHING
    return share(max(known), len(group)).text


def details(rows: Sequence[Labelled], found: Iterable[Reader]) -> Table:
    """One line a reader, best first for each kind: how many of how many."""
    columns = [name for name in GROUPS if name not in KINDS]

    def cell(reader: Reader, column: str) -> str:
        ids = [row.id for row in rows if row.kind == reader.kind and GROUPS[column](row)]
        return f"{len(reader.agreed.intersection(ids))}/{len(ids)}" if ids else NOTHING

    return Table(
        ("", "kind", "reader", *columns),
        tuple((r.who, r.kind, r.name, *(cell(r, column) for column in columns)) for r in found),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labelled", type=Path, required=True, help="texts that a person has read")
    parser.add_argument("--peers", type=Path, help="the folder of the peers' environments")
    parser.add_argument("--install", action="store_true", help="make environments that are missing")
    given = parser.parse_args()
    rows = list(read_records(given.labelled, Labelled))
    found = readers(OURS, rows, ours(rows))
    for name, requirements in PEERS.items() if given.peers else ():
        python = given.peers.absolute() / name / "bin" / "python"
        if given.install and not python.exists():
            install(python, requirements)
        if python.exists():
            who = re.sub(r"\[.*\]", "", requirements[0]).replace("==", " ")
            found += readers(who, rows, peer(name, python, given.labelled))
        else:
            print(f"{name}: left out, no {python}", file=sys.stderr)
    print(agreement(rows, found).markdown())
    print()
    print(details(rows, found).markdown())


if __name__ == "__main__":
    main()
