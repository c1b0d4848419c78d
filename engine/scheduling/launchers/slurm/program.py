"""Runs Slurm's commands: with an environment free of Slurm's variables, and a limit on time."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOOK_S = 10.0  # with its controller gone, Slurm's commands wait far longer
FOREIGN = ("SLURM_", "SBATCH_", "SQUEUE_", "SACCT_", "SCONTROL_", "SINFO_", "SCANCEL_", "PMI")
KEPT = frozenset({"SLURM_CONF"})  # says which cluster, nothing of the job around us
SECRET = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS)$", re.IGNORECASE)


class NoAnswer(OSError):
    """A command that could not be asked: missing, out of time, refused."""


class TooSlow(NoAnswer):
    """A command that was begun, and not waited for to its end."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """Its refusal in one line, in its own words."""
        lines = [line.strip() for line in (self.err or self.out).splitlines() if line.strip()]
        told = [re.sub(r"^\w+: (error: )?", "", line) for line in lines]
        return "; ".join(dict.fromkeys(told)) or f"exit code {self.code}, without a word"


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """An environment for Slurm's commands, which a job inherits: whatever an allocation around us
    has set would bind the job to its cores or options. Times are UTC."""
    given = os.environ if given is None else given
    kept = {k: v for k, v in given.items() if k in KEPT or not k.startswith(FOREIGN)}
    return kept | {"TZ": "UTC"}


def job_environment() -> dict[str, str]:
    """As :func:`environment`, for what a job inherits: its own time zone, and no keys, since Slurm
    writes a job's environment to its disk."""
    found = {k: v for k, v in environment().items() if not SECRET.search(k)}
    zone = os.environ.get("TZ")
    return found | {"TZ": zone} if zone else {k: v for k, v in found.items() if k != "TZ"}


def ask(
    command: Sequence[str],
    limit_s: float = LOOK_S,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Said:
    """Run a command to its end; :class:`NoAnswer` when it is missing or takes too long."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            env=dict(environment() if env is None else env),
            pass_fds=tuple(pass_fds),
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise TooSlow(f"{command[0]}: no answer within {limit_s:.0f} s") from None
    except OSError as error:
        raise NoAnswer(f"{command[0]}: {error.strerror or error}") from error
    out, err = (text.decode(errors="replace") for text in (done.stdout, done.stderr))
    return Said(done.returncode, out, err)
