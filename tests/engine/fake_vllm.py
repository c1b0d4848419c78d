"""A program that takes vLLM's command line and speaks as much of its HTTP as is asked of it.

What it does is told by files in the folder ``$FAKE_VLLM``: ``fail`` (text to die with at the
start), ``cannot.json`` (options of the command line -> the same, where one is given), ``slow`` (it
is not well while that is there), ``hold`` (a number: no more replies than that while it is there),
``reply.json`` (token ids that it says), ``probes.json`` (what it says greedily to some prompts,
with log-probabilities), ``refuse`` (a path that it refuses, with its words). It notes every request
in ``asked.jsonl`` and has a worker process, which does not end with it.
"""

import json
import os
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STATE = Path(os.environ["FAKE_VLLM"])
TURN = threading.Lock()


def note(what: dict[str, object]) -> None:
    with (STATE / "asked.jsonl").open("a") as file:
        file.write(json.dumps(what) + "\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def answer(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        while (STATE / "slow").exists():
            time.sleep(0.01)
        self.answer(200, {})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.answer(401, {"error": {"message": "wrong key"}})
            return
        body = json.loads(raw)
        note({"path": self.path, "pid": os.getpid(), **body})
        if (STATE / "refuse").exists():
            path, _, words = (STATE / "refuse").read_text().partition(" ")
            if path == self.path:
                self.answer(400, {"error": {"message": words}})
                return
        if self.path != "/v1/completions":
            self.answer(200, {})
        elif body.get("logprob_token_ids"):
            self.answer(200, likely(body))
        elif body.get("logprobs") is not None:
            self.answer(200, probed(body))
        else:
            wait_for_turn()
            self.answer(200, said(body))


def wait_for_turn() -> None:
    """Until one more reply is allowed, of all that this and earlier servers have given."""
    while True:
        with TURN:
            file = STATE / "asked.jsonl"
            given = file.read_text().count('"path": "answered"')
            if given < allowed():
                note({"path": "answered"})
                return
        time.sleep(0.01)


def allowed() -> float:
    try:
        return float((STATE / "hold").read_text())
    except (OSError, ValueError):
        return float("inf")


def choice(**fields: object) -> dict[str, object]:
    return {"choices": [{"index": 0, "text": "", "finish_reason": "stop", **fields}]}


def said(body: dict[str, object]) -> dict[str, object]:
    """The same to the same seed, and other to others."""
    tokens = json.loads((STATE / "reply.json").read_text())
    last = tokens.pop()
    middle = tokens[body["seed"] % max(1, len(tokens)) :]
    return choice(token_ids=[*middle, last][-body["max_tokens"] :])


def probed(body: dict[str, object]) -> dict[str, object]:
    for probe in json.loads((STATE / "probes.json").read_text()):
        if probe["prompt"] == body["prompt"]:
            logs = {"token_logprobs": probe["logs"]}
            return choice(token_ids=probe["said"], logprobs=logs)
    return choice(token_ids=[1], logprobs={"token_logprobs": [-100.0]})


def likely(body: dict[str, object]) -> dict[str, object]:
    """The higher an id, the likelier."""
    logs = {f"token_id:{token}": token / 1000 - 9 for token in body["logprob_token_ids"]}
    return choice(token_ids=[1], logprobs={"top_logprobs": [logs]})


def main() -> None:
    if (STATE / "fail").exists():
        sys.stderr.write((STATE / "fail").read_text())
        sys.exit(1)
    cannot = STATE / "cannot.json"
    for option, words in (json.loads(cannot.read_text()) if cannot.exists() else {}).items():
        if option in sys.argv:
            sys.stderr.write(words)
            sys.exit(1)
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    sys.stderr.write("Starting to load model\n")
    note({"path": "start", "pid": os.getpid(), "worker": worker.pid, "argv": sys.argv[1:]})
    port = int(sys.argv[sys.argv.index("--port") + 1])
    ThreadingHTTPServer.request_queue_size = 256
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
