"""Sends a notice: by a command, or to a webhook. What fails is told without any address."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.schema.sanitize import one_line

if TYPE_CHECKING:
    from collections.abc import Callable

    from engine.schema.notify import Channel, Notify

LIMIT_S = 20.0  # for each try of one channel
PAUSES_S = (2.0, 10.0)  # between tries of a webhook that is away or busy
BUSY = 429
SAID = 300  # characters of what a command wrote
VARIABLES = (  # of the facts, for a command
    "event", "run", "name", "experiment", "arm", "student", "teacher", "task", "seed",
    "phase", "error", "runs", "host", "text",
)  # fmt: skip


class Unsent(Exception):
    """Why a notice was not sent, without the webhook's address."""


def send(
    notify: Notify,
    channel: Channel,
    facts: dict[str, Any],
    pause: Callable[[float], object],
    limit_s: float = LIMIT_S,
) -> None:
    """Send the facts by one channel; ``Unsent`` when that fails. ``pause`` waits so many
    seconds."""
    if channel == "command":
        _run(notify.command, facts, limit_s)
    else:
        _post(_address(notify), facts, pause, limit_s)


def _run(command: str, facts: dict[str, Any], limit_s: float) -> None:
    """Run the command in a session of its own, which is killed as a whole when it takes too
    long."""
    told = {f"SIRT_{name.upper()}": str(facts.get(name) or "") for name in VARIABLES}
    child = subprocess.Popen(
        command,
        shell=True,  # the user's own line
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=os.environ | {name: value.replace("\0", "") for name, value in told.items()},
        start_new_session=True,
    )
    try:
        said, _ = child.communicate(json.dumps(facts).encode(), timeout=limit_s)
    except subprocess.TimeoutExpired:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
        child.communicate()
        raise Unsent(f"the command took more than {limit_s:.0f} s; ended") from None
    if child.returncode:
        words = one_line(said.decode(errors="replace").strip())[-SAID:]
        raise Unsent(f"the command ended with {child.returncode}{f': {words}' if words else ''}")


def _address(notify: Notify) -> str:
    if notify.webhook_env:
        where, address = f"${notify.webhook_env}", os.environ.get(notify.webhook_env, "")
    else:
        where = notify.webhook_file
        try:
            address = Path(where).read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            raise Unsent(f"{where}: the webhook's address can't be read") from None
    address = address.strip()
    if not address:
        raise Unsent(f"{where} holds no webhook's address; set it where the runs are launched")
    if not address.startswith(("https://", "http://")):
        raise Unsent(f"{where} holds no web address: it should begin with https://")
    return address


def _post(
    address: str, facts: dict[str, Any], pause: Callable[[float], object], limit_s: float
) -> None:
    """Post ``{"text": …}``, the form that Slack, Mattermost, Teams and Discord (at an address that
    ends with /slack) take. A server that is away or busy is asked again, twice."""
    import httpx2 as httpx

    for wait in (*PAUSES_S, None):
        try:
            found = httpx.post(address, json={"text": _escaped(facts["text"])}, timeout=limit_s)
            why = f"the webhook's server answered {found.status_code}"
            again = found.status_code == BUSY or found.status_code >= 500
            if found.is_success:
                return
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            why, again = f"the webhook can't be reached ({type(error).__name__})", True
            again = not isinstance(error, httpx.InvalidURL | ValueError)
        if wait is None or not again:
            raise Unsent(why)
        pause(wait)


def _escaped(text: str) -> str:
    """Keep a name such as ``both <wren-3m`` from being read as a link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
