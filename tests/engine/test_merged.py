"""A trained student as a standard model folder: what it says, and what plain transformers reads."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner

from engine.cli.main import sirt
from engine.commands.bundling import bundle
from engine.commands.importing import take_in
from engine.commands.merged import (
    Merged,
    export_merged,
    exported_before,
    located,
    merged_from,
    plan_merge,
)
from engine.models.loading import load
from engine.phases.context import Stopped
from engine.scheduling import daemon
from engine.scheduling.queue import read_queue
from engine.schema import events as ev
from engine.schema.errors import UserError
from engine.schema.follow_ups import MergeSpec
from engine.schema.records import Pair
from engine.store.jsonlines import read_records
from engine.store.layout import ADAPTER, MERGED, PAIRS, RunsFolder
from engine.store.run import read_run
from engine.training import merging
from tests.engine.conducting import conduct_here
from tests.engine.handover_runs import trained_run
from tests.engine.training_helpers import MODELS, Lab, student
from tests.tui.conftest import copy_recorded, run_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PLAIN = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
folder, prompt = sys.argv[1:]
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForCausalLM.from_pretrained(folder)
turns = [{"role": "user", "content": prompt}]
ids = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_tensors="pt")
out = model.generate(**ids, do_sample=False, max_new_tokens=merging_tokens)
print(json.dumps({
    "answer": out[0, ids["input_ids"].shape[1]:].tolist(),
    "dtype": str(model.dtype),
    "ours": sorted(m for m in sys.modules if m.partition(".")[0] in ("engine", "peft", "trl")),
    "generation": model.generation_config.to_dict(),
}))
""".replace("merging_tokens", str(merging.NEW_TOKENS))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[RunsFolder, str]]:
    """A run a precision, trained once; tests only read it."""
    known: dict[str, tuple[RunsFolder, str]] = {}

    def of(precision: str) -> tuple[RunsFolder, str]:
        if precision not in known:
            runs = RunsFolder(tmp_path_factory.mktemp(precision) / "runs")
            runs.create()
            known[precision] = (runs, trained_run(runs, precision))
        return known[precision]

    return of


def adapter_of(runs: RunsFolder, run_id: str, kind: str = "refine") -> Path:
    spec = next(p for p in read_run(runs, run_id).spec.phases if p.kind == kind)
    return runs.phase(spec.id).out / ADAPTER


def phase_of(runs: RunsFolder, run_id: str, **options: Any) -> MergeSpec:
    (merge,) = plan_merge(runs, run_id, **options).spec.phases
    assert isinstance(merge, MergeSpec)
    return merge


def exported(
    runs: RunsFolder, run_id: str, folder: Path, max_kl: float | None = None, **options: Any
) -> Merged:
    """The student merged, where it isn't yet, and copied into the folder."""
    merge = phase_of(runs, run_id, **options)
    if not runs.phase(merge.id).done:
        Lab(runs).attempt(merge)
    return export_merged(runs, run_id, merge, folder, max_kl)


def probes_of(runs: RunsFolder, run_id: str) -> list[str]:
    pairs = next(p for p in read_run(runs, run_id).spec.phases if p.kind == "elicit")
    return [pair.prompt for pair in read_records(runs.phase(pairs.id).out / PAIRS, Pair)]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["nf4", "fp32"])
