"""The script of a phase's job: what it asks for, and what is done around the phase.

Its first line says where it started. Before the time limit, or when something that comes first
needs the node, the phase is asked to save its work, and the job goes back to the queue.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from engine.interfaces import Devices
from engine.machine.allocation import BARREN, GOES_ON, JOB, SCRATCH
from engine.machine.devices import environment
from engine.scheduling.launchers.local import phase_command
from engine.schema.site import seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from engine.scheduling.launchers.slurm.arrays import ArrayDir
    from engine.schema.site import Asked, Site
    from engine.store.layout import AttemptDir, PhaseDir

OWN_DISK = """\
scratch="{folder}"
if [ -d "$scratch" ] && mkdir -p "$scratch/sirt-$SLURM_JOB_ID"; then
  export {name}="$scratch/sirt-$SLURM_JOB_ID"
else
  echo "scratch {folder}: no such folder on this node; everything is written to the runs"
fi"""
STARTED = "started on "
LEAD_S = 90  # between being asked to save and the time limit
Program = tuple[Path, dict[str, str]]
HERE: Program = (Path(__file__).resolve().parents[4], {})

BODY = """\
id={id}
attempt={attempt}
if ! (set -o noclobber; echo "$id" >"$attempt/job") 2>/dev/null \\
    && [ "$(cat "$attempt/job")" != "$id" ]; then
  echo "job $(cat "$attempt/job") has this attempt; nothing is done here"
  exit 1
