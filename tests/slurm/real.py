"""A Slurm of our own on this machine: one controller and two nodes with two made-up GPUs each.

It needs Slurm's and munge's programs (Debian: slurmctld slurmd slurm-client munge), no service and
no rights beyond those to start them, which are root's.

    python -m tests.slurm.real FOLDER      starts one there, says what a shell needs, waits
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "munge")
NODES, GPUS, CORES = 2, 2, 4
DEADLINE_S = 60.0
SBIN = "/usr/sbin:/sbin"
CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
DefMemPerCPU=200
GresTypes=gpu
SlurmdParameters=config_overrides
ReturnToService=2
SlurmdTimeout={node_timeout}
KillWait=5
MinJobAge=300
JobRequeue=1
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1,batch_sched_delay=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
NodeName=n[1-{nodes}] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{first}-{last}] CPUs={cores} \
RealMemory=8000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP PriorityTier=1
PartitionName=high Nodes=ALL MaxTime=INFINITE State=UP PriorityTier=10
PartitionName=short Nodes=ALL MaxTime=1 State=UP PriorityTier=1
"""


def missing() -> str:
    """The first program that is not installed, or what else is in the way; "" when all is there."""
    path = f"{os.environ['PATH']}:{SBIN}"
    absent = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if absent:
        return f"{absent[0]} is not installed"
    return "" if os.geteuid() == 0 else "slurmd starts as root only"


def free_ports(count: int) -> list[int]:
    """Ports that follow each other and that nobody listens on."""
    for first in range(20_000 + os.getpid() % 20_000, 60_000, count):
        sockets = []
        try:
            for port in range(first, first + count):
                one = socket.socket()
                sockets.append(one)
                one.bind(("127.0.0.1", port))
            return list(range(first, first + count))
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise RuntimeError("no free ports")


@dataclass
class Slurm:
    """The cluster in ``folder``. ``node_timeout``: seconds until a silent node counts as down."""

    folder: Path
    node_timeout: int = 10
    _daemons: dict[str, int] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        path = f"{os.environ['PATH']}:{SBIN}"
        return {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": path}

    def run(self, *command: str, check: bool = True) -> str:
        env = os.environ | self.environment
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, check=False, timeout=DEADLINE_S
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stderr}"
        return done.stdout

    # --- life ---

    def start(self) -> None:
        self.folder.mkdir(parents=True)
        self.folder.chmod(0o755)  # munge refuses a socket where others may write
        self._write()
        self._munge()
        self.start_controller()
        for number in range(1, NODES + 1):
            self.start_node(f"n{number}")
        self.until(lambda: self.idle() == NODES, "the nodes are idle")

    def start_controller(self) -> None:
        self.run("slurmctld")

    def start_node(self, name: str) -> None:
        (self.folder / f"spool-{name}").mkdir(exist_ok=True)
        self.run("slurmd", "-N", name)

    def kill(self, what: str, how: int = signal.SIGKILL) -> None:
        """Kill ``slurmctld`` or ``slurmd-n1``, as a power cut would, or with another signal."""
        pid = int((self.folder / f"{what}.pid").read_text())
        os.kill(pid, how)
        self.until(lambda: not Path(f"/proc/{pid}").exists() or _zombie(pid), f"{what} is gone")

    def stop(self) -> None:
        """End jobs, nodes, controller and munge, in this order."""
        self.run("scancel", f"--user={_user()}", check=False)
        deadline = time.monotonic() + 15
        while self.run("squeue", "-h", check=False).strip() and time.monotonic() < deadline:
            time.sleep(0.1)
        nodes = [f"slurmd-n{number}" for number in range(1, NODES + 1)]
        for name in (*nodes, "slurmctld", "munged"):
            pid = self.folder / f"{name}.pid"
            if pid.exists():
                _end(int(pid.read_text()))

    def idle(self) -> int:
        nodes = self.run("sinfo", "-h", "-N", "-p", "gpu", "-t", "idle", "-o", "%N", check=False)
        return len(set(nodes.split()))

    def until(self, condition, what: str, within_s: float = DEADLINE_S):
        """The condition's first true value."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.1)
        logs = [f"{log.name}: {log.read_text()[-2000:]}" for log in self.folder.glob("*.log")]
        raise AssertionError(f"never happened: {what}\n" + "\n".join(logs))

    # --- what it is made of ---

    def _write(self) -> None:
        port, *ports = free_ports(NODES + 1)
        text = CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            user=_user(),
            folder=self.folder,
            port=port,
            first=ports[0],
            last=ports[-1],
            nodes=NODES,
            cores=CORES,
            gpus=GPUS,
            node_timeout=self.node_timeout,
        )
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "state").mkdir()
        files = ",".join(self._devices())
        gres = f"AutoDetect=off\nNodeName=n[1-{NODES}] Name=gpu File={files}\n"
        (self.folder / "gres.conf").write_text(gres)
        # without systemd: older versions take the first hierarchy of groups, newer ones can do
        # without any
        old = re.search(r" 2[0-2]\.", self.run("slurmctld", "-V"))
        plugin = "cgroup/v1" if old else "disabled"
        (self.folder / "cgroup.conf").write_text(f"CgroupPlugin={plugin}\n")

    def _devices(self) -> list[str]:
        """A character device for each GPU, or Slurm would not count it."""
        found = []
        for number in range(GPUS):
            device = self.folder / f"gpu{number}"
            try:
                os.mknod(device, 0o20666, os.makedev(1, 3))
            except PermissionError:
                return ["/dev/zero", "/dev/full"]
            found.append(str(device))
        return found

    def _munge(self) -> None:
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(secrets.token_bytes(128))
        socket_file = f"{self.folder}/munge.socket"
        self.run(
            "munged", "--force", f"--socket={socket_file}", f"--key-file={key}",
            f"--pid-file={self.folder}/munged.pid", f"--log-file={self.folder}/munged.log",
            f"--seed-file={self.folder}/munge.seed",
        )  # fmt: skip
        self.until(lambda: Path(socket_file).exists(), "munge listens")


def _user() -> str:
    import getpass

    return getpass.getuser()


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
        for _ in range(50):
            os.kill(pid, 0)
            if _zombie(pid):
                return
            time.sleep(0.1)
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def main() -> None:
    slurm = Slurm(Path(sys.argv[1]).absolute())
    try:
        slurm.start()
        for name, value in slurm.environment.items():
            print(f"export {name}={value}")  # noqa: T201
        input()
    finally:
        slurm.stop()


if __name__ == "__main__":
    main()