def test_the_folder_answers_as_the_trained_student_in_plain_transformers(
    trained: Any, tmp_path: Path, precision: str
) -> None:
    runs, run_id = trained(precision)
    made = exported(runs, run_id, tmp_path / "student")
    assert made.parity.tokens > 50
    assert made.parity.mean_kl < 1e-6
    assert made.parity.max_logit < 1e-3
    assert made.parity.greedy == 1.0
    assert leftovers(tmp_path) == ["student"]

    (prompt, *_) = probes_of(runs, run_id)
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"HF_HUB_OFFLINE": "1"}
    ran = subprocess.run(
        [sys.executable, "-P", "-c", PLAIN, str(tmp_path / "student"), prompt],
        env=env, cwd=tmp_path, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(ran.stdout)
    assert told["ours"] == []
    assert told["dtype"] == "torch.float32"
    assert told["generation"]["temperature"] == 0.1
    policy = load(student(precision), adapter_of(runs, run_id))
    (probe,) = merging._probes(policy, [prompt])
    assert told["answer"] == probe.ids[probe.start :]


@pytest.mark.slow
def test_other_ways_of_merging_a_4_bit_student_are_not_the_student(
    trained: Any, tmp_path: Path
) -> None:
    """Into the unquantised base, or by PEFT into the 4-bit one: both fail the check."""
    import torch

    runs, run_id = trained("nf4")
    adapter = adapter_of(runs, run_id)
    prompts = probes_of(runs, run_id)
    card = student("nf4")
    probes = merging._probes(load(card, adapter), prompts)
    unquantised = load(student("fp32"), adapter)
    unquantised.model = merging._merged(unquantised.model, adapter, torch.float32)
    requantised = load(card, adapter, trainable=True)
    with pytest.warns(UserWarning, match="4-bit linear may get different generations"):
        requantised.model = requantised.model.merge_and_unload().dequantize(torch.float32)
    for name, wrong in (("unquantised", unquantised), ("requantised", requantised)):
        merging._write(wrong, card.sampling, tmp_path / name)
        found = merging._compare(tmp_path / name, card.source, probes, 0.0)  # type: ignore[arg-type]
        assert found.mean_kl > 10 * merging.ROUNDING_16_BIT


@pytest.mark.slow
def test_16_bit_weights_are_the_student_up_to_rounding(trained: Any, tmp_path: Path) -> None:
    runs, run_id = trained("nf4")
    made = exported(runs, run_id, tmp_path / "student", dtype="bf16")
    assert made.parity.dtype == "bfloat16"
    assert 1e-7 < made.parity.mean_kl < merging.ROUNDING_16_BIT
    with pytest.raises(UserError, match="not the trained student: mean KL") as caught:
        exported(runs, run_id, tmp_path / "strict", dtype="bf16", max_kl=1e-7)
    assert "--max-kl" in str(caught.value)
    assert leftovers(tmp_path) == ["student"]


@pytest.mark.slow
def test_the_phase_can_be_chosen_and_the_card_has_its_scores_alone(
    trained: Any, tmp_path: Path
) -> None:
    runs, run_id = trained("fp32")
    made = exported(runs, run_id, tmp_path / "instructed", phase="instruct")
    assert made.phase.startswith("instruct-")
    text = (tmp_path / "instructed" / "README.md").read_text()
    assert "This run holds no scores of this model." in text
    assert "`refine-" not in text
    with pytest.raises(UserError, match="no training 'elicit'"):
        exported(runs, run_id, tmp_path / "other", phase="elicit")


@pytest.mark.slow
def test_nothing_is_overwritten_and_a_full_disk_leaves_nothing(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, run_id = trained("fp32")
    (tmp_path / "mine").mkdir()
    with pytest.raises(UserError, match="is there already"):
        exported(runs, run_id, tmp_path / "mine")
    full = phase_of(runs, run_id, dtype="fp16")

    def no_room(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("transformers.PreTrainedModel.save_pretrained", no_room)
        with pytest.raises(UserError, match="No space left on device; free some space"):
            Lab(runs).attempt(full)
        patched.setattr(shutil, "copytree", no_room)
        with pytest.raises(UserError, match="No space left on device; nothing was exported"):
            exported(runs, run_id, tmp_path / "copy")
    little = shutil._ntuple_diskusage(10**9, 10**9, 1000)  # type: ignore[attr-defined]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: little)
    with pytest.raises(UserError, match="0 MiB free, about 1 MiB needed"):
        Lab(runs).attempt(full)
    with pytest.raises(UserError, match="0 MiB free, about 3 MiB needed"):
        exported(runs, run_id, tmp_path / "small")
    assert leftovers(tmp_path) == ["mine"]
    assert not runs.phase(full.id).done


KILLED_AT = ("merging into", "loading what was written", "publishing")


@pytest.mark.slow(20)
@pytest.mark.parametrize("moment", KILLED_AT)
def test_killed_at_any_moment_it_publishes_a_whole_model_or_none(
    trained: Any, tmp_path: Path, moment: str
) -> None:
    runs, run_id = trained("fp32")
    merge = phase_of(runs, run_id, dtype="bf16" if moment == "publishing" else "fp16")
    folder = runs.phase(merge.id)
    folder.create(merge)
    attempt = folder.new_attempt()
    ran = subprocess.run(
        [sys.executable, "-c", DIES, str(folder.path), str(attempt.path), moment], check=False
    )
    assert ran.returncode == -signal.SIGKILL
    assert not folder.done
    again = Lab(runs).attempt(merge, publish=False)
    assert again.figures["mean_kl"] < merging.ROUNDING_16_BIT
    assert {p.name for p in (folder.work / "staging" / MERGED).iterdir()} >= {
        "model.safetensors", "config.json", "tokenizer.json", "generation_config.json",
    }  # fmt: skip


DIES = """
import os, shutil, signal, sys
from pathlib import Path
from engine.interfaces import Devices
from engine.scheduling.runner import run_attempt
from engine.phases.context import Context
from engine.store.layout import AttemptDir, PhaseDir
folder, attempt, moment = sys.argv[1:]
die = lambda: os.kill(os.getpid(), signal.SIGKILL)
told = Context.activity
Context.activity = lambda self, text: die() if text.startswith(moment) else told(self, text)
if moment == "publishing":
    renamed = Path.rename
    def renaming(self, to):
        renamed(self, to)
        if self.name == "staging":
            die()
    Path.rename = renaming
run_attempt(PhaseDir(Path(folder)), AttemptDir(Path(attempt)), Devices())
"""


@pytest.mark.slow
def test_asked_to_stop_it_stops_between_two_steps(trained: Any, tmp_path: Path) -> None:
    runs, run_id = trained("fp32")
    merge = phase_of(runs, run_id, dtype="fp16")

    def stop(event: ev.Event, ctx: Any) -> None:
        if isinstance(event, ev.Activity) and event.text.startswith("merging"):
            ctx.attempt.stop.touch()

    with pytest.raises(Stopped):
        Lab(runs).attempt(merge, on_event=stop)
    assert not runs.phase(merge.id).done


@pytest.mark.slow
def test_an_imported_run_is_merged_where_its_base_is(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, run_id = trained("fp32")
    bundle(runs, [run_id], tmp_path / "run.tar.gz")
    here = RunsFolder(tmp_path / "here")
    take_in(here, tmp_path / "run.tar.gz")
    made = exported(here, run_id, tmp_path / "student")
    assert exported_before(tmp_path / "student", run_id)
    assert not exported_before(tmp_path / "student", "another")
    told = json.loads((tmp_path / "student" / "lineage.json").read_text())
    assert told["adapter"] == made.phase
    manifest = here.phase(made.phase).manifest()["files"]
    assert next(p for p in told["phases"] if p["id"] == made.phase)["files"] == manifest
    weights = here.phase(made.phase).out / ADAPTER / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-8] + b"\0" * 8)
    with pytest.raises(UserError, match="is not what its phase published"):
        exported(here, run_id, tmp_path / "damaged")
    weights.unlink()
    with pytest.raises(UserError, match="packed without weights"):
        exported(here, run_id, tmp_path / "missing")


def test_a_run_that_trains_nothing_or_is_not_done_says_so(tmp_path: Path) -> None:
    runs = copy_recorded(tmp_path / "runs")
    with pytest.raises(UserError, match="trains nothing"):
        plan_merge(runs, run_of(runs, "baseline"))
    with pytest.raises(UserError, match=r"is not done; --phase instruct-\w+ takes the last"):
        plan_merge(runs, run_of(runs, "both", "otter-3m"))


def test_a_base_that_lies_elsewhere_is_found_or_asked_for_and_must_be_the_same(
    tmp_path: Path,
) -> None:
    from engine.planning.presets import hash_weights

    def at(path: Path | str, name: str = "wren-1m") -> Any:
        card = student(name=name)
        revision = hash_weights(MODELS / "wren-1m")
        update = {"path": str(path), "revision": revision}
        return card.model_copy(update={"source": card.source.model_copy(update=update)})

    assert located(at(MODELS / "wren-1m")).source.path == str(MODELS / "wren-1m")  # type: ignore[union-attr]
    assert located(at("/gone/wren-1m")).source.path == str(MODELS / "wren-1m")  # type: ignore[union-attr]
    unknown = at("/gone/own").model_copy(update={"name": "own"})
    with pytest.raises(UserError, match="own is not there; say with --base DIR"):
        located(unknown)
    assert located(unknown, MODELS / "wren-1m").source.path == str(MODELS / "wren-1m")  # type: ignore[union-attr]
    with pytest.raises(UserError, match="other weights than own was trained from"):
        located(unknown, MODELS / "otter-1m")


@pytest.mark.slow
def test_the_verb_queues_it_waits_for_it_and_merges_once(
    trained: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, run_id = trained("fp32")
    conduct = conduct_here(monkeypatch)

    def call(*more: str) -> Any:
        options = ["--runs", str(runs.root), "export", run_id, "--phase", "instruct", *more]
        return CliRunner().invoke(sirt, [*options, "--dtype", "bf16"])

    queued = call("--merged", str(tmp_path / "one"), "--detach")
    assert "queued; look with `sirt" in queued.stderr
    assert "memory: about" in queued.stderr
    assert leftovers(tmp_path) == []
    (merging_run,) = read_queue(runs).run_ids
    assert read_run(runs, merging_run).tags == (run_id,)
    done = call("--merged", str(tmp_path / "one"))
    assert done.exit_code == 0, done.output
    assert "in bfloat16; against the trained student on" in done.stdout
    assert merged_from(runs, merging_run)[0] == run_id
    of_itself = ["--runs", str(runs.root), "export", merging_run, "--merged", str(tmp_path / "x")]
    assert CliRunner().invoke(sirt, of_itself).exit_code == 0
    assert json.loads((tmp_path / "x" / "lineage.json").read_text())["run_id"] == run_id
    shutil.rmtree(tmp_path / "x")
    packed = bundle(runs, [merging_run], tmp_path / "x.tar", without_weights=True)
    assert any(name.endswith("out/model/model.safetensors") for name in packed.left_out)
    assert not any("safetensors" in name for name in packed.files)
    (tmp_path / "x.tar").unlink()
    monkeypatch.setattr(daemon, "ensure_running", lambda _: pytest.fail("merged again"))
    assert call("--merged", str(tmp_path / "other")).exit_code == 0
    assert leftovers(tmp_path) == ["one", "other"]
    refused = call("--merged", str(tmp_path / "one"))
    assert "is there already" in str(refused.exception)
    strict = call("--merged", str(tmp_path / "strict"), "--max-kl", "1e-9")
    assert "is not the trained student" in str(strict.exception)
    conduct(runs)
    assert leftovers(tmp_path) == ["one", "other"]
