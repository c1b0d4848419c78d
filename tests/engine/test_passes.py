"""However a batch is cut into passes, a step of DPO is the same; memory says how it is cut."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import pytest
import torch

from engine.machine import devices
from engine.models.loading import Loaded
from engine.schema import events as ev
from engine.schema.settings import RefineSettings
from engine.schema.specs import RefineSpec
from engine.store.layout import RunsFolder
from engine.training import givingback
from engine.training import trainer as tr
from tests.engine.training_helpers import Attempt, Lab, pair, student

if TYPE_CHECKING:
    from pathlib import Path


def refined(folder: Path, at_once: int, monkeypatch: pytest.MonkeyPatch) -> Attempt:
    """Two passes over 13 pairs, eight a step and then five, and 4 held out; the winners long and
    short."""
    lab = Lab(RunsFolder(folder))
    pairs = [
        pair(i, chosen=f"{'She counts them. ' * (i % 5)}The answer is {i}.") for i in range(14)
    ]
    settings = RefineSettings(
        learning_rate=1e-3, warmup_steps=0, batch_size=8, max_steps=4, evaluate_every=2,
        look_prompts=0,
        sft_weight=1.0, held_out=0.24,
    )  # fmt: skip
    spec = RefineSpec(student=student(), adapter=None, pairs=lab.elicited(pairs), settings=settings)
    monkeypatch.setattr(tr, "examples_at_once", lambda *_: 2 * at_once)
    return lab.attempt(spec)


@pytest.mark.slow
def test_passes_make_the_same_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, cut = (refined(tmp_path / str(n), n, monkeypatch) for n in (8, 2))
    assert (whole.figures["per_device"], whole.figures["accumulation"]) == (8, 1)
    assert (cut.figures["per_device"], cut.figures["accumulation"]) == (2, 4)
    for name, count in (("loss", 4), ("eval_loss", 2)):
        losses = [
            [m.values[name] for m in one.of(ev.Metric) if name in m.values] for one in (whole, cut)
        ]
        assert len(losses[0]) == count
        assert losses[1] == pytest.approx(losses[0], rel=1e-4)
    for name, weights in whole.adapter.items():
        assert torch.allclose(cut.adapter[name], weights, atol=1e-5)


def test_a_pass_fits_into_what_a_control_group_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape = SimpleNamespace(
        num_hidden_layers=24, hidden_size=896, intermediate_size=4864, num_attention_heads=14,
        vocab_size=151_936,
    )  # fmt: skip
    config = SimpleNamespace(get_text_config=lambda: shape)
    model = SimpleNamespace(config=config, dtype=torch.bfloat16)
    loaded = Loaded(model, None, torch.device("cpu"))
    plenty = SimpleNamespace(total=512 * 2**30, available=512 * 2**30)
    monkeypatch.setattr(devices.psutil, "virtual_memory", lambda: plenty)
    monkeypatch.setattr(devices, "groups", lambda: iter([tmp_path]))
    assert tr.examples_at_once(loaded, 500) == 64
    for name, text in (("max", str(8 * 2**30)), ("current", "0"), ("stat", "inactive_file 0")):
        (tmp_path / f"memory.{name}").write_text(text)
    assert tr.examples_at_once(loaded, 200) == 3


def test_what_a_step_has_freed_goes_back_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    giver = givingback.GivesBack()
    if giver._trim is None:
        pytest.skip("this C library gives nothing back when asked")
    monkeypatch.setattr(givingback, "EVERY_S", 0.0)
    held = psutil.Process().memory_info
    small = [torch.ones(16_000) for _ in range(3_000)]  # 64 kB each, below what is mapped alone
    last, full = torch.ones(16_000), held().rss
    del small
    giver.on_step_end(None, None, None)  # type: ignore[arg-type]
    assert held().rss < full - 100 * 2**20
    assert last.sum() == 16_000
