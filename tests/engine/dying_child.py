"""A child of the GPU benchmark that finishes its first part and dies, or hangs, in the second."""

from __future__ import annotations

import argparse
import json
import os
import threading
import time
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="+")
    parser.add_argument("--results", type=Path)
    given, _ = parser.parse_known_args()
    for text in given.parts:
        part = text.partition(":")[0]
        line = {"model": "m", "side": "ours", "part": part}
        with given.results.open("a") as file:
            started = {"state": "started", "at": time.time(), "limit_s": 0.0}
            file.write(json.dumps(line | started) + "\n")
            file.flush()
            if part == "dies":
                os._exit(7)
            if part == "hangs":
                threading.Event().wait()
            file.write(json.dumps(line | {"state": "done"}) + "\n")


if __name__ == "__main__":
    main()
