"""All verbs of the command line, a line each."""

from __future__ import annotations

from typing import NamedTuple


class Verb(NamedTuple):
    """A verb: where its command is, its place and line in ``sirt --help`` (26 characters at most),
    and the example that ends its own help."""

    module: str
    function: str
    group: str
    line: str
    example: str


RUN, WATCH, READ, KEEP, HELP = (
    "Compose and run", "Watch", "Read results", "Files and upkeep", "Help",
)  # fmt: skip
VERBS = {
    "init": Verb("starting", "init", RUN, "write a first experiment", "sirt init"),
    "presets": Verb("experiments", "presets", RUN, "what is shipped", "sirt presets"),
    "plan": Verb("experiments", "plan", RUN, "what an experiment needs", "sirt plan my.yaml"),
    "run": Verb("experiments", "run", RUN, "launch it and follow it", "sirt run my.yaml --gpus 0"),
    "stop": Verb("runs", "stop", RUN, "stop runs, keep their work", "sirt stop 2c97"),
    "fetch": Verb("experiments", "fetch", RUN, "models, rows, for nodes", "sirt fetch my.yaml"),
    "retry": Verb("runs", "retry", RUN, "go on after stop or fault", "sirt retry 2c97 --follow"),
    "queue": Verb("queue", "queue", RUN, "which runs come next", "sirt queue --move 2c97 0"),
    "status": Verb("status", "status", WATCH, "all runs, or one in words", "sirt status --watch"),
    "logs": Verb("logs", "logs", WATCH, "what phases say; -f: live", "sirt logs 2c97 -f --tail 20"),
    "devices": Verb("system", "devices", WATCH, "GPUs, CPU, who uses them", "sirt devices"),
    "site": Verb("site", "site", WATCH, "clusters to run on", "sirt site init mine"),
    "notify": Verb("notify", "notify", WATCH, "who is told when one ends", "sirt notify --test"),
    "report": Verb("results", "report", READ, "tables, figures and a page", "sirt report my-grid"),
    "compare": Verb("results", "compare", READ, "two runs, paired tests", "sirt compare 8cd4 2c97"),
    "pairs": Verb("pairs", "pairs", READ, "preference pairs, marks", "sirt pairs 2c97 --limit 3"),
    "score": Verb("results", "score", READ, "read kept answers again", "sirt score 2c97"),
    "quality": Verb("quality", "quality", READ, "steps, length, arithmetic", "sirt quality 2c97"),
    "judge": Verb(
        "judging",
        "judge",
        READ,
        "a model compares answers",
        "sirt judge 8cd4 2c97 --judge qwen3-8b",
    ),
    "show": Verb("handover", "show", READ, "what a run was made from", "sirt show 2c97"),
    "export": Verb(
        "handover", "export", KEEP, "a run's files or its model", "sirt export 2c97 out"
    ),
    "bundle": Verb("handover", "bundle", KEEP, "pack runs for a colleague", "sirt bundle 2c97"),
    "import": Verb("handover", "take", KEEP, "unpack such a bundle", "sirt import a.sirt.tar.gz"),
    "tag": Verb(
        "runs", "tag", KEEP, "a run's name, tags, note", "sirt tag 2c97 paper --note 'seed 0'"
    ),
    "delete": Verb("trash", "delete", KEEP, "runs, into the trash", "sirt delete 2c97"),
    "trash": Verb("trash", "trash", KEEP, "what was deleted; undo it", "sirt trash restore 2c97"),
    "gc": Verb("trash", "gc", KEEP, "free what no run needs", "sirt gc --remove"),
    "leave-out": Verb("runs", "leave_out", KEEP, "keep runs out of tables", "sirt leave-out 2c97"),
    "accept": Verb("system", "accept", KEEP, "accept changed files", "sirt accept 2c97"),
    "reindex": Verb("system", "reindex", KEEP, "rebuild the list of runs", "sirt reindex"),
    "doctor": Verb("system", "doctor", HELP, "check machine and folder", "sirt doctor --deep"),
    "completion": Verb(
        "completion",
        "completion",
        HELP,
        "tab key in bash, zsh, fish",
        'eval "$(sirt completion bash)"',
    ),
}
