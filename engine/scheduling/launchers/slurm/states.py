"""What Slurm's words mean, in plain words: states of a job, and reasons why one is pending."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from engine.store.phase_log import Probe

Outlook = Literal["waits", "needs you", "will never start"]

# A word that is in neither table (a newer Slurm's) is shown as it is, and ends nothing.
PASSING: dict[str, tuple[Probe, str]] = {
    "PENDING": ("pending", ""),
    "CONFIGURING": ("pending", "its node is being started"),
    "REQUEUED": ("pending", "back in the queue"),
    "REQUEUE_FED": ("pending", "back in the queue of another cluster"),
    "REQUEUE_HOLD": ("pending", "back in the queue, and held: scontrol release lets it go on"),
    "SPECIAL_EXIT": ("pending", "back in the queue, and held: scontrol release lets it go on"),
    "RESV_DEL_HOLD": ("pending", "held, since its reservation was deleted"),
    "PREEMPTED": ("pending", "gave way to a job that comes first; it goes on later"),
    "RUNNING": ("running", ""),
    "RESIZING": ("running", "its allocation is being changed"),
    "COMPLETING": ("running", "ending: its node is being cleaned up"),
    "SIGNALING": ("running", "is being sent a signal"),
    "STAGE_OUT": ("running", "its files are being copied back"),
    "STOPPED": ("running", "stopped where it stands; it keeps its node"),
    "SUSPENDED": ("running", "suspended where it stands; it goes on by itself"),
}
# ended, and what to do; "" where the phase's own words say it
ENDED: dict[str, str] = {
    "COMPLETED": "",
    "FAILED": "",
    "CANCELLED": "cancelled, by hand or by an administrator (scancel); go on with: sirt retry",
    "TIMEOUT": "the time limit came before it had saved its work; "
    "raise the site's time for this kind of phase, then go on with: sirt retry",
    "DEADLINE": "it could not end before its --deadline; leave that out of the site, then go on "
    "with: sirt retry",
    "OUT_OF_MEMORY": "it took more memory than the job had; raise the site's memory for this kind "
    "of phase, then go on with: sirt retry",
    "NODE_FAIL": "its node failed; it is tried again by itself, twice",
    "BOOT_FAIL": "its node did not start; it is tried again by itself, twice",
    "REVOKED": "another cluster has taken it over",
}
IN_VAIN = "DependencyNeverSatisfied"  # why Slurm itself cancelled a job, though it says CANCELLED
NODE_FAILED = frozenset({"NODE_FAIL", "BOOT_FAIL"})
_IN_LOG = (
    (re.compile(r"oom[-_ ]kill|out of memory", re.IGNORECASE), "OUT_OF_MEMORY"),
    (re.compile(r"DUE TO NODE FAIL"), "NODE_FAIL"),
    (re.compile(r"DUE TO PREEMPTION"), "PREEMPTED"),
    (re.compile(r"DUE TO TIME LIMIT"), "TIMEOUT"),
    (re.compile(r"DUE TO DEADLINE"), "DEADLINE"),
    (re.compile(r"JOB \d+ ON \S+ CANCELLED"), "CANCELLED"),
)

# the first pattern that a reason matches as a whole
REASONS: tuple[tuple[str, Outlook, str], ...] = (
    ("None|", "waits", "in the queue"),
    ("Priority", "waits", "other jobs come first"),
    ("Resources", "waits", "it is next, and waits for a node that is free"),
    ("Dependency", "waits", "for the phase before it"),
    (IN_VAIN, "needs you", "a phase before it ended badly; retry that one"),
    ("BeginTime", "waits", "it may start again in a moment"),
    ("Cleaning|Prolog|NodeNotAvail|NodeDown", "waits", "a node is being made ready"),
    ("Licenses", "waits", "for a licence"),
    ("Reservation", "waits", "for its reservation to begin"),
    ("ReservationDeleted", "needs you", "its reservation was deleted; change the site's sbatch:"),
    ("JobArrayTaskLimit", "waits", "as many of its array run as may"),
    ("JobHeldUser", "needs you", "held by you; release its run: sirt queue --release"),
    ("JobHeldAdmin", "needs you", "held by an administrator; ask them"),
    (
        "launch failed requeued held",
        "needs you",
        "it could not be started on its node, and is held; scontrol release tries again",
    ),
    ("PartitionDown|PartitionInactive", "needs you", "the partition is closed; name another one"),
    ("PartitionTimeLimit", "will never start", "it asks for more time than the partition gives"),
    ("PartitionNodeLimit|PartitionConfig", "will never start", "the partition gives no such nodes"),
    ("BadConstraints", "will never start", "no node has these features; change constraint:"),
    (
        "ReqNodeNotAvail.*[Mm]aint.*|.*[Mm]aintenance.*",
        "will never start",
        "its time would reach into a maintenance",
    ),
    ("ReqNodeNotAvail.*", "waits", "the nodes that it needs are down, drained or reserved"),
    ("InvalidAccount|AccountNotAllowed", "needs you", "the account may not be used; see account:"),
    ("InvalidQOS|QOSNotAllowed", "needs you", "the QOS may not be used; see qos:"),
    (
        "(QOS|Assoc|AssociationJob)Max(Wall|.*Time).*",
        "will never start",
        "it asks for more time than one job may have",
    ),
    (
        "(QOS|Assoc)Max(?!Jobs|Submit).*PerJob(Limit)?",
        "will never start",
        "it asks for more than one job may have",
    ),
    (
        "(QOS|Assoc)Min.*",
        "will never start",
        "it asks for less than a job must",
    ),
    (
        "(QOS|Assoc)(Grp|Max).*(Minutes|RunMinutes|Billing).*|QOSUsageThreshold|AssocGrpWall.*"
        "|QOSGrpWall.*|QOSResourceLimit|AssociationResourceLimit",
        "needs you",
        "the hours of your account or group are used up; ask for more",
    ),
    (
        "(QOS|Assoc)(Max|Grp)(Jobs|Submit).*|(Association|QOS)JobLimit",
        "waits",
        "as many jobs run or wait as may; the next starts when one ends",
    ),
    (
        "(QOS|Assoc)(Max|Grp).*",
        "waits",
        "you or your group use as much as may be used at once; the next starts when a job ends",
    ),
    ("SystemFailure", "needs you", "Slurm itself failed; ask an administrator"),
    (
        "(JobLaunchFailure|NonZeroExitCode|TimeLimit|InactiveLimit|FrontEndDown)",
        "needs you",
        "look at the job with scontrol show job",
    ),
)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a job is pending. ``said``: in plain words, with Slurm's own in brackets."""

    outlook: Outlook
    said: str


def short(state: str) -> str:
    """``CANCELLED`` of ``CANCELLED by 1000``, and of ``CANCELLED+``."""
    return (state.split() or [""])[0].rstrip("+")


def reason(word: str, fits: str = "") -> Reason:
    """A pending job's reason; ``fits``: what would start, for one that never does."""
    word = word.strip().strip("()")
    plain = word.replace("_", " ")
    for pattern, outlook, said in REASONS:
        if re.fullmatch(pattern, word) or re.fullmatch(pattern, plain):
            known = f" ({word})" if word not in ("", "None") else ""
            more = f"; {fits}" if fits and outlook == "will never start" else ""
            prefix = "" if word in ("", "None") else f"{outlook}: "
            return Reason(outlook, f"{prefix}{said}{more}{known}")
    return Reason("waits", f"waits: Slurm says {word}")


def ended(state: str) -> str:
    """How a job ended, beginning with Slurm's word; "" where its phase's own words say it."""
    said = ENDED.get(short(state), "")
    return f"{short(state)}: {said}" if said else ""


def of_log(text: str) -> str:
    """The state that the end of Slurm's own output tells of, "" where it tells none."""
    return next((state for sign, state in _IN_LOG if sign.search(text)), "")
