"""Sites: files read strictly, detected from what Slurm prints, checked before a launch."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands.site_jobs import refusals
from engine.machine.allocation import GOES_ON
from engine.planning import sites
from engine.planning.sites import load_site
from engine.scheduling.launchers.slurm import detect
from engine.scheduling.launchers.slurm.script import lead, script
from engine.scheduling.queue import DeviceRequest, read_queue
from engine.schema.cards import LocalWeights, ModelCard
from engine.schema.errors import Problems, UserError
from engine.schema.site import Asked, Site, seconds_of
from engine.schema.specs import InstructSpec
from engine.store.layout import PhaseDir

# as Slurm 20.11 and 25.11 print them; the fields that are read are alike
PARTITIONS = {
    "20.11": """\
PartitionName=debug Default=YES QoS=N/A DefaultTime=NONE MaxTime=00:30:00 MinNodes=0 State=UP
PartitionName=gpu Default=NO QoS=gpu DefaultTime=01:00:00 MaxTime=2-00:00:00 State=UP TotalNodes=8
PartitionName=old AllowGroups=ALL Default=NO MaxTime=UNLIMITED State=DOWN TotalCPUs=8 TotalNodes=1
""",
    "25.11": """\
PartitionName=debug AllowQos=ALL Default=YES MaxTime=00:30:00 State=UP TRES=cpu=512,gres/gpu=4
PartitionName=gpu Default=NO QoS=gpu MaxTime=2-00:00:00 MaxCPUsPerSocket=UNLIMITED State=UP
PartitionName=old AllowGroups=ALL Default=NO MaxTime=UNLIMITED State=DOWN TRES=cpu=8
""",
}
NODES = {
    "20.11": """\
debug*|(null)|32|512000|(null)|idle
gpu|gpu:a100:4(S:0-1)|64|1031000|a100,nvlink|mixed
gpu|gpu:a100:4(S:0-1)|64+|1031000+|a100,nvlink|drained*
""",
    "25.11": """\
