"""``python -m engine.pocket build`` trains the models; ``check`` measures them."""

from __future__ import annotations

import argparse
from pathlib import Path

from engine.pocket.recipes import MODELS, RECIPES


def main(arguments: list[str] | None = None) -> None:
    """Parse the command line and run its verb."""
    options = _parser().parse_args(arguments)
    names = options.only or list(RECIPES)
    # Imported here so that a wrong option is told before torch is loaded.
    if options.verb == "build":
        from engine.pocket.train import train

        for name in names:
            train(RECIPES[name], options.out / name, options.seed)
    else:
        from engine.pocket.measure import table

        table(names, options.out, options.items, options.nf4)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m engine.pocket", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    build = verbs.add_parser("build", help="train from scratch, seeded")
    build.add_argument("--seed", type=int, default=0)
    check = verbs.add_parser("check", help="print accuracies, plain and CoT, on test questions")
    check.add_argument("--items", type=int, default=600, help="questions a task")
    check.add_argument("--nf4", action="store_true", help="with 4-bit quantised weights")
    for verb in (build, check):
        verb.add_argument("--only", action="append", choices=list(RECIPES), metavar="NAME")
        verb.add_argument("--out", type=Path, default=MODELS, help="folder of the models")
    return parser


if __name__ == "__main__":
    main()