fi
rm -f "$attempt/yield" "$attempt/exit" "$attempt/code" "$attempt/death"
{exports}
{setup}
{scratch}
gpus={gpus}
if [[ ${{CUDA_VISIBLE_DEVICES:-}} =~ ^[0-9]+(,[0-9]+)*$ ]]; then gpus=$CUDA_VISIBLE_DEVICES; fi
asked= timer=
save() {{ asked=$1; : >"$attempt/yield"; }}
requeue() {{  # but one that never came as far as its first event is left to its limit
  [ -e "$attempt/events.jsonl" ] || [ "${{SLURM_RESTART_COUNT:-0}}" -lt {barren} ] || return
  scontrol requeue "$id"
}}
last() {{  # the signal may come a minute early: wait for the phase as long as there is time
  wait={patience}
  if [[ $(squeue --noheader --job="$id" --format=%L) =~ ^([0-9]+):([0-9][0-9])$ ]]; then
    wait=$((10#${{BASH_REMATCH[1]}} * 60 + 10#${{BASH_REMATCH[2]}} - {reserve}))
  fi
  sleep $((wait > 0 ? wait : 0))
  requeue
}}
trap 'save limit; last & timer=$!' USR1
trap 'save term' TERM
(srun {tasks} --cpus-per-task={cpus} {command} >>"$attempt/stdout.log" 2>>"$attempt/stderr.log"
echo $? >"$attempt/code") &
phase=$!
until [ -s "$attempt/code" ] || ! kill -0 "$phase" 2>/dev/null; do wait "$phase"; done
code=$(cat "$attempt/code" 2>/dev/null || echo 1)
[ -z "${{{own_disk}:-}}" ] || rm -rf "${own_disk}"
if [ "$code" = {goes_on} ] && [ "$asked" = limit ]; then
  requeue && sleep 300
elif [ "$code" = {goes_on} ] && ! [ -e "$attempt/stop" ]; then
  sleep 300  # whoever ends this job puts it back in the queue, or doesn't
fi
[ -z "$timer" ] || kill "$timer" 2>/dev/null
echo "$code" >"$attempt/exit"
exit "$code"
"""


def script(
    phase: PhaseDir,
    attempt: AttemptDir,
    name: str,
    site: Site,
    asked: Asked,
    after: Sequence[str] = (),
    after_any: Sequence[str] = (),
    program: Program = HERE,
    array: ArrayDir | None = None,
) -> str:
    """The text of the job's script. ``after``: jobs that must have succeeded before it starts;
    ``after_any``: jobs that must have ended. ``program``: its folder, and variables that say which
    it is. ``array``: a task for each of its attempts, of which ``attempt`` is one."""
    options = _options(attempt, name, site, asked, after, after_any, array)
    lines = ["#!/bin/bash", *(f"#SBATCH {option}" for option in options)]
    lines.append(f'echo "{STARTED}${{SLURMD_NODENAME:-$(hostname)}}"')
    python = str(Path(site.environment) / "bin" / "python") if site.environment else sys.executable
    devices = devices_of(asked)
    words = phase_command((python, "-m", "engine"), phase, attempt, devices)
    mine = {str(phase.path.resolve()): '"${attempt%/*}"', str(attempt.path.resolve()): '"$attempt"'}
    quoted = [mine.get(word) or shlex.quote(word) for word in words]
    if devices.gpus:
        quoted[words.index("--gpus") + 1] = '"$gpus"'
    body = BODY.format(
        id="${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID" if array else "$SLURM_JOB_ID",
        attempt=_of_task(array) if array else shlex.quote(str(attempt.path.resolve())),
        exports="\n".join(_exports(devices, program)),
        setup="\n".join(site.setup),
        own_disk=SCRATCH,
        scratch=_own_disk(site.scratch) if asked.nodes == 1 else "",
        gpus=",".join(map(str, devices.gpus)),
        tasks=_tasks(asked),
        cpus=asked.cpus,
        command=" ".join(quoted),
        goes_on=GOES_ON,
        patience=lead(asked.time) * 3 // 4,
        reserve=max(8, lead(asked.time) // 4),
        barren=BARREN,
    )
    return "\n".join(lines) + "\n" + body


def devices_of(asked: Asked) -> Devices:
    """The devices of a job, numbered from 0 on each node."""
    gpus = tuple(range(asked.gpus))
    return Devices(gpus, asked.cpus, asked.nodes, asked.processes, asked.shard)


def asked_with(asked: Asked, devices: Devices) -> Asked:
    """The same job with these devices."""
    return asked._replace(
        gpus=len(devices.gpus),
        cpus=devices.threads,
        nodes=devices.nodes,
        processes=devices.on_cpu,
        shard=devices.shard,
    )


def _of_task(array: ArrayDir) -> str:
    return f"$(readlink -f {shlex.quote(str(array.path.resolve()))}/$SLURM_ARRAY_TASK_ID)"


def _own_disk(folder: str) -> str:
    return OWN_DISK.format(folder=folder, name=SCRATCH) if folder else ""


def lead(time: str) -> int:
    """Seconds before the limit at which the phase is asked to save its work."""
    return int(min(LEAD_S, max(10, seconds_of(time) / 3)))


def _options(
    attempt: AttemptDir,
    name: str,
    site: Site,
    asked: Asked,
    after: Sequence[str],
    after_any: Sequence[str],
    array: ArrayDir | None,
) -> Iterable[str]:
    yield f"--job-name={name}"
    if array:
        yield f"--array=0-{len(array.attempts()) - 1}"
    folder = str((array or attempt).path.resolve()).replace("%", "%%")
    yield f'--output="{folder}/{"%a/" if array else ""}{attempt.queue_log.name}"'
    yield "--open-mode=append"
    yield "--chdir=/"
    for option, value in (
        ("partition", site.partition),
        ("account", site.account),
        ("qos", site.qos),
        ("constraint", site.constraint),
        ("time", asked.time),
        ("mem", asked.memory),
    ):
        if value:
            yield f"--{option}={value}"
    yield f"--nodes={asked.nodes}"
    yield f"--ntasks={asked.nodes}"
    yield f"--cpus-per-task={asked.cpus}"
    if asked.gpus:
        yield f"--gres={site.gres}:{asked.gpus}"
    yield f"--signal=B:USR1@{lead(asked.time)}"
    yield "--requeue"
    needs = [f"afterok:{':'.join(after)}"] * bool(after)
    needs += [f"afterany:{':'.join(after_any)}"] * bool(after_any)
    if needs:
        yield f"--dependency={','.join(needs)}"
        yield "--kill-on-invalid-dep=yes"
    yield from site.sbatch


def _tasks(asked: Asked) -> str:
    """Options of srun: a task a node, which all end when one of them dies."""
    if asked.nodes == 1:
        return "--ntasks=1"
    count = f"--nodes={asked.nodes} --ntasks={asked.nodes} --ntasks-per-node=1"
    return f"{count} --kill-on-bad-exit=1"


def _exports(devices: Devices, program: Program) -> Iterable[str]:
    folder, told = program
    yield f"export {JOB}=$id"
    yield "export HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1"
    yield f"export PYTHONPATH={shlex.quote(str(folder))}${{PYTHONPATH:+:$PYTHONPATH}}"
    for name, value in (environment(devices) | told).items():
        if name != "CUDA_VISIBLE_DEVICES" or not devices.gpus:
            yield f"export {name}={shlex.quote(value)}"