debug*|(null)|32|512000|(null)|idle
gpu|gpu:a100:4(S:0-1),shard:16(S:0-1)|64|1031000|nvlink,a100|planned
""",
}


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A person without sites."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "sirt" / "sites"


@pytest.fixture
def said(cluster, home):
    """What ``sirt`` prints, of the folder beside the cluster."""

    def run(*words: str, code: int = 0, answers: str = "") -> str:
        given = ["--runs", str(cluster.runs.root), *words]
        done = CliRunner().invoke(sirt, given, input=answers)
        if isinstance(done.exception, UserError):
            assert code == 2, done.exception
            return str(done.exception)
        assert done.exit_code == code, done.output
        return done.output

    return run


def test_every_shipped_site_can_be_read():
    found = sorted(sites.SHIPPED.glob("*.yaml"))
    assert found
    for path in found:
        site = load_site(path)
        keys = set(Site.model_fields)
        text = path.read_text()
        assert all(f"\n{key}:" in text for key in keys), "a comment on every key"
        assert site.asked("instruct").time == "12:00:00"


@pytest.mark.parametrize(
    ("text", "line", "hint"),
    [
        ("launcher: slurm\npartitoin: gpu\n", 2, "did you mean 'partition'"),
        ("launcher: slurn\n", 1, "did you mean 'slurm'"),
        ("partition: a b\n", 1, "one word"),
        ("phases:\n  instrct: {gpus: 1}\n", 2, "did you mean 'instruct'"),
        ("phases:\n  all: {tme: '1:00'}\n", 2, "did you mean 'time'"),
        ("phases:\n  all: {time: 1 hour}\n", 2, "12:00:00"),
        ("phases:\n  all: {memory: 32 GB}\n", 2, "32G"),
        ("phases:\n  all: {gpus: -1}\n", 2, "greater than or equal to 0"),
        ("jobs: 0\n", 1, "greater than or equal to 1"),
        ("sbatch: [exclude n7]\n", 1, "no option of sbatch"),
        ("sbatch: ['--dependency=afterok:1']\n", 1, "the launcher sets --dependency itself"),
        ("setup: module load cuda\n", 1, "setup"),
    ],
)
def test_a_wrong_key_is_told_with_its_line_and_what_is_meant(tmp_path, text, line, hint):
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with pytest.raises(Problems) as told:
        load_site(path)
    assert f"{path}:{line}: " in str(told.value)
    assert hint in str(told.value)


def test_times_as_slurm_writes_them():
    written = {"90": 5400, "1:30": 90, "1:30:00": 5400, "2-00:00:00": 172_800, "1-12": 129_600}
    assert {text: seconds_of(text) for text in written} == written
    assert seconds_of("UNLIMITED") == float("inf")
    assert [lead(text) for text in ("1:00", "4:00:00")] == [20, 90]


def test_a_script_holds_what_the_site_says_in_this_order(tmp_path):
    site = Site(
        partition="gpu",
        account="lab",
        qos="long",
        constraint="a100&nvlink",
        gres="gpu:a100",
        environment="/env with space",
        setup=("module load cuda", "export X='a b'"),
        sbatch=("#SBATCH --exclude=n7", "--mail-type=END"),
    )
    phase = PhaseDir(tmp_path / "with space" / "instruct-x")
    phase.path.mkdir(parents=True)
    asked = Asked("12:00:00", "32G", 2, 8)
    text = script(phase, phase.next_attempt(), "sirt:n", site, asked, ["5", "6"], ["7"])
    lines = text.splitlines()
    options = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH")]
    assert {
        "--partition=gpu", "--account=lab", "--qos=long", "--constraint=a100&nvlink",
        "--gres=gpu:a100:2", "--time=12:00:00", "--mem=32G", "--cpus-per-task=8",
        "--signal=B:USR1@90", "--dependency=afterok:5:6,afterany:7", "--exclude=n7",
        "--mail-type=END", "--job-name=sirt:n",
    } <= set(options)  # fmt: skip
    first = next(line for line in lines if not line.startswith("#"))
    assert first.startswith('echo "started on ')
    assert text.index("module load cuda") < text.index("srun ")
    assert "srun --ntasks=1 --cpus-per-task=8 '/env with space/bin/python' " in text
    assert '--gpus "$gpus"' in text
    on_two = script(phase, phase.next_attempt(), "sirt:n", site, asked._replace(nodes=2))
    assert "#SBATCH --nodes=2\n#SBATCH --ntasks=2\n" in on_two
    assert "srun --nodes=2 --ntasks=2 --ntasks-per-node=1 --kill-on-bad-exit=1 " in on_two
    assert on_two.count("--nodes 2") == 1
    assert f"= {GOES_ON} ]" in text


@pytest.mark.parametrize("there", [True, False])
def test_a_nodes_own_disk_is_used_where_there_is_one(tmp_path, there):
    """The script itself, with stand-ins for what it calls."""
    phase = PhaseDir(tmp_path / "instruct-x")
    phase.path.mkdir()
    site = Site(scratch="$NODE_DISK/own", setup=(f"export NODE_DISK={tmp_path}",))
    if there:
        (tmp_path / "own").mkdir()
    asked = Asked("1:00:00", "", 0, 1)
    two = script(phase, phase.next_attempt(), "n", site, asked._replace(nodes=2))
    assert "export SIRT_SCRATCH" not in two, "processes of several nodes share no such folder"
    attempt = phase.new_attempt()
    (tmp_path / "job.sh").write_text(script(phase, attempt, "n", site, asked))
    srun = tmp_path / "bin" / "srun"
    srun.parent.mkdir()
    srun.write_text(
        '#!/bin/sh\necho "$SIRT_SCRATCH"\n[ -z "$SIRT_SCRATCH" ] || touch "$SIRT_SCRATCH/x"\n'
    )
    srun.chmod(0o755)
    env = {"PATH": f"{srun.parent}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"}
    command = ["bash", str(tmp_path / "job.sh")]
    said = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    wanted = f"{tmp_path}/own/sirt-7" if there else ""
    assert attempt.stdout.read_text().strip() == wanted
    assert ("no such folder on this node" in said) is not there
    assert not list((tmp_path / "own").iterdir()) if there else True


@pytest.mark.parametrize("version", ["20.11", "25.11"])
def test_partitions_limits_gpus_and_features_are_read_from_text(version):
    found = detect.of_partitions(PARTITIONS[version], NODES[version])
    assert [p.name for p in found] == ["debug", "gpu"]  # the third is down
    debug, gpu = found
    assert (debug.default, debug.limit, debug.gpus) == (True, "00:30:00", {})
    assert (gpu.limit, gpu.gpus, gpu.cores) == ("2-00:00:00", {"gpu:a100": 4}, 64)
    assert gpu.features == ("a100", "nvlink")
    assert detect.Found(found).usual == gpu


def test_accounts_and_qos_each_once():
    text = "lab|normal,long\nother|normal\n"
    assert detect.of_associations(text) == (("lab", "other"), ("normal", "long"))
    assert detect.of_associations("") == ((), ())


def test_a_site_is_made_of_what_is_there_without_accounting(cluster, said, home):
    (cluster.here / "scontrol").write_text(PARTITIONS["25.11"])
    (cluster.here / "sinfo").write_text(NODES["25.11"])
    assert "gpu:a100 x 4" in said("site", "init", "mine", "--yes")
    site = load_site(home / "mine.yaml")
    assert (site.partition, site.gres, site.account) == ("gpu", "gpu:a100", "")
    assert site.asked("instruct").time == "2-00:00:00"
    assert "TRES=cpu=512" in (home / "mine.detected.txt").read_text()
    assert "is there already" in said("site", "init", "mine", "--yes", code=2)
    assert "is there already" in said("site", "init", "mine", "--join", str(cluster.site), code=2)
    said("site", "init", "theirs", "--join", str(home / "mine.yaml"), "--group")
    assert (cluster.runs.root / "sites" / "theirs.yaml").read_bytes() == (
        home / "mine.yaml"
    ).read_bytes()
    listed = said("site", "list")
    assert all(f"{name}: " in listed for name in ("local", "mine", "theirs", "plain-slurm"))


def test_an_answer_that_can_not_be_is_asked_for_again(cluster, said, home):
    (cluster.here / "scontrol").write_text(PARTITIONS["25.11"])
    (cluster.here / "sinfo").write_text(NODES["25.11"])
    answers = ["gpu", "gpu:a100", "", "4h", "4:00:00", "16 GB", "16G", "module load cuda", ""]
    told = said("site", "init", "mine", answers="\n".join(answers) + "\n")
    assert "'4h': write it as Slurm does: 12:00:00" in told
    assert "'16 GB': write it as Slurm does: 32G" in told
    site = load_site(home / "mine.yaml")
    assert site.asked("instruct")[:2] == ("4:00:00", "16G")
    assert site.setup == ("module load cuda",)


def test_without_slurm_a_site_can_only_be_joined(cluster, said, monkeypatch):
    monkeypatch.setenv("PATH", str(cluster.here))
    assert "--join FILE" in said("site", "init", "mine", "--yes", code=2)


def test_an_unknown_site_names_the_nearest(said):
    assert "did you mean 'plain-slurm'" in said("plan", "pocket", "--site", "plain-slrum", code=2)


def test_a_plan_shows_what_would_be_asked_of_the_site(cluster, said):
    (cluster.runs.root / "sites").mkdir()
    site = cluster.runs.root / "sites" / "ours.yaml"
    site.write_text(
        "partition: long\nphases:\n  all: {time: '2:00:00', gpus: 2, cpus: 6}\n"
        "  instruct: {time: 1-00:00:00, memory: 40G, nodes: 2}\n"
        "  refine: {nodes: 3}\n"
    )
    lines = said("plan", "pocket", "--site", "ours").splitlines()
    (instruct,) = (line.split() for line in lines if " instruct " in line and " long " in line)
    assert instruct[2:] == ["long", "2", "gpu:2", "6", "40G", "00:30:00"], "estimated, not the most"
    (elicit,) = (line.split() for line in lines if " elicit " in line and " long " in line)
    assert elicit[2:] == ["long", "1", "gpu:2", "6", "default", "00:30:00"]
    assert any(line.startswith("about ") and "GPU-hours" in line for line in lines)
    uneven = (
        "refine.batch_size: 32 can't be divided among 6 processes (3 nodes with 2 GPUs each); use "
        "30 or 36, or another number of GPUs"
    )
    assert f"it can't be launched: {uneven}" in " ".join(lines)
    assert uneven in said("run", "pocket", "--site", "ours", code=2)
    site.write_text("phases:\n  instruct: {gpus: 2, shard: true}\n")
    card = ModelCard(name="small", family="f", source=LocalWeights(path="/x", precision="nf4"))
    training = InstructSpec(student=card, demonstrations="annotate-" + "0" * 16)
    (told,) = refusals([training], DeviceRequest(launcher=f"slurm:{site}"))
    assert "4-bit weights can't be split among processes: use precision: bf16 in card" in told
    assert not [call for call in cluster.calls if call.startswith("sbatch")]


def test_what_slurm_would_refuse_is_said_at_launch_and_nothing_is_queued(cluster, said):
    sbatch = cluster.here / "bin" / "sbatch"
    sbatch.write_text(
        "#!/bin/sh\necho 'sbatch: error: invalid partition specified: gpu' >&2\n"
        "echo 'allocation failure: Invalid partition name specified' >&2\nexit 1\n"
    )
    told = said("run", "pocket", "--site", str(cluster.site), code=2)
    assert "\n" not in told.strip()
    assert "invalid partition specified: gpu" in told
    assert read_queue(cluster.runs).entries == ()
    assert cluster.jobs == []
    sbatch.write_text("#!/bin/sh\nexit 0\n")
    (cluster.here / "scontrol").write_text("PartitionName=gpu MaxTime=00:10:00 State=UP\n")
    assert "more than the partition gives (00:10:00)" in said(
        "run", "pocket", "--site", str(cluster.site), code=2
    )
    assert read_queue(cluster.runs).entries == ()
    (cluster.here / "scontrol").write_text("")
    assert "instruct: partition gpu, no GPU, 1 cores, 1:00:00: taken" in said(
        "site", "check", str(cluster.site)
    )


@pytest.mark.parametrize("folder", ["runs", "it's 100 % mine"])
def test_a_laptop_gets_here_in_two_lines(tmp_path, folder, monkeypatch):
    """The lines themselves, by a shell and by what ssh makes of them."""
    runs = tmp_path / folder
    done = CliRunner().invoke(sirt, ["--runs", str(runs), "site", "init", "--ssh", "lab"])
    _, note, ssh = done.output.splitlines()
    assert ssh == "ssh lab"
    (tmp_path / ".ssh").mkdir()
    for _ in range(2):  # done twice, the first entry counts
        subprocess.run(["bash", "-c", note], env={"HOME": str(tmp_path)}, check=True)
    asked = ["ssh", "-F", str(tmp_path / ".ssh" / "config"), "-G", "lab"]
    if shutil.which("ssh") is None:
        pytest.skip("ssh is not installed")
    found = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
    known = dict(line.partition(" ")[::2] for line in found.splitlines())
    assert known["requesttty"] in ("true", "yes")
    command = known["remotecommand"].replace("%%", "%")
    words = subprocess.run(
        ["bash", "-c", f"printf '%s\\n' {command}"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert words[-2:] == ["--runs", str(runs)]
    assert Path(words[0]).exists()
