"""A program that takes vLLM's command line and speaks as much of its HTTP as is asked of it.

What it does is told by files in the folder ``$FAKE_VLLM``: ``fail`` (text to die with at the
start), ``hold`` (no reply while it is there), ``reply.json`` (token ids that it says). It notes
every request in ``asked.jsonl`` and has a worker process, which does not end with it.
"""

import json
import os
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STATE = Path(os.environ["FAKE_VLLM"])


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
        self.answer(200, {})

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers["Authorization"] != f"Bearer {os.environ['VLLM_API_KEY']}":
            self.answer(401, {"error": {"message": "wrong key"}})
            return
        body = json.loads(raw)
        note({"path": self.path, "pid": os.getpid(), **body})
        if self.path != "/v1/completions":
            self.answer(200, {})
            return
        while (STATE / "hold").exists():
            time.sleep(0.01)
        self.answer(200, completion(body))


def completion(body: dict[str, object]) -> dict[str, object]:
    said = json.loads((STATE / "reply.json").read_text())[: body["max_tokens"]]
    choice = {"token_ids": said, "text": "", "finish_reason": "stop", "index": 0}
    if body.get("logprobs") is not None:
        choice["logprobs"] = {"token_logprobs": [0.0] * len(said)}
    if wanted := body.get("logprob_token_ids"):
        # the higher the id, the likelier; written as vLLM does when asked for ids
        choice["logprobs"] = {"top_logprobs": [{f"token_id:{i}": i / 1000 - 9 for i in wanted}]}
    return {"choices": [choice], "usage": {"prompt_tokens": 1, "completion_tokens": len(said)}}


def main() -> None:
    if (STATE / "fail").exists():
        sys.stderr.write((STATE / "fail").read_text())
        sys.exit(1)
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    note({"path": "start", "pid": os.getpid(), "worker": worker.pid, "argv": sys.argv[1:]})
    port = int(sys.argv[sys.argv.index("--port") + 1])
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.serve_forever()


if __name__ == "__main__":
    main()
